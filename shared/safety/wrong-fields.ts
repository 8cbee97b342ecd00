import type * as z from 'zod/mini'

/** Which fields of a stored item are not as they must be: `state, holder.deadline`; `as a whole` when it is none of them. */
export function wrongFields({ issues }: z.core.$ZodError): string {
  return issues.map(({ path }) => path.join('.')).join(', ') || 'as a whole'
}
