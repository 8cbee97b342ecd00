import * as z from 'zod/mini'
import { type ContainerRecord, formatRecord, parseRecord, recordFor } from './record.ts'
import { workloadKinds } from './workload.ts'

const Text = z.string().check(z.minLength(1), z.maxLength(1000))
const Instant = z.int().check(z.nonnegative())

const Ref = z.strictObject({ cluster: Text, namespace: Text, kind: z.enum(workloadKinds), name: Text })

/** Which workload, and as what it was seen. */
const workload = {
  ref: Ref,
  /** Of the object that was planned for; another one of the same name is left alone. */
  uid: Text,
  /**
   * The annotation with the record as it was read; null where there was none. The write tests it, so that nobody's decision is written
   * over. Absent in an undo, which finds what it takes back by `undoes`.
   */
  recordText: z.optional(z.nullable(z.string())),
}

const Place = { name: Text, index: z.int().check(z.nonnegative()), isInit: z.boolean() }

const Placed = z.strictObject({ image: Text, content: z.optional(Text) })

const Bad = z.strictObject({ repository: Text, image: Text, content: Text, why: z.string() })

const NewImage = z.strictObject({
  ...Place,
  /** As the template writes it now; the write tests it. */
  from: Text,
  to: Text,
  repository: Text,
  tag: Text,
  content: Text,
  /** When it was pushed; absent where the registry does not tell. */
  pushedMs: z.optional(Instant),
  /** What a rollback puts back. */
  previous: z.optional(Placed),
  rule: Text,
  /** The image is written as before, so the template's `contentAnnotation` has to replace the pods. */
  restart: z.boolean(),
  /** What was on its way before and has failed. */
  bad: z.optional(Bad),
})

/** Gives containers of a workload new images, all in one write with the record. */
const SetImages = z.strictObject({
  kind: z.literal('set-images'),
  ...workload,
  containers: z.array(NewImage).check(z.minLength(1)),
  /** Nothing rolls that could be watched (a CronJob that is not run at once): it is done as soon as it is written. */
  isDone: z.boolean(),
})

/** Puts back what ran before. */
const Rollback = z.strictObject({
  kind: z.literal('rollback'),
  ...workload,
  /** `failed`: the rollout did not work. `undo`: somebody takes the change back. */
  cause: z.enum(['failed', 'undo']),
  /** Key of the step that is taken back; it has to be the one on record. */
  undoes: z.optional(Text),
  containers: z
    .array(
      z.strictObject({
        ...Place,
        /** The image has to be ours still; the write tests it. */
        from: Text,
        to: Text,
        /** What `to` stands for, where that is known. */
        content: z.optional(Text),
        rule: Text,
        bad: z.optional(Bad),
      }),
    )
    .check(z.minLength(1)),
})

/** Writes down how a rollout ended. Changes nothing but the record. */
const SettleRecord = z.strictObject({
  kind: z.literal('settle-record'),
  ...workload,
  containers: z.array(z.strictObject({ name: Text, state: z.enum(['done', 'failed']), bad: z.optional(Bad) })).check(z.minLength(1)),
})

/** A Job cannot be changed: a copy with the new images takes its place, and the record stays on the Job that was copied. */
const CloneJob = z.strictObject({
  kind: z.literal('clone-job'),
  ...workload,
  /** Name of the copy: the same step gives the same name. */
  job: Text,
  /** Earlier copies that stay. */
  keep: z.int().check(z.nonnegative()),
  /** The copy belongs to the Job and goes when it goes. */
  owner: z.boolean(),
  containers: z.array(NewImage).check(z.minLength(1)),
})

/** Runs a CronJob once, with the images that its template has now. */
const RunCronJob = z.strictObject({
  kind: z.literal('run-cronjob'),
  ...workload,
  /** Name of the Job that runs it: the same step gives the same name. */
  job: Text,
  containers: z.array(z.strictObject({ name: Text, image: Text })).check(z.minLength(1)),
})

/** Writes down that somebody agreed to contents. Changes nothing but the record. */
const Approve = z.strictObject({
  kind: z.literal('approve'),
  ...workload,
  by: Text,
  containers: z.array(z.strictObject({ name: Text, content: Text })).check(z.minLength(1)),
})

/** Lets contents that failed be tried again. Changes nothing but the record. */
const Release = z.strictObject({
  kind: z.literal('release'),
  ...workload,
  containers: z.array(z.strictObject({ name: Text, content: Text })).check(z.minLength(1)),
})

/** A trigger of the registry as its API writes and reads it. */
export const TriggerFacts = z.strictObject({
  name: Text,
  repository: Text,
  method: z.enum(['all', 'taglist', 'regex']),
  /** Names separated by commas, or a regular expression; empty for `all`. */
  expression: z.string(),
  cluster: Text,
  namespace: Text,
  workload: Text,
  container: Text,
  regionId: z.int(),
})

export type TriggerFacts = z.infer<typeof TriggerFacts>

const kind = z.enum(workloadKinds)

const TriggerCreate = z.strictObject({ kind: z.literal('trigger-create'), workloadKind: kind, to: TriggerFacts })
const TriggerModify = z.strictObject({ kind: z.literal('trigger-modify'), workloadKind: kind, from: TriggerFacts, to: TriggerFacts })
const TriggerDelete = z.strictObject({ kind: z.literal('trigger-delete'), from: TriggerFacts })

/**
 * What a step of the redeploy hook brings about. Plain JSON; nothing in it depends on when it was planned, so that a plan that is made
 * again is the same.
 */
export const RedeployChange = z.discriminatedUnion('kind', [
  SetImages,
  Rollback,
  SettleRecord,
  CloneJob,
  RunCronJob,
  Approve,
  Release,
  TriggerCreate,
  TriggerModify,
  TriggerDelete,
])

export type RedeployChange = z.infer<typeof RedeployChange>
export type SetImagesChange = z.infer<typeof SetImages>
export type NewImage = z.infer<typeof NewImage>
export type RollbackChange = z.infer<typeof Rollback>
export type SettleRecordChange = z.infer<typeof SettleRecord>
export type CloneJobChange = z.infer<typeof CloneJob>
export type RunCronJobChange = z.infer<typeof RunCronJob>
export type ApproveChange = z.infer<typeof Approve>
export type ReleaseChange = z.infer<typeof Release>
export type TriggerChange = z.infer<typeof TriggerCreate> | z.infer<typeof TriggerModify> | z.infer<typeof TriggerDelete>
/** Those that are about a workload and write its record. */
export type WorkloadChange = Exclude<RedeployChange, TriggerChange>

export function isWorkloadChange(change: RedeployChange): change is WorkloadChange {
  return 'ref' in change
}

/**
 * The annotation's text after a change. `key` is the step's, `now` the run's. `before` is the annotation as it is right before the write
 * (undefined where there is none); with one that cannot be read it starts anew, so ask `parseRecord` first.
 */
export function recordTextAfter(change: WorkloadChange, before: string | undefined, key: string, now: number): string {
  const reading = parseRecord(before)
  const changed = change.containers.map(({ name }) => [name, recordAfter(change, name, recordFor(reading, name), key, now)] as const)
  return formatRecord(before, Object.fromEntries(changed))
}

/** What is on record of one container after a change. */
export function recordAfter(change: WorkloadChange, name: string, before: ContainerRecord, key: string, now: number): ContainerRecord {
  switch (change.kind) {
    case 'set-images':
    case 'clone-job': {
      const container = change.containers.find((one) => one.name === name)
      if (container === undefined) return before
      const isDone = change.kind === 'set-images' && change.isDone
      return afterSet(container, before, key, now, { isDone, job: change.kind === 'clone-job' ? change.job : undefined })
    }
    case 'rollback': {
      const container = change.containers.find((one) => one.name === name)
      if (container === undefined) return before
      const { to: image, content, rule, bad } = container
      const taken = before.set?.content
      return {
        ...before,
        set: {
          image,
          ...(content === undefined ? {} : { content }),
          rule,
          key,
          atMs: now,
          state: change.cause === 'undo' ? 'done' : 'failed',
        },
        ...withBad(before, bad, now),
        ...(change.cause === 'undo' && taken !== undefined ? { undone: { content: taken, atMs: now } } : {}),
      }
    }
    case 'settle-record': {
      const container = change.containers.find((one) => one.name === name)
      if (container === undefined || before.set === undefined) return before
      const { state, bad } = container
      return {
        ...before,
        set: { ...before.set, state, ...(state === 'done' ? { doneMs: now } : {}) },
        ...withBad(before, bad, now),
      }
    }
    case 'run-cronjob':
      return before.set === undefined ? before : { ...before, set: { ...before.set, job: change.job } }
    case 'approve': {
      const container = change.containers.find((one) => one.name === name)
      return container === undefined ? before : { ...before, approved: { content: container.content, by: change.by, atMs: now } }
    }
    case 'release': {
      const container = change.containers.find((one) => one.name === name)
      if (container === undefined) return before
      return afterRelease(container.content, before, now)
    }
  }
}

function afterRelease(content: string, before: ContainerRecord, now: number): ContainerRecord {
  const { bad, undone, set, ...rest } = before
  const others = bad?.filter((one) => one.content !== content) ?? []
  // What runs still, because nothing was put back in its place, is watched from now on as if it had just been set.
  const isThere = set?.state === 'failed' && set.content === content
  return {
    ...rest,
    ...(set === undefined ? {} : { set: isThere ? { ...set, state: 'rolling', atMs: now } : set }),
    ...(others.length === 0 ? {} : { bad: others }),
    ...(undone === undefined || undone.content === content ? {} : { undone }),
    released: { content, atMs: now },
  }
}

function afterSet(
  { to: image, content, tag, pushedMs, previous, rule, bad }: NewImage,
  before: ContainerRecord,
  key: string,
  now: number,
  { isDone, job }: { readonly isDone: boolean; readonly job: string | undefined },
): ContainerRecord {
  const { undone, released, ...rest } = before
  return {
    ...rest,
    set: {
      image,
      content,
      rule,
      key,
      atMs: now,
      ...(previous === undefined ? {} : { previous }),
      state: isDone ? 'done' : 'rolling',
      ...(isDone ? { doneMs: now } : {}),
      ...(job === undefined ? {} : { job }),
    },
    mark: { tag, content, ...(pushedMs === undefined ? {} : { pushedMs }) },
    ...withBad(before, bad, now),
  }
}

/** The contents that failed, with one more in front. */
function withBad(before: ContainerRecord, bad: z.infer<typeof Bad> | undefined, now: number): Pick<ContainerRecord, 'bad'> {
  if (bad === undefined) return {}
  return { bad: [{ ...bad, atMs: now }, ...(before.bad ?? []).filter(({ content }) => content !== bad.content)] }
}
