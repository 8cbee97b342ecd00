import * as z from 'zod/mini'
import { type RedeployChange, recordTextAfter, type WorkloadChange } from '#functions/redeploy-hook/change.ts'
import { type RedeployConfig, Settings } from '#functions/redeploy-hook/event.ts'
import type { ReadRepository, RegistryTag } from '#functions/redeploy-hook/image.ts'
import { type Observed, plan } from '#functions/redeploy-hook/plan.ts'
import type { RedeployStep } from '#functions/redeploy-hook/plan-step.ts'
import { noRecord, parseRecord } from '#functions/redeploy-hook/record.ts'
import type { ReadContainer, ReadWorkload, RolloutStatus, SeenWorkload, WorkloadRef } from '#functions/redeploy-hook/workload.ts'

export const host = 'ccr.ccs.tencentyun.com'
export const noon = Date.parse('2026-11-24T12:00:00.000Z')
export const minute = 60_000

/** A digest that a test can tell from another by one letter. */
export function digest(letter: string): string {
  return `sha256:${letter.repeat(64).slice(0, 64)}`
}

/** `digest('a')` pushed so many minutes after noon; before it with a negative number. */
export function tag(name: string, letter: string, minutes: number | undefined, more: Partial<RegistryTag> = {}): RegistryTag {
  const time = minutes === undefined ? {} : { pushedMs: noon + minutes * minute }
  return { name, contentId: digest(letter), isDigest: true, ...time, patterns: [], ...more }
}

export function repository(tags: readonly RegistryTag[], name = 'team/web'): ReadRepository {
  return { name, tags }
}

export const webRef: WorkloadRef = { cluster: 'cls-1', namespace: 'default', kind: 'Deployment', name: 'web' }

export const complete: RolloutStatus = { kind: 'complete', text: 'all 2 pods are new and available' }
export const progressing: RolloutStatus = { kind: 'progressing', text: '1 of 2 pods are of the new template' }
export const failed: RolloutStatus & { readonly kind: 'failed' } = {
  kind: 'failed',
  code: 'pod-waiting',
  text: 'container app of pod web-1 waits with ImagePullBackOff',
}

export function container(name: string, image: string, more: Partial<ReadContainer> = {}): ReadContainer {
  return { name, image, isInit: false, index: 0, pullPolicy: 'Always', ...more }
}

export function workload(image: string, more: Partial<ReadWorkload> = {}): ReadWorkload {
  return {
    ref: webRef,
    uid: 'uid-web',
    containers: [container('app', image)],
    record: noRecord,
    rollout: complete,
    optOut: false,
    deleting: false,
    paused: false,
    podsSinceMs: noon - 60 * minute,
    ...more,
  }
}

const webRule = {
  name: 'web',
  repository: 'team/web',
  tags: { all: true },
  targets: [{ kind: 'deployment', name: 'web', cluster: 'cls-1' }],
}

/** One rule for `team/web`, with what a test wants otherwise. */
export function rule(more: object = {}): object {
  return { ...webRule, ...more }
}

export function config(rules: readonly object[] = [rule()], more: object = {}): RedeployConfig {
  const settings = z.parse(Settings, { rules, ...more })
  return { clusters: [{ id: 'cls-1', name: 'one' }, { id: 'cls-2', name: 'two' }, { id: 'cls-3' }], region: 'ap-guangzhou', settings }
}

export function observed(tags: readonly RegistryTag[], workloads: readonly SeenWorkload[], more: Partial<Observed> = {}): Observed {
  return { scope: 'all', repositories: [repository(tags)], workloads, holds: [], hints: [], ...more }
}

export function changeOf(step: RedeployStep | undefined): RedeployChange | undefined {
  return step?.verdict === 'change' ? step.change : undefined
}

/** `change newer-push`, of each step. */
export function verdicts(steps: readonly RedeployStep[]): readonly string[] {
  return steps.map(({ verdict, reason }) => `${verdict} ${reason.code}`)
}

/** What a workload is after a change, as the one patch makes it: images, the template's marks, the record. Rollouts begin anew. */
export function applied(before: ReadWorkload, change: WorkloadChange, key: string, now: number): ReadWorkload {
  const record = parseRecord(recordTextAfter(change, before.record.text, key, now))
  if (change.kind !== 'set-images' && change.kind !== 'rollback') {
    return { ...before, record, rollout: change.kind === 'clone-job' || change.kind === 'run-cronjob' ? progressing : before.rollout }
  }
  const containers = before.containers.map((one) => {
    const changed = change.containers.find(({ name }) => name === one.name)
    if (changed === undefined) return one
    if (one.image !== changed.from) throw new Error(`${one.name} has ${one.image}, not ${changed.from}`)
    return { ...one, image: changed.to, ...(changed.from === changed.to ? { contentMark: changed.content } : {}) }
  })
  const isWatched = before.ref.kind !== 'CronJob'
  return { ...before, containers, record, rollout: isWatched ? progressing : complete }
}

/** Plans, carries every change out, and says what the workloads are then. */
export function afterPlan(
  world: Observed,
  settings: RedeployConfig,
  now: number,
): { readonly world: Observed; readonly steps: readonly RedeployStep[] } {
  const steps = plan(world, settings, now)
  const workloads = world.workloads.map((one) =>
    steps.reduce<SeenWorkload>((current, step) => {
      if (step.verdict !== 'change' || !('ref' in step.change) || 'problem' in current) return current
      if (step.change.uid !== current.uid || step.change.ref.cluster !== current.ref.cluster) return current
      return applied(current, step.change, step.key, now)
    }, one),
  )
  return { world: { ...world, workloads }, steps }
}

/** The same workloads with all rollouts at this point. */
export function withRollout(world: Observed, rollout: RolloutStatus): Observed {
  return { ...world, workloads: world.workloads.map((one) => ('problem' in one ? one : { ...one, rollout })) }
}

/** The images of a workload's containers, by name. */
export function imagesOf(world: Observed, index = 0): Readonly<Record<string, string>> {
  const one = world.workloads[index]
  if (one === undefined || 'problem' in one) return {}
  return Object.fromEntries(one.containers.map(({ name, image }) => [name, image]))
}
