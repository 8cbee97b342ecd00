import { recordAnnotation } from '#functions/cron-scaler/record.ts'
import type { Json, JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { numberAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { getObject, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import type { KubernetesState } from '#infra/sandbox/kubernetes/state.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { autoscalerV1, deployment, scaler, scalerDefinition, statefulSet } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeCluster } from '#infra/sandbox/seeds/place.ts'
import type { World } from '#infra/sandbox/world.ts'
import { alarmSection } from './alarm/alarm-section.ts'
import { cleanerSection } from './images/cleaner-section.ts'
import { licenceSection } from './license/license-scene.ts'
import { hookSection } from './redeploy/hook-section.ts'
import { probeKeyAnnotation, probeNominalAnnotation, probePath } from './relative-probe.ts'
import {
  clusterIds,
  type Scenario,
  type SimCalendar,
  type SimDates,
  type SimExclude,
  type SimRule,
  type SimSize,
  type SimTarget,
} from './scenario.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const scalerGroup = 'autoscaling.cloud.tencent.com'
const secondRegion = 'ap-chengdu'

/** Where the kill switch is when it is a ConfigMap. */
export const switchMap = { namespace: 'ops', name: 'longshore', key: 'kill-switch' } as const
export const switchPath = `/api/v1/namespaces/${switchMap.namespace}/configmaps/${switchMap.name}`

/** How decisions name a target. */
export function targetNameOf({ cluster, kind, name }: SimTarget): string {
  return `${cluster}/default/${kind}/${name}`
}

/** Builds the world that a scenario begins with. Everything in it is an hour old. */
export function stageWorld(scenario: Scenario): World {
  const { startMs } = scenario
  const world = createEmptyWorld(startMs - dayMs, scenario.seed)
  const [, second] = clusterIds
  if (scenario.clusterIds.includes(second)) {
    const created = { name: 'second', version: '1.18.4', clusterCidr: '172.17.0.0/16', createdMs: startMs - dayMs }
    placeCluster(world, { clusterId: second, region: secondRegion, vpcId: emptyCluster.vpcId, ...created }, createRandom(scenario.seed))
  }
  const putMs = startMs - hourMs
  for (const clusterId of scenario.clusterIds) {
    const state = clusterOf(world, clusterId)
    if (scenario.rules.some(({ source }) => source === 'hpc')) putObject(state, scalerDefinition(scalerGroup), putMs)
    for (const [index, target] of scenario.targets.entries()) {
      if (target.cluster !== clusterId) continue
      for (const object of objectsOf(target)) putObject(state, object, putMs)
      putScaler(world, scenario, index, putMs)
    }
  }
  if (scenario.guard.killSwitch === 'configMap') setSwitchMap(world, scenario, 'run', putMs)
  return world
}

/** Puts the HPC object of a target, if it has one. */
function putScaler(world: World, { targets, rules }: Scenario, index: number, putMs: number): void {
  const target = targets[index]
  const own = rules.filter((rule) => rule.target === index && rule.source === 'hpc')
  if (target !== undefined && own.length > 0) putObject(clusterOf(world, target.cluster), scalerOf(target, own), putMs)
}

/** Puts the HPC objects of all targets into clusters that are there already. */
export function putScalers(world: World, scenario: Scenario, putMs: number): void {
  for (const clusterId of scenario.clusterIds) putObject(clusterOf(world, clusterId), scalerDefinition(scalerGroup), putMs)
  for (const index of scenario.targets.keys()) putScaler(world, scenario, index, putMs)
}

export function clusterOf(world: World, clusterId: string): KubernetesState {
  const state = world.kubernetes[clusterId]
  if (state === undefined) throw new Error(`The world has no cluster ${clusterId}.`)
  return state
}

/** Sets the ConfigMap that is the kill switch, or takes it away. */
export function setSwitchMap(world: World, scenario: Scenario, to: 'run' | 'stop' | 'gone', now: number): void {
  const state = clusterOf(world, scenario.clusterIds[0] ?? '')
  const { namespace, name, key } = switchMap
  if (to === 'gone') removeObject(state, '', 'configmaps', name, namespace)
  else putObject(state, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { [key]: to } }, now)
}

/** A target, and what it needs to be one. */
export function objectsOf({ kind, name, size }: SimTarget): JsonObject[] {
  const workload = {
    namespace: 'default',
    name,
    image: 'registry.example/app:1',
    ...('replicas' in size ? { replicas: size.replicas } : {}),
  }
  switch (kind) {
    case 'Deployment':
      return [deployment(workload)]
    case 'StatefulSet':
      return [statefulSet(workload)]
    case 'HorizontalPodAutoscaler': {
      const { min, max } = 'min' in size ? size : { min: 1, max: 1 }
      const bounds = { minReplicas: min, maxReplicas: max, cpuPercent: 60 }
      return [
        deployment({ ...workload, name: `${name}-app`, replicas: 1 }),
        autoscalerV1({ namespace: 'default', name, target: `${name}-app`, ...bounds }),
      ]
    }
    case 'Ledger':
      return []
  }
}

export const resourceOfKind = {
  Deployment: { group: 'apps', resource: 'deployments' },
  StatefulSet: { group: 'apps', resource: 'statefulsets' },
  HorizontalPodAutoscaler: { group: 'autoscaling', resource: 'horizontalpodautoscalers' },
} as const

/** The object of a target as it is; undefined when there is none. */
export function objectOfTarget(world: World, { cluster, kind, name }: SimTarget): KubeObject | undefined {
  if (kind === 'Ledger') return undefined
  const { group, resource } = resourceOfKind[kind]
  return getObject(clusterOf(world, cluster), group, resource, name, 'default')
}

function scalerOf(target: SimTarget, rules: readonly SimRule[]): JsonObject {
  const [first] = rules
  const object = scaler({
    group: scalerGroup,
    namespace: 'default',
    name: `${target.name}-hpc`,
    target: { apiVersion: target.kind === 'HorizontalPodAutoscaler' ? 'autoscaling/v1' : 'apps/v1', kind: target.kind, name: target.name },
    crons: rules.map((rule) => ({
      name: rule.name,
      schedule: cronText(rule),
      ...sizeSettings(rule.size),
      ...excludesOf(rule),
      ...(rule.runOnce ? { runOnce: true } : {}),
    })),
  })
  const { zone = 'UTC', enforce = false, spreadMs = 0, validFrom, validUntil } = first ?? {}
  const annotations = {
    'longshore.dev/time-zone': zone,
    'longshore.dev/enforce': String(enforce),
    'longshore.dev/spread': `${spreadMs / 1000}s`,
    ...(validFrom === undefined ? {} : { 'longshore.dev/valid-from': validFrom }),
    ...(validUntil === undefined ? {} : { 'longshore.dev/valid-until': validUntil }),
  }
  return { ...object, metadata: { name: `${target.name}-hpc`, namespace: 'default', annotations } }
}

function cronText({ seconds, minutes, hours }: SimRule): string {
  return `${seconds.join(',')} ${minutes.join(',')} ${hours?.join(',') ?? '*'} * * *`
}

function excludesOf({ excludes }: SimRule): { readonly excludeDates?: string[] } {
  if (excludes.length === 0) return {}
  return {
    excludeDates: excludes.map(excludeText),
  }
}

function excludeText(exclude: SimExclude): string {
  switch (exclude.kind) {
    case 'dates':
      return datesText(exclude)
    case 'weekday':
      return `* * * * * ${exclude.weekday}`
    case 'day':
      return `* * * ${exclude.day} ${exclude.month} *`
    case 'calendar':
      return `@calendar/${exclude.name}`
  }
}

function datesText({ first, last }: SimDates): string {
  return first === last ? first : `${first}..${last}`
}

/** The host of calendars that have to be fetched. */
export const calendarHost = 'calendars.invalid'

/** What a calendar says at its address. */
export function calendarText({ holidays, workdays }: SimCalendar): string {
  return JSON.stringify({ holidays: holidays.map(datesText), workdays: workdays.map(datesText) })
}

function calendarSettings(calendars: readonly SimCalendar[]): object {
  const settings = calendars.map(({ name, isFetched, holidays, workdays }) => [
    name,
    isFetched ? { url: `https://${calendarHost}/${name}.yaml` } : { holidays: holidays.map(datesText), workdays: workdays.map(datesText) },
  ])
  return Object.fromEntries(settings)
}

function sizeSettings(size: SimSize): object {
  return 'replicas' in size ? { targetSize: size.replicas } : { minSize: size.min, maxSize: size.max }
}

/** An override as somebody writes it on a target. */
export function overrideText(size: SimSize, untilMs: number): string {
  const what = 'replicas' in size ? `replicas=${size.replicas}` : `min=${size.min} max=${size.max}`
  return `${what} until=${instantText(untilMs)} reason=to see what happens`
}

/** To the second, in UTC. */
export function instantText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** The configuration of a scenario, as it would stand in a file; after so many edits. */
export function stageDocument(scenario: Scenario, version = 0): object {
  const { guard, targets, mode } = scenario
  const [firstCluster] = scenario.clusterIds
  return {
    mode,
    platform: { endpoint: 'https://platform.invalid', region: emptyCluster.region, allowedHosts: [calendarHost] },
    clusters: scenario.clusterIds.map((id) => ({ id, ...(id === clusterIds[1] ? { region: secondRegion } : {}) })),
    store: { kind: 'sqlite', path: 'unused.db' },
    ...(scenario.hasJournalKey ? { journal: { key: 'env:SIM_JOURNAL_KEY' } } : {}),
    guard: {
      caps: guard.caps.map(({ amount, percent, window, kind }) => ({
        ...(amount === undefined ? {} : { amount }),
        ...(percent === undefined ? {} : { percent, function: functionNameOf(scenario) }),
        ...(kind === undefined ? {} : { target: `**/${kind}/*` }),
        window: typeof window === 'number' ? `${window / 60_000}m` : window,
        ...(window === 'day' ? { timeZone: 'UTC' } : {}),
      })),
      freeze: guard.freeze.map(({ name, kind, minuteOfDay, minutes }) => ({
        name,
        kind,
        schedule: `0 ${minuteOfDay % 60} ${Math.floor(minuteOfDay / 60)} * * *`,
        duration: `${minutes}m`,
        timeZone: 'UTC',
      })),
      overrides: guard.overrides.map(({ window, untilMs }) => ({
        window,
        until: new Date(untilMs).toISOString(),
        by: 'the simulation',
        reason: 'to try it',
      })),
      protect: scenario.images?.guarded ?? guard.protect.flatMap((index) => targets.slice(index, index + 1).map(targetNameOf)),
      killSwitch: guard.killSwitch === 'store' ? { kind: 'store' } : { kind: 'configMap', cluster: firstCluster, ...switchMap },
    },
    functions: { [functionNameOf(scenario)]: settingsOf(scenario, version) },
  }
}

export function functionNameOf({
  function: of,
}: Pick<Scenario, 'function'>): 'cron-scaler' | 'alarm-scaler' | 'image-cleaner' | 'redeploy-hook' | 'license-meter' {
  return of === 'relative-probe' ? 'alarm-scaler' : of
}

/** How long a period of the probe is. */
export const probePeriodMs = 10 * 60_000

function settingsOf(scenario: Scenario, version: number): object {
  const { targets, rules, startingDeadlineMs, images } = scenario
  const cleaner = images?.versions[version]
  if (cleaner !== undefined) return cleanerSection(cleaner)
  if (scenario.hook !== undefined) return hookSection(scenario.hook)
  if (scenario.alarm !== undefined) return alarmSection(scenario.alarm)
  if (scenario.licence !== undefined) return licenceSection(scenario.licence)
  if (scenario.function === 'relative-probe') {
    return { targets: targets.map(({ cluster, name }) => ({ cluster, name })), periodMs: probePeriodMs }
  }
  return {
    startingDeadline: `${startingDeadlineMs / 60_000}m`,
    lookBack: `${scenario.lookBackMs / 60_000}m`,
    lookEvery: `${(scenario.lookEveryMs ?? 0) / 1000}s`,
    maxCorrections: scenario.maxCorrections,
    calendars: calendarSettings(scenario.calendars),
    overrides: scenario.overrides.flatMap(({ name, target: index, size, fromMs, untilMs }) => {
      const target = targets[index]
      if (target === undefined) return []
      return [
        {
          name,
          ...placeOf(target),
          ...sizeSettings(size),
          ...(fromMs === undefined ? {} : { from: instantText(fromMs) }),
          until: instantText(untilMs),
          reason: 'to see what happens',
        },
      ]
    }),
    hpc: { enabled: rules.some(({ source }) => source === 'hpc') },
    rules: rules.flatMap((rule) => {
      const target = targets[rule.target]
      if (rule.source === 'hpc' || target === undefined) return []
      return [
        {
          name: `${target.name}-${rule.name}`,
          ...placeOf(target),
          schedule: cronText(rule),
          timeZone: rule.zone,
          enforce: rule.enforce,
          runOnce: rule.runOnce,
          spread: `${rule.spreadMs / 1000}s`,
          ...(rule.validFrom === undefined ? {} : { validFrom: rule.validFrom }),
          ...(rule.validUntil === undefined ? {} : { validUntil: rule.validUntil }),
          ...sizeSettings(rule.size),
          ...excludesOf(rule),
        },
      ]
    }),
  }
}

function placeOf({ cluster, kind, name }: SimTarget): object {
  return { cluster, target: { kind, namespace: 'default', name } }
}

/** The size of an object as plans write it, read without the product's own code. */
export function sizeTextOf(object: KubeObject | undefined): string {
  if (object === undefined) return ''
  if (object.kind === 'HorizontalPodAutoscaler') {
    return `min ${numberAt(object, 'spec', 'minReplicas') ?? 1}, max ${numberAt(object, 'spec', 'maxReplicas')}`
  }
  return `replicas ${numberAt(object, 'spec', 'replicas') ?? 1}`
}

export function sizeTextOfSize(size: SimSize): string {
  return 'replicas' in size ? `replicas ${size.replicas}` : `min ${size.min}, max ${size.max}`
}

/** What a write says about itself. */
export interface Mark {
  readonly key: string
  /** The rule or the override that it is for. */
  readonly by: string
  readonly nominalMs: number
}

/** The mark that the product leaves in what it writes: on the object of a target, or on a probe. */
export function markOn(object: Json | undefined): Mark | undefined {
  const record = stringAt(object, 'metadata', 'annotations', recordAnnotation)
  if (record !== undefined) {
    const value: Json = JSON.parse(record)
    return {
      key: stringAt(value, 'key') ?? '',
      by: stringAt(value, 'owner') ?? '',
      nominalMs: Date.parse(stringAt(value, 'nominal') ?? ''),
    }
  }
  const key = stringAt(object, 'metadata', 'annotations', probeKeyAnnotation)
  const nominal = stringAt(object, 'metadata', 'annotations', probeNominalAnnotation)
  return key === undefined ? undefined : { key, by: '', nominalMs: Number(nominal) }
}

/** The target that a path of a cluster's API leads to; undefined for any other path. A probe is told by what is written. */
export function targetOfPath(
  targets: readonly SimTarget[],
  cluster: string,
  path: string,
  written: Json | undefined,
): SimTarget | undefined {
  if (path === probePath) {
    const prefix = stringAt(written, 'metadata', 'generateName') ?? ''
    return targets.find((target) => target.kind === 'Ledger' && target.cluster === cluster && `${target.name}-` === prefix)
  }
  const [, resource, name] = /\/namespaces\/default\/([a-z]+)\/([a-z0-9-]+)(?:\/scale)?$/.exec(path) ?? []
  return targets.find(
    (target) =>
      target.kind !== 'Ledger' && target.cluster === cluster && target.name === name && resourceOfKind[target.kind].resource === resource,
  )
}
