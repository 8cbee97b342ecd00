import * as z from 'zod/mini'
import { success } from '#shared/pure/result.ts'
import { readShape } from '#shared/runtime/read-body.ts'
import type { PassedOver } from '#shared/runtime/webhook-definition.ts'
import { ImageDigest, RepositoryName, TagName } from '../push-hint.ts'
import { childManifest, hostOf, instantOf, type ReadSource, type SeenPush } from '../source-reading.ts'

/** Events of one envelope need not have to do with each other, and one that cannot be read does not spoil the others. */
const Envelope = z.looseObject({ events: z.array(z.unknown()).check(z.maxLength(2000)) })

/** What all events have in common: pushes of layers, pulls and deletions as well. */
const AnyEvent = z.looseObject({ action: z.string(), target: z.looseObject({ mediaType: z.optional(z.string()) }) })

const ManifestPush = z.looseObject({
  timestamp: z.string(),
  target: z.looseObject({ repository: RepositoryName, digest: ImageDigest, tag: z.optional(z.union([z.literal(''), TagName])) }),
  request: z.optional(z.looseObject({ host: z.optional(z.string()) })),
})

/** What may stand under a tag and be run. Layers and configurations come under other types, `application/octet-stream` mostly. */
const manifestTypes: ReadonlySet<string | undefined> = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
])

/**
 * Notifications of the CNCF registry (Distribution), of version 1 and 2 of its envelope, which differ in nothing that is read here.
 * A manifest that is pushed by its digest has no tag and comes to nothing: it is a part of an index that is pushed after it,
 * or nobody's. `request.host` says what the pushing client called the registry.
 */
export const readDistribution: ReadSource = (body) => {
  const envelope = readShape(Envelope, body, 'an envelope of registry notifications, {"events": […]}')
  if (!envelope.ok) return envelope
  const pushes: SeenPush[] = []
  const passedOver: PassedOver[] = []
  for (const event of envelope.value.events) {
    const read = readEvent(event)
    if ('identity' in read) pushes.push(read)
    else passedOver.push(read)
  }
  return success({ pushes, passedOver })
}

function readEvent(event: unknown): SeenPush | PassedOver {
  const any = z.safeParse(AnyEvent, event)
  if (!any.success) return unreadable('an event has no action or no target')
  const {
    action,
    target: { mediaType },
  } = any.data
  if (action !== 'push') return { code: 'no-push', text: 'pulls, deletions and mounts deploy nothing' }
  if (!manifestTypes.has(mediaType)) return { code: 'no-manifest', text: 'a layer or something else that is not run was pushed' }
  const push = z.safeParse(ManifestPush, event)
  if (!push.success) return unreadable(`a push of a manifest does not say what was pushed (${push.error.issues[0]?.path.join('.')})`)
  const { timestamp, target, request } = push.data
  const pushedMs = instantOf(timestamp)
  if (pushedMs === undefined) return unreadable('a push has no time, or one that is no RFC 3339')
  if (target.tag === undefined || target.tag === '') return childManifest
  const { repository, digest, tag } = target
  const host = hostOf(`${request?.host ?? ''}/`)
  return { hint: { repository, tag, digest, pushedMs, ...(host === undefined ? {} : { host }) }, identity: timestamp }
}

function unreadable(text: string): PassedOver {
  return { code: 'unreadable-event', text, isFault: true }
}
