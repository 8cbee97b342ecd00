import { createRandom, randomLetters } from '../random.ts'
import type { World } from '../world.ts'

/**
 * A fresh id, `ins-4k2jh8d1`, for what comes into being without a request: machines that a scaling group launches. Counts
 * in the world like the server's own ids. Never gives an id that a machine, cluster, group or pool already has.
 */
export function freshId(world: World, prefix: string, random: () => number): string {
  for (;;) {
    world.counter += 1
    const id = `${prefix}-${randomLetters(createRandom(Math.floor(random() * 0x1_0000_0000) ^ world.counter), 8)}`
    const taken =
      id in world.tke.machines ||
      id in world.tke.clusters ||
      Object.values(world.tke.clusters).some((cluster) => id in cluster.asGroups || id in cluster.virtualNodePools)
    if (!taken) return id
  }
}
