import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import * as z from 'zod/mini'
import { pathText } from '#shared/runtime/config-path.ts'
import { problemsOf } from '#shared/runtime/config-problems.ts'
import { type FunctionName, functionNames } from '#shared/runtime/definition.ts'

const Schedule = z.strictObject({
  /** With EventBridge Scheduler: time zones, a dead-letter queue, and the nominal time in the input. */
  method: z.literal('scheduler'),
  rate: z.array(z.string()).check(z.minLength(1)),
  timezone: z._default(z.string(), 'UTC'),
  roleArn: z.unknown(),
  description: z.optional(z.string()),
  input: z.strictObject({
    trigger: z.literal('eventbridge-scheduler'),
    /** Sweeps the inbox instead of running the function's schedule. */
    task: z.optional(z.literal('sweep')),
    scheduledAt: z.literal('<aws.scheduler.scheduled-time>'),
    schedule: z.optional(z.literal('<aws.scheduler.schedule-arn>')),
    executionId: z.optional(z.literal('<aws.scheduler.execution-id>')),
    attempt: z.optional(z.literal('<aws.scheduler.attempt-number>')),
  }),
})

/** A route of the HTTP API: POST for what senders bring, GET for pages that people open. */
const HttpApi = z.strictObject({
  method: z.enum(['POST', 'GET']),
  path: z
    .string()
    .check(z.regex(/^\/hooks\/[a-z-]+\/(?:\{proxy\+\}|[A-Za-z0-9._~/-]+)$/, { error: 'must be a path such as "/hooks/<name>/{proxy+}"' })),
})

/** The queue that wakes a function. */
const Sqs = z.strictObject({
  arn: z.unknown(),
  batchSize: z.int().check(z.gte(1), z.lte(10)),
  maximumConcurrency: z.int().check(z.gte(2)),
  functionResponseType: z.literal('ReportBatchItemFailures'),
})

/** functions/<name>/function.yml: what osls takes under `functions.<name>`, as far as packaging looks at it, and the permissions. */
const FunctionFile = z.strictObject({
  function: z.looseObject({
    handler: z.string(),
    description: z.string(),
    timeout: z.int().check(z.gte(1), z.lte(900)),
    memorySize: z.int().check(z.gte(128), z.lte(10_240)),
    role: z.string(),
    events: z.array(z.looseObject({ schedule: z.optional(Schedule), httpApi: z.optional(HttpApi), sqs: z.optional(Sqs) })),
  }),
  /** `service:Action`, sorted: what the function may ask of the platform, and nothing else. */
  platformActions: z.array(
    z.string().check(z.regex(/^[a-z0-9]+:[A-Z][A-Za-z0-9]+$/, { error: 'must be service:Action, such as "tke:ForwardRequest"' })),
  ),
})

export type FunctionFile = z.infer<typeof FunctionFile>

/** The functions that exist: the folders under functions/, sorted. Throws for a folder that is no function of the product. */
export async function listFunctions(root: string): Promise<FunctionName[]> {
  const entries = await readdir(join(root, 'functions'), { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  return folders.sort().map((folder) => {
    const name = functionNames.find((known) => known === folder)
    if (name === undefined)
      throw new Error(`functions/${folder} is no function of the product; its name is missing in shared/runtime/definition.ts.`)
    return name
  })
}

/** Reads and checks a function.yml. Throws with every problem, each with its path in the file. */
export async function readFunctionFile(root: string, name: string): Promise<FunctionFile> {
  const path = `functions/${name}/function.yml`
  const value: unknown = parse(await readFile(join(root, path), 'utf8'))
  const parsed = z.safeParse(FunctionFile, value)
  if (parsed.success) return parsed.data
  const lines = problemsOf(FunctionFile, value).map((problem) => `  ${pathText(problem.path)}: ${problem.text}`)
  throw new Error(`${path} does not fit:\n${lines.join('\n')}`)
}
