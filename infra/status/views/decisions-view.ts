import type { Outcome } from '#shared/pure/step.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import type { DecisionsView } from '../api-schemas.ts'
import type { StatusSources } from '../status-sources.ts'

export interface DecisionsQuery {
  readonly function?: FunctionName | undefined
  readonly target?: string | undefined
  readonly outcome?: readonly Outcome[] | undefined
  readonly limit: number
  readonly before?: number | undefined
}

/** What runs have decided, newest first. */
export function decisionsView({ feed }: StatusSources, query: DecisionsQuery): DecisionsView {
  const { function: name, target, outcome, limit, before } = query
  const outcomes = outcome === undefined ? undefined : new Set(outcome)
  const { lines, next, total } = feed.page({ function: name, target, outcomes, limit, before })
  return {
    decisions: lines.map(({ id, atMs, sinceMs, times, function: own, runId, decision }) => ({
      id,
      at: new Date(atMs).toISOString(),
      function: own,
      runId,
      target: decision.target,
      outcome: decision.outcome,
      before: decision.before,
      after: decision.after,
      reason: { code: decision.reason.code, text: decision.reason.text },
      ...(decision.requestId === undefined ? {} : { requestId: decision.requestId }),
      times,
      since: new Date(sinceMs).toISOString(),
    })),
    ...(next === undefined ? {} : { next }),
    total,
  }
}
