import * as z from 'zod/mini'
import { largestSize, targetKinds } from './target.ts'

const Replicas = z.int().check(z.minimum(0), z.maximum(largestSize))

const Size = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('replicas'), replicas: Replicas }),
  z.strictObject({ kind: z.literal('bounds'), min: Replicas, max: Replicas }),
])

const Name = z.string().check(z.minLength(1), z.maxLength(253))

/**
 * What `apply` brings about: one size, and the record that goes with it, in one write. Read back from plans and journals: a
 * field that is not known here is something that nobody can have approved.
 */
export const ScaleChange = z.strictObject({
  /** Id of the cluster. */
  cluster: Name,
  target: z.strictObject({ kind: z.enum(targetKinds), namespace: Name, name: Name }),
  /** Of the object that was planned for; another one of the same name is left alone. */
  uid: z.string(),
  from: Size,
  to: Size,
  rule: z.string(),
  nominalMs: z.number(),
  /** The firing is on record already, and the size is put back to what it said; or to what was there before, in an undo. */
  drift: z.boolean(),
  onceKey: z.optional(z.string()),
  /** Of an override: when it ends. */
  untilMs: z.optional(z.number()),
  /** Key of the record that was on the target; absent where there was none. */
  replaces: z.optional(z.string()),
})

export type ScaleChange = z.infer<typeof ScaleChange>

const undoMark = 'undo of '

/**
 * The change that takes another one back, given the key of its step: the size that was there, for the same firing, which stays on
 * record so that it is not applied again.
 */
export function undoOf(change: ScaleChange, key: string): ScaleChange {
  const { cluster, target, uid, from, to, nominalMs, untilMs } = change
  const undo = { cluster, target, uid, from: to, to: from, rule: undoOwner(change.rule), nominalMs, drift: true, replaces: key }
  return untilMs === undefined ? undo : { ...undo, untilMs }
}

/** The owner of a size that came of taking back what a rule or an override had set. */
export function undoOwner(rule: string): string {
  return `${undoMark}${rule}`
}

/** The rule whose firing an owner has taken back; undefined when the owner is a rule itself. */
export function undoneRule(owner: string): string | undefined {
  // Rules are called `config/…` and `hpc/…`.
  return owner.startsWith(undoMark) ? owner.slice(undoMark.length) : undefined
}
