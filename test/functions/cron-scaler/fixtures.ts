import * as z from 'zod/mini'
import { type CronScalerConfig, Settings } from '#functions/cron-scaler/event.ts'
import { rulesOfHpc } from '#functions/cron-scaler/hpc.ts'
import type { ObservedCluster, ObservedTarget } from '#functions/cron-scaler/plan.ts'
import { nextRecord } from '#functions/cron-scaler/record.ts'
import type { ScaleChange } from '#functions/cron-scaler/scale-change.ts'
import type { Size } from '#functions/cron-scaler/target.ts'
import type { Step } from '#shared/pure/step.ts'

export type ChangeStep = Step<ScaleChange> & { readonly verdict: 'change' }

/** An instant written for people. */
export function at(text: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new Error(`${text} is no instant`)
  return ms
}

export function configOf(settings: z.input<typeof Settings> = {}): CronScalerConfig {
  return { clusters: [{ id: 'cls-1', name: 'office' }, { id: 'cls-2' }], settings: z.parse(Settings, settings) }
}

type RuleInput = NonNullable<z.input<typeof Settings>['rules']>[number]

/** A rule of the configuration for Deployment default/web in cls-1. */
export function ruleOf(
  name: string,
  schedule: string,
  size: number | readonly [min: number, max: number],
  more: Partial<RuleInput> = {},
): RuleInput {
  const target = typeof size === 'number' ? { kind: 'Deployment', name: 'web' } : { kind: 'HorizontalPodAutoscaler', name: 'web' }
  const sizes = typeof size === 'number' ? { targetSize: size } : { minSize: size[0], maxSize: size[1] }
  return { name, cluster: 'cls-1', target, schedule, timeZone: 'UTC', ...sizes, ...more }
}

export function replicas(count: number): Size {
  return { kind: 'replicas', replicas: count }
}

export function bounds(min: number, max: number): Size {
  return { kind: 'bounds', min, max }
}

export function targetWith(size: Size, more: Partial<ObservedTarget> = {}): ObservedTarget {
  return {
    kind: size.kind === 'replicas' ? 'Deployment' : 'HorizontalPodAutoscaler',
    namespace: 'default',
    name: 'web',
    uid: 'uid-web',
    size,
    deleting: false,
    optOut: false,
    ...more,
  }
}

export function clusterWith(targets: readonly ObservedTarget[], more: Partial<ObservedCluster> = {}): ObservedCluster {
  return { id: 'cls-1', rules: [], targets, autoscalers: [], controller: 'absent', problems: [], ...more }
}

/** What the API says of an HPC object. */
export function hpcObject(crons: readonly unknown[], more: { readonly metadata?: object; readonly spec?: object } = {}): object {
  return {
    apiVersion: 'autoscaling.cloud.tencent.com/v1',
    kind: 'HorizontalPodCronscaler',
    metadata: { name: 'hpc', namespace: 'default', uid: 'uid-hpc', creationTimestamp: '2026-01-01T00:00:00Z', ...more.metadata },
    spec: { scaleTarget: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', namespace: 'default' }, crons, ...more.spec },
  }
}

export function hpcRules(crons: readonly unknown[], config: CronScalerConfig, more?: Parameters<typeof hpcObject>[1]) {
  return rulesOfHpc(hpcObject(crons, more), 'cls-1', config.settings)
}

/** A target after a change has been applied to it: what the cluster would show next time. */
export function applied(target: ObservedTarget, step: ChangeStep, now: number): ObservedTarget {
  const { change, key } = step
  const record = nextRecord(target.record, target.size, {
    key,
    rule: change.rule,
    nominalMs: change.nominalMs,
    decidedMs: now,
    size: change.to,
    ...(change.onceKey === undefined ? {} : { onceKey: change.onceKey }),
  })
  return { ...target, size: change.to, record }
}

export function changesOf(steps: readonly Step<ScaleChange>[]): ChangeStep[] {
  return steps.filter((step): step is ChangeStep => step.verdict === 'change')
}

/** `verdict code` of each step, for comparing at a glance. */
export function summary(steps: readonly Step<ScaleChange>[]): string[] {
  return steps.map((step) => `${step.verdict} ${step.reason.code}`)
}
