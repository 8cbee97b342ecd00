import type { Scene } from './day-of-life.ts'
import { type SandboxPeople, TurnedAway } from './sandbox-people.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What is later than this is let be: somebody moved the clock, and nobody makes up for days. */
const mostLateMs = 3_600_000

/**
 * Lets happen what the scenes say, each at its time and one after the other, until the signal is aborted. What a door does not want is told
 * and nothing more.
 *
 * @param options.tell takes one line for each of them
 */
export async function keepLiving(
  scenes: Iterable<Scene>,
  options: {
    readonly people: Pick<SandboxPeople, 'do'>
    readonly time: Pick<VirtualTime, 'now' | 'sleep' | 'work'>
    readonly signal: AbortSignal
    readonly tell: (line: string) => void
  },
): Promise<void> {
  const { people, time, signal, tell } = options
  await time.work(async () => {
    for (const { atMs, deed } of scenes) {
      while (time.now() < atMs && !signal.aborted) await time.sleep(atMs - time.now(), signal)
      if (signal.aborted) return
      if (time.now() - atMs > mostLateMs) continue
      try {
        tell(await people.do(deed))
      } catch (error) {
        // The servers are closed when it ends.
        if (signal.aborted) return
        if (!(error instanceof TurnedAway || (error instanceof Error && 'code' in error))) throw error
        tell(`what was to happen came to nothing: ${error.message}`)
      }
    }
  })
}
