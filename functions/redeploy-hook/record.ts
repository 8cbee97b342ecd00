import { hash } from 'node:crypto'
import * as z from 'zod/mini'
import { clip } from '#shared/pure/clip.ts'
import { rolloutRecordAnnotation } from '#shared/runtime/rollout-record.ts'

/**
 * The annotation on a workload that carries what was done to it. It is written in the same patch as the image, so that there is
 * never an image of ours without its record or a record without its image.
 */
export const recordAnnotation = rolloutRecordAnnotation

/** Keeps a workload out of this function, unless it says "false". */
export const optOutAnnotation = 'longshore.dev/opt-out'

/** More contents that failed than this are not kept with one container. */
export const mostBad = 5

const contentPrefix = 'longshore.dev/content.'
/** Of the part after the slash, by the API. */
const longestName = 63

/**
 * The annotation of the pod template that tells pods of one content from those of another when the image is written in the same way
 * (a tag that was pushed again): changing it replaces the pods.
 */
export function contentAnnotation(container: string): string {
  const name = `content.${container}`
  return name.length <= longestName ? `${contentPrefix}${container}` : `${contentPrefix}${hash('sha256', container, 'hex').slice(0, 40)}`
}

/** An image of a container and the content that it stood for, where that is known. */
export interface PlacedImage {
  readonly image: string
  readonly content?: string | undefined
}

/** What this function put into a container. Times are epoch milliseconds. */
export interface SetImage {
  /** As it was written into the template. Another one there now means that somebody else has changed it. */
  readonly image: string
  /** Absent after a rollback to an image of which nobody knew the content. */
  readonly content?: string | undefined
  readonly rule: string
  /** Key of the step: tells after a lost answer whether the write arrived, and one write from the next. */
  readonly key: string
  readonly atMs: number
  /** What is put back when it fails: the last image that was not on its way. */
  readonly previous?: PlacedImage | undefined
  /** `rolling`: on its way. `done`: it ran well. `failed`: it did not, or this is what was put back in its place. */
  readonly state: 'rolling' | 'done' | 'failed'
  readonly doneMs?: number | undefined
  /** The copy of a Job that runs it, or the run of a CronJob that was started for it. */
  readonly job?: string | undefined
}

/** The newest push that was acted on, whatever became of it: an older one never comes after it. */
export interface PushMark {
  readonly tag: string
  readonly content: string
  readonly pushedMs?: number | undefined
}

/** A content that failed here. It is held everywhere until somebody releases it. */
export interface BadImage {
  readonly repository: string
  readonly image: string
  readonly content: string
  readonly why: string
  readonly atMs: number
}

/** What is known of one container. */
export interface ContainerRecord {
  readonly set?: SetImage | undefined
  readonly mark?: PushMark | undefined
  /** Newest first. */
  readonly bad?: readonly BadImage[] | undefined
  /** The content that somebody agreed to, and who. */
  readonly approved?: { readonly content: string; readonly by: string; readonly atMs: number } | undefined
  /** The content that somebody took back. */
  readonly undone?: { readonly content: string; readonly atMs: number } | undefined
  /** The content that somebody lets be tried again after it failed or was taken back. */
  readonly released?: { readonly content: string; readonly atMs: number } | undefined
}

/** A record as it was read. */
export interface RecordReading {
  /** The annotation as it is; absent when there is none. */
  readonly text?: string | undefined
  readonly containers: Readonly<Record<string, ContainerRecord>>
  /** Why it cannot be read, if so; then `containers` says nothing. */
  readonly problem?: string | undefined
}

export const noRecord: RecordReading = { containers: {} }

/** What is known of a container; nothing of one that is not in there. */
export function recordFor({ containers }: RecordReading, name: string): ContainerRecord {
  return (Object.hasOwn(containers, name) ? containers[name] : undefined) ?? {}
}

/** Exactly as written here: `Date.parse` takes "5" for a month of 2001 and the 31st of February for a day of March. */
const Instant = z.pipe(
  z.string().check(z.regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)),
  z.transform((text, context) => {
    const ms = Date.parse(text)
    if (Number.isFinite(ms) && instantText(ms) === text) return ms
    context.issues.push({ code: 'custom', message: 'is no instant', input: text })
    return z.NEVER
  }),
)

const Image = z.string().check(z.minLength(1), z.maxLength(1000))
const ContentId = z.string().check(z.minLength(1), z.maxLength(300))
const Text = z.string().check(z.maxLength(1000))

/** Lenient about what a newer version may have added, strict about what is known here. */
const WrittenContainer = z.object({
  set: z.optional(
    z.object({
      image: Image,
      content: z.optional(ContentId),
      rule: Text,
      key: z.string().check(z.maxLength(256)),
      at: Instant,
      previous: z.optional(z.object({ image: Image, content: z.optional(ContentId) })),
      state: z.enum(['rolling', 'done', 'failed']),
      done: z.optional(Instant),
      job: z.optional(z.string().check(z.maxLength(253))),
    }),
  ),
  mark: z.optional(z.object({ tag: z.string().check(z.maxLength(128)), content: ContentId, pushed: z.optional(Instant) })),
  bad: z.optional(
    z.array(z.object({ repository: z.string().check(z.maxLength(255)), image: Image, content: ContentId, why: Text, at: Instant })),
  ),
  approved: z.optional(z.object({ content: ContentId, by: Text, at: Instant })),
  undone: z.optional(z.object({ content: ContentId, at: Instant })),
  released: z.optional(z.object({ content: ContentId, at: Instant })),
})

const WrittenRecord = z.record(z.string(), WrittenContainer)

/**
 * Reads the annotation's text. Never guesses: with a record that somebody garbled nobody knows what was done, so it is a problem, and
 * the workload is held until a person has repaired or removed it.
 */
export function parseRecord(text: string | undefined): RecordReading {
  if (text === undefined) return noRecord
  const problem = (what: string): RecordReading => ({ text, containers: {}, problem: what })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return problem('it is not JSON')
    throw error
  }
  const parsed = z.safeParse(WrittenRecord, value)
  if (!parsed.success) return problem(`${clip(parsed.error.issues[0]?.path.join('.') ?? '') || 'it'} is not as written`)
  const containers = Object.entries(parsed.data).map(([name, written]) => [name, recordOf(written)] as const)
  return { text, containers: Object.fromEntries(containers) }
}

/**
 * The annotation's text with some containers' records replaced. What it holds of others, and what a newer version has added, stays.
 * With a text that cannot be read it starts anew, so ask `parseRecord` first.
 */
export function formatRecord(before: string | undefined, changed: Readonly<Record<string, ContainerRecord>>): string {
  const all: Record<string, unknown> = { ...objectOf(before === undefined ? undefined : parsedJson(before)) }
  for (const [name, record] of Object.entries(changed)) {
    const kept = objectOf(Object.hasOwn(all, name) ? all[name] : undefined)
    // Parts that are gone are undefined here and left out by JSON.
    all[name] = { ...kept, ...writtenOf(record) }
  }
  return JSON.stringify(all)
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function objectOf(value: unknown): object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

function recordOf({ set, mark, bad, approved, undone, released }: z.infer<typeof WrittenContainer>): ContainerRecord {
  return {
    ...(set === undefined ? {} : { set: setOf(set) }),
    ...(mark === undefined
      ? {}
      : { mark: { tag: mark.tag, content: mark.content, ...(mark.pushed === undefined ? {} : { pushedMs: mark.pushed }) } }),
    ...(bad === undefined ? {} : { bad: bad.map(({ at, ...one }) => ({ ...one, atMs: at })) }),
    ...(approved === undefined ? {} : { approved: { content: approved.content, by: approved.by, atMs: approved.at } }),
    ...(undone === undefined ? {} : { undone: { content: undone.content, atMs: undone.at } }),
    ...(released === undefined ? {} : { released: { content: released.content, atMs: released.at } }),
  }
}

function setOf({ at, done, ...set }: NonNullable<z.infer<typeof WrittenContainer>['set']>): SetImage {
  return { ...set, atMs: at, ...(done === undefined ? {} : { doneMs: done }) }
}

function writtenOf({ set, mark, bad, approved, undone, released }: ContainerRecord): object {
  return {
    set:
      set === undefined
        ? undefined
        : {
            image: set.image,
            content: set.content,
            rule: clip(set.rule, 1000),
            key: set.key,
            at: instantText(set.atMs),
            previous: set.previous,
            state: set.state,
            done: set.doneMs === undefined ? undefined : instantText(set.doneMs),
            job: set.job,
          },
    mark:
      mark === undefined
        ? undefined
        : { tag: mark.tag, content: mark.content, pushed: mark.pushedMs === undefined ? undefined : instantText(mark.pushedMs) },
    bad: bad?.slice(0, mostBad).map(({ repository, image, content, why, atMs }) => ({
      repository,
      image,
      content,
      why: clip(why, 500),
      at: instantText(atMs),
    })),
    approved: approved === undefined ? undefined : { content: approved.content, by: clip(approved.by), at: instantText(approved.atMs) },
    undone: undone === undefined ? undefined : { content: undone.content, at: instantText(undone.atMs) },
    released: released === undefined ? undefined : { content: released.content, at: instantText(released.atMs) },
  }
}

function instantText(ms: number): string {
  return new Date(ms).toISOString()
}
