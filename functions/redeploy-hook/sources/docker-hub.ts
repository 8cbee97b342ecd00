import * as z from 'zod/mini'
import { success } from '#shared/pure/result.ts'
import { readShape } from '#shared/runtime/read-body.ts'
import { RepositoryName, TagName } from '../push-hint.ts'
import type { ReadSource } from '../source-reading.ts'
import { Seconds } from './harbor-shape.ts'

/** Its `callback_url` is not even read: an address that a stranger names is called by nobody here. */
const Push = z.looseObject({
  push_data: z.looseObject({ pushed_at: Seconds, tag: TagName }),
  repository: z.looseObject({ repo_name: RepositoryName }),
})

/**
 * Webhooks of Docker Hub: unsigned, without an id and without a digest. It calls several times for one push of a multi-platform
 * image, each time with the same tag and time, which are one push here.
 */
export const readDockerHub: ReadSource = (body) => {
  const push = readShape(Push, body, 'a webhook of Docker Hub')
  if (!push.ok) return push
  const {
    push_data: { pushed_at: seconds, tag },
    repository,
  } = push.value
  const hint = { repository: repository.repo_name, tag, pushedMs: seconds * 1000, host: 'docker.io' }
  return success({ pushes: [{ hint, identity: String(seconds) }], passedOver: [] })
}
