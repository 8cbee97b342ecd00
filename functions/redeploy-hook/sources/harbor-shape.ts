import * as z from 'zod/mini'
import { type Result, success } from '#shared/pure/result.ts'
import type { PassedOver } from '#shared/runtime/webhook-definition.ts'
import { ImageDigest, RepositoryName, TagName } from '../push-hint.ts'
import { childManifest, hostOf, type SeenPush, type SourceReading } from '../source-reading.ts'

/** What Harbor says about artifacts, in both of its formats, and what its descendants took over. */
export const ArtifactData = z.looseObject({
  resources: z
    .array(
      z.looseObject({
        digest: z.optional(z.string()),
        /** The digest where the artifact has no tag. */
        tag: z.optional(z.string()),
        resource_url: z.optional(z.string()),
      }),
    )
    .check(z.maxLength(2000)),
  repository: z.looseObject({ repo_full_name: RepositoryName }),
})

export type ArtifactData = z.infer<typeof ArtifactData>

/** The pushes that artifacts stand for; `identity` is the time of the event as the sender wrote it. */
export function readArtifacts({ resources, repository }: ArtifactData, identity: string, pushedMs: number): Result<SourceReading, string> {
  const pushes: SeenPush[] = []
  const passedOver: PassedOver[] = []
  for (const { digest: text, tag: name = '', resource_url: url = '' } of resources) {
    const digest = z.safeParse(ImageDigest, text)
    if (name === '' || z.safeParse(ImageDigest, name).success) {
      passedOver.push(childManifest)
      continue
    }
    const tag = z.safeParse(TagName, name)
    if (!tag.success) {
      passedOver.push({ code: 'unreadable-event', text: 'an artifact was pushed under something that is no tag', isFault: true })
      continue
    }
    const host = hostOf(url)
    pushes.push({
      hint: {
        repository: repository.repo_full_name,
        tag: tag.data,
        ...(digest.success ? { digest: digest.data } : {}),
        pushedMs,
        ...(host === undefined ? {} : { host }),
      },
      identity,
    })
  }
  return success({ pushes, passedOver })
}

/** Seconds since 1970, as Harbor counts. */
export const Seconds = z.int().check(z.nonnegative(), z.maximum(100_000_000_000))

/** A reading of an event that is about something else. */
export const otherEvent: SourceReading = {
  pushes: [],
  passedOver: [{ code: 'no-push', text: 'pulls, deletions, scans, charts and tests deploy nothing' }],
}
