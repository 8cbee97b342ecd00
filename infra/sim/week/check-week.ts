import { AlarmFacts } from '../alarm/alarm-facts.ts'
import { checkAlarm } from '../alarm/check-alarm.ts'
import { check as checkAll } from '../check/check.ts'
import { checkGuard } from '../check/check-guard.ts'
import { Facts, type Violation } from '../check/facts.ts'
import { ImageFacts } from '../check/image-facts.ts'
import { type Happening, History } from '../history.ts'
import { checkMeter } from '../license/check-license.ts'
import { checkHook } from '../redeploy/check-hook.ts'
import { checkCross } from './check-cross.ts'
import { prefixOf, type WeekFunction } from './draw-week.ts'
import type { SimulatedWeek } from './week-simulation.ts'

/** Checks a week: what each function promises by itself, with the checks of its own worlds, and what they promise together. */
export async function checkWeek(lived: SimulatedWeek): Promise<readonly Violation[]> {
  const { scaler, cleaner, hook, alarm, meter, week, history } = lived
  const viewOf = (name: WeekFunction): History => historyOf(history, name, week.startMs)
  const cleanerFacts = new Facts({ ...cleaner, history: viewOf('image-cleaner') })
  const { images: scene } = cleaner.scenario
  const { images: watch } = cleaner.platform
  keepWanted(lived)
  const images = scene === undefined || watch === undefined ? undefined : new ImageFacts(cleanerFacts, scene, watch)
  return [
    ...(await checkAll(new Facts({ ...scaler, history: viewOf('cron-scaler') }))),
    ...(await checkHook({ ...hook, history: viewOf('redeploy-hook') })),
    ...(await checkAlarm(new AlarmFacts({ ...alarm, history: viewOf('alarm-scaler') }))),
    ...(await checkAll(cleanerFacts)),
    ...(await checkMeter({ ...meter, history: viewOf('license-meter') })),
    ...checkGuard(new Facts({ ...scaler, history })),
    ...(images === undefined ? [] : checkCross(images, { ...hook, history: viewOf('redeploy-hook') })),
  ]
}

/** What is newest for a rule of the redeploy-hook stays at the end, wherever it waits for its turn. */
function keepWanted({ cleaner, hook, week }: SimulatedWeek): void {
  for (const rule of hook.scene.rules) {
    const { repository, digest } = hook.world.newestAt(rule, week.endMs) ?? {}
    if (repository === undefined) continue
    const place = { cluster: '', resource: '', object: `what ${rule.name} wants`, repository, tag: undefined, digest }
    cleaner.platform.images?.uses.push({ ...place, fromMs: week.endMs, untilMs: Number.POSITIVE_INFINITY })
  }
}

/** What happened to a function: to its processes, and what is everybody's matter. */
export function historyOf(history: History, name: WeekFunction, startMs: number): History {
  const own = new History(startMs)
  for (const happening of history.all) {
    const process = processOf(happening)
    if (process === undefined || process.startsWith(prefixOf[name])) own.add(happening)
  }
  return own
}

/** The process that did something; undefined of what people did, and the platform. */
export function processOf(happening: Happening): string | undefined {
  if ('doer' in happening) return happening.doer.process
  switch (happening.kind) {
    case 'process':
      return happening.process
    case 'write-began':
    case 'write-ended':
      return happening.call.process
    case 'effect':
      return happening.effect.process
    default:
      return undefined
  }
}
