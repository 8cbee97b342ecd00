import type { Int64 } from '#cloud/action.ts'
import { PlatformFault } from '../reducer.ts'

/** What the manual gives every list of TCR: 20 rows unless told, 100 at most. */
const defaultLimit = 20
const maximumLimit = 100

/**
 * The rows that Offset and Limit ask for. A Limit of 0 is the default, one above the maximum is the maximum without a
 * word, as on the platform: who wants all rows has to count what came. An offset beyond the end gives no rows. Throws
 * PlatformFault InvalidParameter for a negative one.
 */
export function pageOf<Row>(rows: readonly Row[], request: { readonly Offset?: Int64; readonly Limit?: Int64 }): Row[] {
  const offset = Number(request.Offset ?? 0)
  const limit = Number(request.Limit ?? 0)
  if (offset < 0 || limit < 0) {
    throw new PlatformFault('InvalidParameter', `Offset is ${offset} and Limit is ${limit}; neither may be negative.`)
  }
  return rows.slice(offset, offset + Math.min(limit === 0 ? defaultLimit : limit, maximumLimit))
}
