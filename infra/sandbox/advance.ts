import { advanceKubernetes } from './kubernetes/controllers.ts'
import { advanceTcr } from './tcr/advance.ts'
import { imageExists, resolveImage } from './tcr/images.ts'
import { advanceTke } from './tke/advance.ts'
import type { World } from './world.ts'

/**
 * Lets everything happen that is due at this instant: machines become nodes, controllers make pods, clean-up policies
 * run. The server does it before each call, so that what nobody looks at costs nothing. At the same instant with
 * nothing changed it changes nothing.
 */
export function advanceWorld(world: World, now: number, random: () => number): void {
  advanceTcr(world, now)
  advanceTke(world, now, random)
  const hooks = {
    imageExists: (reference: string) => imageExists(world, reference),
    imageDigest: (reference: string) => resolveImage(world, reference)?.digest,
    random,
  }
  for (const cluster of Object.values(world.kubernetes)) {
    advanceKubernetes(cluster, now, hooks)
  }
}
