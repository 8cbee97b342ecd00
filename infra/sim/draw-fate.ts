import type { Chance } from './chance.ts'
import type { WireFate } from './direct-transport.ts'
import type { StoreFate, StoreFault } from './faulty-store.ts'
import type { Scenario, Storm } from './scenario.ts'

/** How long a call to the platform is on its way, and whether it is refused. Nothing is slow or refused when all is to be quiet. */
export function drawWireFate(chance: Chance, { cloudMs, tail }: Scenario['latency'], isQuiet: boolean): WireFate {
  const scale = chance.isTrue(tail) && !isQuiet ? cloudMs * 100 : cloudMs
  const isRefused = chance.isTrue(0.002) && !isQuiet
  return { thereMs: chance.whole(1, scale), backMs: chance.whole(1, scale), isRefused }
}

/** How long a call to the store is on its way, and what the storms of the moment do to it. */
export function drawStoreFate(
  chance: Chance,
  { storeMs, tail }: Scenario['latency'],
  around: { readonly storms: Iterable<Storm>; readonly isQuiet: boolean; readonly isWrite: boolean },
): StoreFate {
  const scale = chance.isTrue(tail) && !around.isQuiet ? storeMs * 100 : storeMs
  const times = { thereMs: chance.whole(0, scale), backMs: chance.whole(0, scale), lateMs: chance.magnitude(500, 45_000) }
  for (const { probability, flavour } of around.storms) {
    if (!chance.isTrue(probability)) continue
    if (flavour === 'slow') return { ...times, thereMs: chance.whole(100, 1_400), backMs: chance.whole(100, 1_400) }
    return { ...times, fault: drawFault(chance, flavour, around.isWrite) }
  }
  return times
}

function drawFault(chance: Chance, flavour: Storm['flavour'], isWrite: boolean): StoreFault {
  if (flavour === 'outage') return chance.isTrue(0.8) ? 'unavailable' : 'lost'
  if (!isWrite) return chance.one(['unavailable', 'lost'])
  if (flavour === 'lossy') return chance.one(['lost', 'unanswered', 'late'])
  return chance.one(['unavailable', 'full', 'lost', 'unanswered', 'late'])
}
