import { recallCopies } from '#functions/image-cleaner/run-memory.ts'
import { schedulesOf } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { type Platform, sandboxPlatform } from '#infra/local/platform.ts'
import { createRunner, type Runner } from '#infra/local/runner.ts'
import { startWebhookServer } from '#infra/local/webhook-server.ts'
import { createSandboxClock, type SandboxClock } from '#infra/sandbox/clock.ts'
import { createCallTally } from '#infra/status/call-tally.ts'
import { openStatus } from '#infra/status/open-status.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { createRedactor, type Redactor } from '#shared/runtime/redact.ts'

/** A process as `npm start` makes one: the sandbox, some functions, and the server that tells about them. */
export interface Stage {
  readonly url: string
  readonly platform: Platform
  readonly clock: SandboxClock
  readonly runner: Runner
  /** What the image-cleaner remembers of copies. */
  copies(): ReturnType<typeof recallCopies>
  /** Looks at sizes once. */
  sampleOnce(): Promise<void>
  readonly redactor: Redactor
  /** What was told to be a bug. */
  readonly errors: string[]
  get(path: string, headers?: Record<string, string>): Promise<{ status: number; headers: Headers; text: string; json: unknown }>
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<{ status: number; headers: Headers; json: unknown }>
  close(): Promise<void>
}

export async function openStage(options: {
  readonly functions: readonly FunctionName[]
  readonly token?: string
  readonly hostNames?: readonly string[]
}): Promise<Stage> {
  const redactor = createRedactor()
  const calls = createCallTally()
  const chosen = localFunctions.filter(({ name }) => options.functions.includes(name))
  const clock = createSandboxClock({ startMs: Date.parse('2026-11-24T08:30:12Z') })
  const platform = await sandboxPlatform({ cwd: import.meta.dirname, redactor, sandbox: { port: 0, seed: 1, clock }, onAttempt: calls.add })
  const errors: string[] = []
  const looks = new AbortController()
  const status = await openStatus({
    platform,
    functions: chosen.map(({ name }) => name),
    redactor,
    speed: 1,
    calls,
    token: options.token,
    hostNames: options.hostNames,
    onError: (what, error) => errors.push(`${what}: ${String(error)}`),
    // After the first look at sizes nobody looks any more.
    sleep: async () => looks.abort(),
  })
  const functions = await Promise.all(chosen.map(async (fn) => ({ function: fn, schedules: await schedulesOf(fn.name) })))
  const { config, cloud, kernel, store, now } = platform
  const runner = createRunner({
    functions,
    config,
    cloud,
    kernel,
    store,
    now,
    sleep: async () => undefined,
    log: silentLog,
    print: () => undefined,
    signal: new AbortController().signal,
    onReport: status.onReport,
  })
  const events = async () => [{ function: 'redeploy-hook', ok: true, groupsDue: 1, dead: 0 }]
  const server = await startWebhookServer({
    routes: [{ method: 'POST', path: '/hooks/registry', answer: async () => ({ statusCode: 202, body: 'taken' }) }],
    port: 0,
    now,
    health: () => ({ ok: true }),
    onError: (route, error) => errors.push(`${route}: ${String(error)}`),
    status: status.serve({ runner, hooks: { status: events } }),
  })
  return {
    url: server.url,
    platform,
    clock,
    runner,
    copies: async () => {
      if (store === undefined) throw new Error('the sandbox has a store')
      return await recallCopies(createMemory(store, { function: 'image-cleaner', now }))
    },
    sampleOnce: async () => await status.keepSampling(looks.signal),
    redactor,
    errors,
    get: async (path, headers = {}) => {
      const answer = await fetch(`${server.url}${path}`, { headers })
      const text = await answer.text()
      const isJson = answer.headers.get('content-type')?.startsWith('application/json')
      return { status: answer.status, headers: answer.headers, text, json: isJson ? JSON.parse(text) : undefined }
    },
    post: async (path, body, headers = {}) => {
      const answer = await fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })
      return { status: answer.status, headers: answer.headers, json: await answer.json() }
    },
    close: async () => {
      await server.close()
      await platform.close()
    },
  }
}
