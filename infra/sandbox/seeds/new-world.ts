import type { ControllerHooks } from '../kubernetes/controllers.ts'
import { imageExists, resolveImage } from '../tcr/images.ts'
import { createTcrState } from '../tcr/state.ts'
import { createTkeState } from '../tke/state.ts'
import type { World } from '../world.ts'

/** A world with an account and nothing in it: what every seed starts from. */
export function newWorld(): World {
  return {
    format: 1,
    account: { appId: 1_250_000_001, uin: '100000000001' },
    counter: 0,
    tke: createTkeState(),
    tcr: createTcrState(),
    kubernetes: {},
  }
}

/** What the controllers of a seeded cluster ask the world: its own registry answers. */
export function hooksOf(world: World, random: () => number): ControllerHooks {
  return {
    imageExists: (reference) => imageExists(world, reference),
    imageDigest: (reference) => resolveImage(world, reference)?.digest,
    random,
  }
}
