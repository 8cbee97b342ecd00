import * as z from 'zod/mini'
import { type CronScalerConfig, Settings } from '#functions/cron-scaler/event.ts'
import { rulesOfHpc } from '#functions/cron-scaler/hpc.ts'
import { type ObservedCluster, type ObservedTarget, plan } from '#functions/cron-scaler/plan.ts'
import { nextRecord, transitionOf } from '#functions/cron-scaler/record.ts'
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
  const record = nextRecord(target.record, target.size, transitionOf(key, change, now))
  return { ...target, size: change.to, record }
}

export function changesOf(steps: readonly Step<ScaleChange>[]): ChangeStep[] {
  return steps.filter((step): step is ChangeStep => step.verdict === 'change')
}

/** `verdict code` of each step, for comparing at a glance. */
export function summary(steps: readonly Step<ScaleChange>[]): string[] {
  return steps.map((step) => `${step.verdict} ${step.reason.code}`)
}

/** What is decided in cls-1, of which these are the targets. */
export function planOf(
  targets: readonly ObservedTarget[],
  config: CronScalerConfig,
  now: number,
  more: Partial<ObservedCluster> = {},
): readonly Step<ScaleChange>[] {
  return plan({ clusters: [clusterWith(targets, more)] }, config, now)
}

/** One change of a target's size on its way through some ticks. */
export interface Change {
  readonly now: string
  readonly rule: string
  readonly nominal: string
  readonly to: Size
}

/** Plans and applies at each instant, as the runtime does in mode enforce, and tells what was done. `between` is what a person does after it. */
export function playThrough(
  start: ObservedTarget,
  config: CronScalerConfig,
  ticks: readonly number[],
  between: (target: ObservedTarget) => ObservedTarget = (target) => target,
): { readonly target: ObservedTarget; readonly changes: readonly Change[] } {
  let target = start
  const changes: Change[] = []
  for (const now of ticks) {
    for (const step of changesOf(planOf([target], config, now))) {
      const { rule, nominalMs, to } = step.change
      changes.push({ now: iso(now), rule, nominal: iso(nominalMs), to })
      target = between(applied(target, step, now))
    }
  }
  return { target, changes }
}

/** Instants a minute apart, from one to another, both included. */
export function everyMinute(fromText: string, untilText: string): number[] {
  const from = at(fromText)
  return Array.from({ length: Math.floor((at(untilText) - from) / 60_000) + 1 }, (_, minute) => from + minute * 60_000)
}

/** `2026-11-24T08:00:00Z` */
export function iso(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
