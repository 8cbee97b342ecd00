import { createHash } from 'node:crypto'
import * as z from 'zod/mini'
import type { Result } from '#shared/pure/result.ts'

const indexTypes = ['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']
const imageTypes = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']

/** What is asked for: without it a registry turns new manifests into old ones, whose digest nobody else sees. */
export const acceptedManifests = [...indexTypes, ...imageTypes].join(', ')

const digest = z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/))

const Descriptor = z.object({
  mediaType: z.optional(z.string()),
  digest,
  size: z.int().check(z.minimum(0)),
  urls: z.optional(z.array(z.string())),
})

const Subject = z.optional(z.object({ digest }))

const Index = z.object({ manifests: z.array(Descriptor), subject: Subject })

const Image = z.object({ config: Descriptor, layers: z.array(Descriptor), subject: Subject })

export type Descriptor = z.infer<typeof Descriptor>

interface ManifestFacts {
  /** Of the bytes themselves. */
  readonly digest: string
  readonly mediaType: string
  readonly body: Buffer
  /** Digest of the manifest that this one says something about, as signatures do. */
  readonly subject: string | undefined
}

/** A manifest, as far as clean-up looks at it. */
export type Manifest = ManifestFacts &
  (
    | { readonly kind: 'image'; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
    | { readonly kind: 'index'; readonly children: readonly Descriptor[] }
  )

/** Reads a manifest and checks that it is what its digest says. The error says what is wrong with it, as the rest of a sentence. */
export function parseManifest(body: Buffer, contentType: string | undefined, claimed: string | undefined): Result<Manifest, string> {
  const own = `sha256:${createHash('sha256').update(body).digest('hex')}`
  const mediaType = (contentType ?? '').split(';')[0]?.trim() ?? ''
  const isIndex = indexTypes.includes(mediaType)
  if (!isIndex && !imageTypes.includes(mediaType)) {
    if (mediaType.startsWith('application/vnd.docker.distribution.manifest.v1')) {
      const error =
        'is in the old image format (manifest schema 1), which does not say what the image shares with others: pull it and push it again, or delete it by hand'
      return { ok: false, error }
    }
    return { ok: false, error: `has a manifest of the kind ${JSON.stringify(mediaType.slice(0, 100))}, which is not known here` }
  }
  if (claimed !== undefined && claimed !== own)
    return { ok: false, error: `has a manifest whose digest is ${own} and not ${claimed.slice(0, 100)}, as the registry says` }
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    return { ok: false, error: 'has a manifest that is no JSON' }
  }
  const broken = { ok: false, error: 'has a manifest that lacks what one of its kind has' } as const
  if (isIndex) {
    const parsed = z.safeParse(Index, value)
    if (!parsed.success) return broken
    const { manifests, subject } = parsed.data
    return { ok: true, value: { kind: 'index', digest: own, mediaType, body, subject: subject?.digest, children: manifests } }
  }
  const parsed = z.safeParse(Image, value)
  if (!parsed.success) return broken
  const { config, layers, subject } = parsed.data
  return { ok: true, value: { kind: 'image', digest: own, mediaType, body, subject: subject?.digest, config, layers } }
}

export function isIndexType(mediaType: string | undefined): boolean {
  return mediaType !== undefined && indexTypes.includes(mediaType)
}

/** Whether a configuration is one of an image, and not the empty one that all artifacts of other kinds have in common. */
export function isOwnConfig({ mediaType, size }: Descriptor): boolean {
  return mediaType !== 'application/vnd.oci.empty.v1+json' && size > 2
}

/** Layers that are never in a registry, because they may not be passed on. */
export function isElsewhere({ urls = [] }: Descriptor): boolean {
  return urls.length > 0
}

/** The digest that a tag such as `sha256-….sig` says something about: signatures, attestations and parts lists lie beside their image so. */
export function companionOf(tag: string): string | undefined {
  const hex = /^sha256-([0-9a-f]{64})(?:\.[a-z]+)?$/.exec(tag)?.[1]
  return hex === undefined ? undefined : `sha256:${hex}`
}
