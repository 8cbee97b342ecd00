import type { Int64 } from '#cloud/action.ts'
import { PlatformFault } from '../reducer.ts'

export interface PageRequest {
  readonly Offset?: Int64
  readonly Limit?: Int64
}

/**
 * The rows of one page: Offset from 0, Limit from 1 to 100, 20 when absent. Past the end the page is empty. Throws
 * PlatformFault with `code` for a page that cannot exist.
 */
export function pageOf<Row>(rows: readonly Row[], request: PageRequest, code: string): Row[] {
  const offset = Number(request.Offset ?? 0)
  const limit = Number(request.Limit ?? 20)
  if (offset < 0) throw new PlatformFault(code, `Offset is ${offset}; it starts at 0.`)
  if (limit < 1 || limit > 100) throw new PlatformFault(code, `Limit is ${limit}; it goes from 1 to 100.`)
  return rows.slice(offset, offset + limit)
}
