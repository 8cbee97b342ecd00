import * as z from 'zod/mini'

const component = '[a-z0-9]+(?:[._-]+[a-z0-9]+)*'

/** `team/web`: a repository as a registry names it, without its host. */
export const RepositoryName = z
  .string()
  .check(
    z.maxLength(255),
    z.regex(new RegExp(`^${component}(?:/${component})*$`), { error: 'must be a repository such as "team/web", without a host' }),
  )

export const TagName = z.string().check(z.regex(/^\w[\w.-]{0,127}$/, { error: 'must be the name of a tag, such as "1.0.1"' }))

export const ImageDigest = z
  .string()
  .check(z.regex(/^sha256:[0-9a-f]{64}$/, { error: 'must be a digest: "sha256:" and 64 hexadecimal digits' }))

/**
 * What somebody says was pushed: where to look, and nothing more. None of it is ever deployed; the registry is read for that. It
 * may be forged, old, repeated or out of order.
 */
export const PushHint = z.strictObject({
  /** Name of the source in the settings, or of the poll. */
  source: z.string(),
  repository: RepositoryName,
  /** Of the registry as the sender knows it. */
  host: z.optional(z.string().check(z.maxLength(300))),
  tag: z.optional(TagName),
  digest: z.optional(ImageDigest),
  /** When it was pushed, by the sender's clock; epoch milliseconds. */
  pushedMs: z.optional(z.int().check(z.nonnegative())),
  /** Digest of the multi-platform index that it belongs to. */
  childOf: z.optional(ImageDigest),
})

export type PushHint = z.infer<typeof PushHint>
