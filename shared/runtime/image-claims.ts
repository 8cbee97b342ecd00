import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import type { MemoryReader, MemoryWriter } from './memory.ts'

/**
 * What the function that deploys images and the one that removes them say to each other through the store, so that what one is about to
 * deploy the other does not remove. Each writes down what it is about to do, then reads what the other one is about to do, and only
 * then does it: of two that do so at the same time at least one sees the other. Claims are never taken back, they end by themselves:
 * whoever has read the world before a deployment or a removal learns of it here, even when that is done by then.
 */

/** An image that is to be deployed, by its content where that is known. */
export interface DeployingImage {
  /** `namespace/name`, without the registry's host. */
  readonly repository: string
  readonly tag?: string | undefined
  /** As the registry names it. */
  readonly content?: string | undefined
  /** For whom: `cls-1/prod/Deployment/web`. */
  readonly by: string
}

/** A claim that is there and cannot be understood. What it says is about to be deployed would be removed. */
export class ImageClaimError extends Error {
  override readonly name = 'ImageClaimError'
  readonly kind = 'image-claims.unreadable'
}

/** So long a deployment that is about to be made is known: longer than anybody who removes goes by what he has read before. */
export const deployingForMs = 3_600_000

/** So long a removal that is about to be made is known: longer than anybody who deploys goes by what he has read before. */
export const removingForMs = 1_800_000

const Deploying = z.strictObject({
  format: z.literal(1),
  repository: z.string(),
  tag: z.optional(z.string()),
  content: z.optional(z.string()),
  by: z.string(),
})

const Removing = z.strictObject({ format: z.literal(1), contents: z.array(z.string()) })

const deployingPrefix = 'deploying/'
const deployingKey = ({ repository, tag = '', content = '' }: DeployingImage): string =>
  `${deployingPrefix}${encodeURIComponent(repository)}/${digestOf([content, content === '' ? tag : ''])}`

const removingKey = (repository: string): string => `removing/${encodeURIComponent(repository)}/`

/** As much of a content as tells it from others: a batch has thousands. One that looks like another waits for nothing, a while. */
const markOf = (content: string): string => digestOf([content]).slice(0, 16)

/** So many marks fit into one entry of the memory. */
const mostMarks = 8000

/** Writes down what is about to be deployed; again, when it is there already. Throws StoreError. */
export async function keepDeploying(memory: MemoryWriter, images: readonly DeployingImage[], untilMs: number): Promise<void> {
  const claims = new Map(images.map((image) => [deployingKey(image), image]))
  for (const [key, { repository, tag, content, by }] of claims) {
    const names = { ...(tag === undefined ? {} : { tag }), ...(content === undefined ? {} : { content }) }
    await memory.put(key, { format: 1, repository, ...names, by: by.slice(0, 300) }, { expiresAt: untilMs })
  }
}

/** What is about to be deployed of one repository, or of all. Throws ImageClaimError and StoreError: with either nothing may be removed. */
export async function recallDeploying(memory: MemoryReader | undefined, repository?: string): Promise<readonly DeployingImage[]> {
  const own = repository === undefined ? '' : `${encodeURIComponent(repository)}/`
  return ((await memory?.list(`${deployingPrefix}${own}`)) ?? []).map(({ key, value }) => {
    const parsed = z.safeParse(Deploying, value)
    if (parsed.success) return parsed.data
    throw new ImageClaimError(
      `What is about to be deployed is written under ${JSON.stringify(key)} in a way that cannot be understood; nothing is removed. Was it written by a newer version?`,
    )
  })
}

/** Writes down which contents of a repository are about to be removed; `run` tells one run's from another's. Throws StoreError. */
export async function keepRemoving(
  memory: MemoryWriter,
  { repository, contents, run }: { readonly repository: string; readonly contents: readonly string[]; readonly run: string },
  untilMs: number,
): Promise<void> {
  const marks = [...new Set(contents.map(markOf))].toSorted()
  for (let from = 0; from < marks.length; from += mostMarks) {
    const key = `${removingKey(repository)}${run}/${digestOf([String(from), ...marks.slice(from, from + 1)]).slice(0, 8)}`
    await memory.put(key, { format: 1, contents: marks.slice(from, from + mostMarks) }, { expiresAt: untilMs })
  }
}

/** Says of contents of a repository whether somebody is about to remove them. With a claim that cannot be understood all are. */
export async function recallRemoving(memory: MemoryReader | undefined, repository: string): Promise<(content: string) => boolean> {
  const marks = new Set<string>()
  for (const { value } of (await memory?.list(removingKey(repository))) ?? []) {
    const parsed = z.safeParse(Removing, value)
    if (!parsed.success) return () => true
    for (const mark of parsed.data.contents) marks.add(mark)
  }
  return (content) => marks.has(markOf(content))
}
