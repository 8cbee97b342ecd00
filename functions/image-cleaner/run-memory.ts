import * as z from 'zod/mini'
import type { Mode } from '#shared/runtime/definition.ts'
import type { MemoryEntry, MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import type { CanaryState } from './canary.ts'
import type { Copy } from './plan-copies.ts'

/** How far the run of a day has come. */
const DayState = z.strictObject({
  format: z.literal(1),
  /** Days since 1970 in the configured zone. */
  day: z.int(),
  /** Repositories are taken in the order of their names: those up to this one are done. */
  through: z.string(),
  finished: z.boolean(),
  /** Tags removed on this day. */
  removed: z.int(),
  byRepository: z.record(z.string(), z.int()),
  /** Tags of the repositories that are done, by the policy that is for them. */
  counted: z.optional(z.record(z.string(), z.int())),
  /** What a run was about to remove when it was last heard of. */
  pending: z.optional(z.strictObject({ repository: z.string(), tags: z.int(), policies: z.array(z.string()) })),
})

export type DayState = z.infer<typeof DayState>

const Canary = z.strictObject({
  digest: z.string(),
  firstDay: z.optional(z.int()),
  day: z.int(),
  removed: z.int(),
  tags: z.int(),
  /** Of an older version. */
  counting: z.optional(z.int()),
})

const KeptCopy = z.strictObject({
  repository: z.string(),
  name: z.string(),
  contentId: z.string(),
  copy: z.string(),
  untilMs: z.number(),
  policies: z.array(z.string()),
  backMs: z.optional(z.number()),
})

const Restored = z.strictObject({ repository: z.string(), name: z.string(), contentId: z.string(), restoredMs: z.number() })

/** A removed tag that was brought back. */
export type Restored = z.infer<typeof Restored>

/** A run that only plans has a day of its own: it does not stand for the one that removes. */
export const dayKey = (mode: Mode | undefined): string => (mode === 'enforce' ? 'day' : 'day/planned')

export const canaryKey = (policy: string): string => `canary/${policy}`

export const copyKey = (copy: string): string => `copy/${copy}`

export const restoredKey = (copy: string): string => `restored/${copy}`

export function newDay(day: number): DayState {
  return { format: 1, day, through: '', finished: false, removed: 0, byRepository: {} }
}

/** The state of a day. What is of another day, or cannot be understood, is none: then the day begins anew, with all caps but its own. */
export async function recallDay(memory: MemoryReader, day: number, mode: Mode | undefined): Promise<DayState> {
  return dayIn(await memory.get(dayKey(mode)), day)
}

function dayIn(entry: MemoryEntry | undefined, day: number): DayState {
  const parsed = z.safeParse(DayState, entry?.value)
  return parsed.success && parsed.data.day === day ? parsed.data : newDay(day)
}

/**
 * Writes the state of a day anew, unless somebody else has written it since it was read: a write that comes late must not take back
 * what was counted. Throws StoreError, and MemoryError when it has.
 */
export async function changeDay(
  memory: MemoryWriter,
  day: number,
  mode: Mode | undefined,
  change: (before: DayState) => DayState,
): Promise<void> {
  const entry = await memory.get(dayKey(mode))
  await memory.put(dayKey(mode), change(dayIn(entry, day)), { ifVersion: entry?.version ?? 'absent' })
}

/** The same for what is remembered of a policy. */
export async function changeCanary(
  memory: MemoryWriter,
  policy: string,
  change: (before: CanaryState | undefined) => CanaryState,
): Promise<void> {
  const entry = await memory.get(canaryKey(policy))
  const parsed = z.safeParse(Canary, entry?.value)
  await memory.put(canaryKey(policy), change(parsed.success ? parsed.data : undefined), { ifVersion: entry?.version ?? 'absent' })
}

/**
 * The state with what is pending counted as removed: the run that announced it was cut off, and may have done it. Too much is
 * counted then rather than too little.
 */
export function pendingCounted({ pending, ...state }: DayState): DayState {
  if (pending === undefined) return state
  const ofRepository = (state.byRepository[pending.repository] ?? 0) + pending.tags
  return { ...state, removed: state.removed + pending.tags, byRepository: { ...state.byRepository, [pending.repository]: ofRepository } }
}

/** What is remembered of policies, by name. One that cannot be understood is new. */
export async function recallCanaries(memory: MemoryReader): Promise<Record<string, CanaryState>> {
  const entries = await memory.list(canaryKey(''))
  return Object.fromEntries(
    entries.flatMap(({ key, value }) => {
      const parsed = z.safeParse(Canary, value)
      return parsed.success ? [[key.slice(canaryKey('').length), parsed.data] as const] : []
    }),
  )
}

/** What was brought back. What cannot be understood is passed over: then it counts as pushed. */
export async function recallRestored(memory: MemoryReader): Promise<readonly Restored[]> {
  const entries = await memory.list(restoredKey(''))
  return entries.flatMap(({ value }) => {
    const parsed = z.safeParse(Restored, value)
    return parsed.success ? [parsed.data] : []
  })
}

export async function recallCopies(memory: MemoryReader): Promise<readonly Copy[]> {
  const entries = await memory.list(copyKey(''))
  return entries.flatMap(({ value }) => {
    const parsed = z.safeParse(KeptCopy, value)
    return parsed.success ? [parsed.data] : []
  })
}
