import { definition as alarmScaler } from '#functions/alarm-scaler/definition.ts'
import { definition as cronScaler } from '#functions/cron-scaler/definition.ts'
import { definition as imageCleaner } from '#functions/image-cleaner/definition.ts'
import { definition as licenseMeter } from '#functions/license-meter/definition.ts'
import { definition as redeployHook } from '#functions/redeploy-hook/definition.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { SandboxCore } from '#infra/sandbox/core.ts'
import { numberAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import { createSandboxCore } from '#infra/sandbox/server.ts'
import { type Config, checkConfig } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import { AlarmSimulation, type SimulatedAlarm } from '../alarm/alarm-simulation.ts'
import { type CommonGround, newGround } from '../common-ground.ts'
import { imagesIn } from '../images/image-watch.ts'
import type { SimulatedMeter } from '../license/license-facts.ts'
import { MeterSimulation } from '../license/license-simulation.ts'
import type { HookScene } from '../redeploy/hook-scene.ts'
import { HookSimulation, type SimulatedHook } from '../redeploy/hook-simulation.ts'
import type { HookWorld } from '../redeploy/hook-world.ts'
import { objectOfWorkload, recordOn } from '../redeploy/stage-hook.ts'
import { afterwardsMs, type Simulated, type SimulateOptions, Simulation } from '../simulation.ts'
import { stageDocument } from '../stage-world.ts'
import { warmUp } from '../warm-up.ts'
import { type WeekFunction, type WeekScenario, weekFunctions } from './draw-week.ts'
import { stageWeek } from './stage-week.ts'

/** What is left of a week: of each function what its own checks look at, with the history of all. */
export interface SimulatedWeek {
  readonly week: WeekScenario
  readonly history: CommonGround['history']
  readonly core: SandboxCore
  readonly scaler: Simulated
  readonly cleaner: Simulated
  readonly hook: SimulatedHook
  readonly alarm: SimulatedAlarm
  readonly meter: SimulatedMeter
}

/** After so long everybody looks, whoever makes a call. */
const lookEveryMs = 15_000

/** Lives through a week of all functions in one world, at one time, on one store. The same week gives the same history. */
export async function simulateWeek(week: WeekScenario, options: SimulateOptions = {}): Promise<SimulatedWeek> {
  await warmUp()
  const { seed, startMs, endMs, of } = week
  const { alarm: pools } = of['alarm-scaler']
  const { hook: pushes } = of['redeploy-hook']
  const { licence } = of['license-meter']
  if (pools === undefined || pushes === undefined || licence === undefined) throw new TypeError('this is no week')
  const plain = newGround(startMs)
  const config = await readConfig(week)
  const looks: (() => void)[] = []
  let lookedMs = startMs
  // What never runs is what the redeploy-hook's world knows of, so that it is the one that lets things happen.
  let hookWorld: HookWorld | undefined
  const base = createSandboxCore({ seed, world: stageWeek(week), clock: createSandboxClock({ source: () => plain.loop.now }) })
  const advanceFor = (own: () => void): void => {
    const { now } = plain.loop
    hookWorld?.advance()
    const isTime = now - lookedMs >= lookEveryMs
    if (isTime) lookedMs = now
    for (const look of looks) if (isTime || look === own) look()
  }
  const coreFor = (look: () => void): SandboxCore => {
    looks.push(look)
    return { ...base, advance: () => advanceFor(look) }
  }
  const ground: CommonGround = { ...plain, shared: { config, coreFor } }
  const optionsOf = (name: WeekFunction): SimulateOptions =>
    options.sabotage?.only?.includes(name) === false ? { ...options, sabotage: undefined } : options
  const hook = new HookSimulation(of['redeploy-hook'], pushes, optionsOf('redeploy-hook'), ground)
  hookWorld = hook.world
  const alarm = new AlarmSimulation(of['alarm-scaler'], pools, optionsOf('alarm-scaler'), ground)
  const scaler = new Simulation(of['cron-scaler'], optionsOf('cron-scaler'), ground)
  const cleaner = new Simulation(of['image-cleaner'], optionsOf('image-cleaner'), ground)
  const meter = new MeterSimulation(of['license-meter'], licence, config, optionsOf('license-meter'), ground)
  const { images } = cleaner.platform
  if (images !== undefined) images.namesIn = (cluster, resource, object) => namesIn(pushes, hook.world, { cluster, resource, object })
  await hook.prepare()
  await alarm.prepare()
  await scaler.prepare()
  await cleaner.prepare()
  meter.prepare()
  await plain.loop.runUntil(endMs + afterwardsMs)
  lookedMs = startMs
  hook.world.core.advance()
  return {
    week,
    history: plain.history,
    core: base,
    scaler: scaler.outcome(),
    cleaner: cleaner.outcome(),
    hook: hook.outcome(),
    alarm: alarm.outcome(),
    meter: meter.outcome(),
  }
}

/** The configuration of all five, as it stands in one file. */
async function readConfig({ of }: WeekScenario): Promise<Config> {
  const documents = weekFunctions.map((name) => stageDocument(of[name]))
  const functions = Object.assign({}, ...documents.map((document) => Reflect.get(document, 'functions')))
  const schemas = {
    'cron-scaler': cronScaler.settings,
    'redeploy-hook': redeployHook.settings,
    'alarm-scaler': alarmScaler.settings,
    'image-cleaner': imageCleaner.settings,
    'license-meter': licenseMeter.settings,
  }
  const text = readJson(JSON.stringify({ ...documents[0], functions }))
  return await checkConfig({ text, source: 'the scenario', env: {}, schemas })
}

const pasts: ReadonlySet<string> = new Set(['apps/replicasets', 'apps/controllerrevisions'])

/** What an object uses: what stands in it, unless it is only the past of a workload on which that has failed, and where its record leads back to. */
function* namesIn(
  { workloads }: HookScene,
  pushed: HookWorld,
  { cluster, resource, object }: { readonly cluster: string; readonly resource: string; readonly object: KubeObject },
): Iterable<string> {
  const isPast = pasts.has(resource) && (numberAt(object, 'spec', 'replicas') ?? 0) === 0
  const name = isPast ? object.metadata.ownerReferences?.[0]?.name : object.metadata.name
  const workload = workloads.find((one) => one.cluster === cluster && one.name === name)
  const own = workload === undefined ? undefined : objectOfWorkload(pushed.core.world, workload)
  const { bad, set } = recordOn(own, workload?.name ?? '')
  for (const image of imagesIn(object)) if (!isPast || !bad.includes(pushed.digestOf(image) ?? '')) yield image
  if (own !== object) return
  const back = { image: stringAt(set, 'previous', 'image') ?? '', content: stringAt(set, 'previous', 'content') ?? '' }
  if (back.image === '' || bad.includes(back.content)) return
  yield back.image
  if (back.content !== '') yield `${back.image.replace(/(?::[^/]*)$|@.*$/, '')}@${back.content}`
}
