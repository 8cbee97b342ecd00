import type { FunctionsView } from '../api-schemas.ts'
import type { StatusSources } from '../status-sources.ts'

/** How each function is doing. */
export async function functionsView({ facts, feed, status, events }: StatusSources): Promise<FunctionsView> {
  const standing = new Map(status().map((one) => [one.function, one]))
  const waiting = new Map((await events.look()).map((one) => [one.function, one]))
  return {
    functions: facts.functions.map((name) => {
      const own = standing.get(name)
      const inbox = waiting.get(name)
      const problems = [own?.problem, inbox?.problem].filter((text) => text !== undefined)
      const { runs, outcomes } = feed.tally(name)
      return {
        name,
        summary: facts.summaries.get(name) ?? '',
        ok: own?.ok !== false && inbox?.ok !== false,
        ...(problems.length === 0 ? {} : { problem: problems.join('; ') }),
        ...(own?.lastRun === undefined ? {} : { lastRun: own.lastRun }),
        ...(own?.nextRun === undefined ? {} : { nextRun: own.nextRun }),
        ...(own?.counts === undefined ? {} : { counts: own.counts }),
        runs,
        applied: outcomes.Applied,
        ...(inbox === undefined ? {} : { events: { waiting: inbox.groupsDue, deadLetters: inbox.dead } }),
      }
    }),
  }
}
