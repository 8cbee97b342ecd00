import * as z from 'zod/mini'

const RemovedTag = z.strictObject({
  name: z.string(),
  contentId: z.string(),
  imageId: z.optional(z.string()),
  /** Tags with the same one here were judged as one, and stay or go as one. */
  content: z.string(),
  pushedMs: z.int(),
  sizeBytes: z.number(),
})

/** Tags of whole contents that go together. */
const Remove = z.strictObject({
  kind: z.literal('remove'),
  repository: z.string(),
  tags: z.array(RemovedTag).check(z.minLength(1)),
  /** One that stays: while it is there, the repository does not become empty. */
  stays: z.strictObject({ name: z.string(), contentId: z.string() }),
  /** Tags of the repository when it was planned: whether listing it again costs less than asking for each tag. */
  total: z.int(),
  /** The policies by which they go. */
  policies: z.array(z.string()),
  /** Where they are copied to first, and for how long the copies are kept. No instant: a plan that is made again is to be the same. */
  quarantine: z.optional(z.strictObject({ repository: z.string(), days: z.number() })),
})

/** Brings removed tags back from their copies. */
const Restore = z.strictObject({
  kind: z.literal('restore'),
  repository: z.string(),
  /** The copies are in the quarantine that is configured then. */
  tags: z.array(z.strictObject({ name: z.string(), copy: z.string(), contentId: z.string() })).check(z.minLength(1)),
  policies: z.array(z.string()),
})

/** Removes copies whose time is over. */
const Purge = z.strictObject({
  kind: z.literal('purge'),
  repository: z.string(),
  tags: z.array(z.strictObject({ name: z.string(), contentId: z.string() })).check(z.minLength(1)),
})

const ServerPolicy = z.strictObject({ type: z.enum(['keep_last_days', 'keep_last_nums']), value: z.int() })

/** Sets the clean-up policy that the registry itself carries out, or takes it away. */
const Lifecycle = z.strictObject({
  kind: z.literal('lifecycle'),
  /** Of all repositories when absent. */
  repository: z.optional(z.string()),
  from: z.optional(ServerPolicy),
  to: z.optional(ServerPolicy),
})

/** What a step of the image cleaner brings about. */
export const ImageChange = z.discriminatedUnion('kind', [Remove, Restore, Purge, Lifecycle])

export type ImageChange = z.infer<typeof ImageChange>
export type RemoveChange = z.infer<typeof Remove>
export type RestoreChange = z.infer<typeof Restore>
export type PurgeChange = z.infer<typeof Purge>
export type LifecycleChange = z.infer<typeof Lifecycle>

/** How much a change counts against caps: tags, and 1 for a policy. */
export function unitsOf(change: ImageChange): number {
  return change.kind === 'lifecycle' ? 1 : change.tags.length
}
