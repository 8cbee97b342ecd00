import type { World } from '../world.ts'
import { runLifecycles } from './lifecycle.ts'
import { platformDay } from './platform-time.ts'

/**
 * Lets the registry's time pass: instances finish being created, and once in each civil day of the platform the clean-up
 * policies run. A clock that jumps over several days runs them once, which leaves the same tags; one that is set back
 * runs nothing.
 */
export function advanceTcr(world: World, now: number): void {
  const { tcr } = world
  for (const instance of Object.values(tcr.instances)) {
    if (instance.status === 'Pending' && now >= instance.runningAt) {
      instance.status = 'Running'
    }
  }
  if (tcr.lifecycleRanAt === 0) {
    tcr.lifecycleRanAt = now
  } else if (platformDay(now) > platformDay(tcr.lifecycleRanAt)) {
    tcr.lifecycleRanAt = now
    runLifecycles(world, now)
  }
}
