import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import type { ApprovalEvent } from './hook-event.ts'
import type { Approval } from './view.ts'

const Kept = z.object({ format: z.literal(1), key: z.string(), by: z.optional(z.string()), atMs: z.number(), untilMs: z.number() })

const prefix = 'approval/'

/** Keeps that somebody agreed at a time, for as long as the link was good. Said again it is the same. Throws StoreError. */
export async function keepApproval(memory: MemoryWriter, { request, by }: Omit<ApprovalEvent, 'kind'>, atMs: number): Promise<void> {
  const { key, expiresAt } = request
  const value = { format: 1, key, atMs, untilMs: expiresAt, ...(by === undefined ? {} : { by }) } satisfies z.infer<typeof Kept>
  await memory.put(`${prefix}${digestOf([key])}`, value, { expiresAt })
}

/** What was agreed to and still holds. What another version wrote and this one cannot read is left out. Throws StoreError. */
export async function recallApprovals(memory: MemoryReader, now: number): Promise<readonly Approval[]> {
  const entries = await memory.list(prefix)
  return entries.flatMap(({ value }): readonly Approval[] => {
    const { data } = z.safeParse(Kept, value)
    return data === undefined || data.untilMs <= now ? [] : [{ key: data.key, untilMs: data.untilMs, by: data.by }]
  })
}
