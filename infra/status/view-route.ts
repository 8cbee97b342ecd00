import type * as z from 'zod/mini'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { parseInput } from './parse-input.ts'
import type { StatusSources } from './status-sources.ts'

/** A view that a GET is answered with. The types of its query stay inside. */
export interface ViewRoute {
  /** `/api/decisions` */
  readonly path: string
  readonly summary: string
  /** A strict object: what else is asked is refused. */
  readonly query: z.core.$ZodType
  readonly answer: z.core.$ZodType
  /** The view for a query as it came; the failure is a sentence for whoever asked. */
  view(sources: StatusSources, query: Readonly<Record<string, unknown>>): Promise<Result<unknown, string>>
}

/** Makes a route of a view, so that what it answers and is asked fits its schemas. */
export function viewRoute<Query, Answer>(route: {
  readonly path: string
  readonly summary: string
  readonly query: z.ZodMiniType<Query>
  readonly answer: z.ZodMiniType<Answer>
  readonly view: (sources: StatusSources, query: Query) => Answer | Promise<Answer>
}): ViewRoute {
  const { query, view } = route
  return {
    ...route,
    view: async (sources, given) => {
      const parsed = parseInput(query, given, 'parameter')
      return parsed.ok ? success(await view(sources, parsed.value)) : failure(parsed.error)
    },
  }
}
