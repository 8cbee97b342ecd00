import * as z from 'zod/mini'
import { lookMemory, pendingLooks } from '#shared/runtime/look-memory.ts'

/**
 * When everything was looked at last. Lost, it costs nothing but time: the next look at everything finds all leases, because they lie in
 * the clusters themselves.
 */
const LookState = z.strictObject({ format: z.literal(1), fullMs: z.optional(z.number()) })

export type LookState = z.infer<typeof LookState>

/** When everything was looked at last. */
export const lastLook = lookMemory<LookState>(LookState, { format: 1 })

/** Names of pools that are to be looked at again, and when. */
export const pendingPools = pendingLooks('pool')
