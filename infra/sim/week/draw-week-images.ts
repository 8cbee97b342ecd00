import type { Chance } from '../chance.ts'
import type { CleanerSettings, ImageScene, SimKeep, SimPolicy } from '../images/image-scene.ts'
import type { HookScene } from '../redeploy/hook-scene.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Triggers of the image-cleaner in a night come this far apart. */
export const nightTickMinutes = 10

/** A repository that nothing is deployed from. */
export const toolRepository = 'tools/builder'

/** Draws what is to be kept: of what is deployed often so little that only its being in use, or on its way, keeps it. */
export function drawWeekImages(
  chance: Chance,
  { hook, nights, startMs }: { readonly hook: HookScene; readonly nights: readonly number[]; readonly startMs: number },
): ImageScene {
  const tags = Array.from({ length: chance.whole(3, 8) }, (_, index) => ({
    name: `build-${index + 1}`,
    content: index + 1,
    pushedMs: Math.floor((startMs - (12 - index) * dayMs) / 1000) * 1000,
    builtMs: 0,
  }))
  const names = [...hook.repositories, toolRepository]
  return {
    nights,
    repositories: [...hook.repositories.map((name) => ({ name, tags: [] })), { name: toolRepository, tags }],
    workloads: [],
    triggers: [],
    versions: [drawSettings(chance, names)],
    edits: [],
    deeds: [],
    takesSiblings: false,
    guarded: [],
  }
}

function drawSettings(chance: Chance, names: readonly string[]): CleanerSettings {
  return {
    policies: names.map((name, index): SimPolicy => ({ name: `p${index}`, repositories: [name], keep: drawKeep(chance), isPaused: false })),
    protect: [],
    caps: {
      ofRepository: chance.one([3, 5, 100, 100]),
      percent: chance.one([50, 100, 100]),
      ofRun: chance.one([6, 1000, 1000]),
      ofDay: chance.one([8, 2000, 2000]),
    },
    canary: chance.isTrue(0.25) ? { amount: chance.whole(1, 3), percent: 25 } : undefined,
    referenceMemoryMs: chance.one([1, 6, 26, 40]) * hourMs,
    quarantineDays: undefined,
    batch: chance.one([1, 2, 3, 20]),
  }
}

/** Now and then a rule that does not keep what is newest: then it goes as soon as nothing uses it, and nobody wants to deploy it. */
function drawKeep(chance: Chance): SimKeep {
  return chance.weighed<SimKeep>([
    [6, { last: 1 }],
    [3, { last: chance.whole(2, 4) }],
    [1, { days: 1 }],
    [3, { prefix: chance.one(['tmp-', 'pr-', 'build-1', '1.0.']) }],
  ])
}
