import * as z from 'zod/mini'

/** The annotation on a workload in which redeploy-hook keeps what it has done to it. Who else reads it knows this much of it. */
export const rolloutRecordAnnotation = 'longshore.dev/redeploy-hook'

/** What a record says of images that the template does not name, of all containers of a workload. */
export interface RolloutRecord {
  /** What is put back when a rollout fails or is taken back. */
  readonly ways: readonly { readonly image: string; readonly content?: string | undefined }[]
  /** What failed to run in this workload: nobody goes back to it. */
  readonly failed: readonly { readonly image: string; readonly content: string }[]
}

const Placed = z.object({ image: z.string(), content: z.optional(z.string()) })

const Written = z.record(
  z.string(),
  z.object({
    set: z.optional(z.object({ previous: z.optional(Placed) })),
    bad: z.optional(z.array(z.object({ image: z.string(), content: z.string() }))),
  }),
)

/** Reads a record. Undefined for one that cannot be understood: then it may lead to any image that is named in it. */
export function readRolloutRecord(text: string): RolloutRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const parsed = z.safeParse(Written, value)
  if (!parsed.success) return undefined
  const containers = Object.values(parsed.data)
  const failed = containers.flatMap(({ bad = [] }) => bad)
  const isFailed = (content: string | undefined): boolean => failed.some((one) => one.content === content)
  const ways = containers.flatMap(({ set }) => (set?.previous === undefined || isFailed(set.previous.content) ? [] : [set.previous]))
  return { ways, failed }
}
