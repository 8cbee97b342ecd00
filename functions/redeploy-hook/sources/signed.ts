import * as z from 'zod/mini'
import { failure, success } from '#shared/pure/result.ts'
import { readShape } from '#shared/runtime/read-body.ts'
import { ImageDigest, RepositoryName, TagName } from '../push-hint.ts'
import { instantOf, type ReadSource } from '../source-reading.ts'

const shape = '{"repository": "team/web", "tag": "1.0.1"} with "digest" and "pushedAt" (RFC 3339) if you know them'

/** A format of our own, so that a key that is not known is a mistake. */
const Push = z.strictObject({
  repository: RepositoryName,
  tag: TagName,
  digest: z.optional(ImageDigest),
  pushedAt: z.optional(z.string()),
})

/**
 * What a build sends after its push, signed as Standard Webhooks say. A push is known by `webhook-id`, which the signature covers and
 * which stays the same when it is sent again, together with what the body says.
 */
export const readSigned: ReadSource = (body, headers) => {
  const push = readShape(Push, body, shape)
  if (!push.ok) return push
  const { pushedAt, ...named } = push.value
  const pushedMs = pushedAt === undefined ? undefined : instantOf(pushedAt)
  if (pushedAt !== undefined && pushedMs === undefined) return failure(`the body must be ${shape}; pushedAt does not fit`)
  const hint = { ...named, ...(pushedMs === undefined ? {} : { pushedMs }) }
  return success({ pushes: [{ hint, identity: `${headers['webhook-id'] ?? ''} ${pushedAt ?? ''}` }], passedOver: [] })
}
