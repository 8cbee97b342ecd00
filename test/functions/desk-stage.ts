import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import * as z from 'zod/mini'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { createHookRunner } from '#infra/local/hook-runner.ts'
import { startWebhookServer } from '#infra/local/webhook-server.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import { createLog } from '#shared/runtime/log.ts'
import type { QueuedEvent } from '#shared/runtime/queue-definition.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import type { WebhookDefinition } from '#shared/runtime/webhook-definition.ts'
import { createWebhookDesk } from '#shared/runtime/webhook-desk.ts'
import { createDeadLetters } from '#shared/safety/dead-letters.ts'
import { createInbox } from '#shared/safety/inbox.ts'
import type { Store } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

/** The same request as a sender would make it. */
export interface Sent {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** The sample events of a function. */
export function eventsOf(name: FunctionName) {
  const folder = new URL(`../../events/${name}/`, import.meta.url)
  /** An event file, as the platform would hand it to the function. */
  const eventOf = (file: string): Record<string, unknown> => JSON.parse(readFileSync(new URL(`${file}.json`, folder), 'utf8'))
  const requestIn = (file: string): Sent => {
    const event = eventOf(file) as unknown as {
      rawPath: string
      headers: Record<string, string>
      requestContext: { http: { method: string } }
      body?: string
      isBase64Encoded: boolean
    }
    const { host: _, ...headers } = event.headers
    const body = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8')
    return { method: event.requestContext.http.method, path: event.rawPath, headers, body }
  }
  return { eventOf, requestIn }
}

export const start = Date.parse('2026-11-24T00:22:00Z')

/** A configuration with these settings of a function. */
export function configOf(name: FunctionName, settings: object, more: Partial<Config> = {}): Config {
  return {
    mode: 'plan',
    platform: {
      endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
      region: 'ap-guangzhou',
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [],
    store: { kind: 'memory' },
    functions: { [name]: settings },
    ...more,
  }
}

export interface DeskStage<Payload> {
  readonly url: string
  readonly lines: readonly string[]
  /** The time by which everything here lives, epoch milliseconds. */
  now: number
  send(sent: Partial<Sent> & Pick<Sent, 'path'>): Promise<Reply>
  /** Works off what waits and answers with all that ever was worked on, in its order. */
  worked(): Promise<readonly (Omit<QueuedEvent, 'payload'> & { readonly payload: Payload })[]>
  close(): Promise<void>
}

export interface DeskStageOptions<Settings, Payload> {
  readonly webhook: WebhookDefinition<Settings>
  readonly payload: z.ZodMiniType<Payload>
  readonly settings: object
  /** Where secrets are. */
  readonly env: Readonly<Record<string, string>>
  readonly store?: Store | undefined
  readonly clock?: Clock | undefined
}

/** The webhooks of a function behind a real socket, on a store, as the local runner serves them. Nobody works on the events. */
export async function openDeskStage<Settings, Payload>(options: DeskStageOptions<Settings, Payload>): Promise<DeskStage<Payload>> {
  const { webhook, payload } = options
  const { name } = webhook
  const store = options.store ?? openMemoryStore(new MemoryDisk())
  const lines: string[] = []
  const worked: QueuedEvent[] = []
  const stage = { now: start }
  const clock = options.clock ?? { ...systemClock, now: () => stage.now }
  const redactor = createRedactor()
  const log = createLog({ write: (line) => lines.push(line), redactor, level: 'debug' }).with({ function: name })
  const config = await functionConfig(configOf(name, options.settings), webhook)
  const sources = webhook.sources(config)
  const inbox = createInbox(store, { function: name })
  const runner = createHookRunner({
    functions: [
      {
        name,
        hooks: {
          inbox,
          deadLetters: createDeadLetters(store, { function: name }),
          process: async (event) => {
            worked.push(event)
            return { kind: 'done' }
          },
          desk: (nudge) =>
            createWebhookDesk({
              function: name,
              sources,
              inbox,
              nudge,
              resolve: createResolver({ env: options.env }),
              redactor,
              clock,
              log,
            }),
        },
      },
    ],
    owner: 'stage',
    now: () => stage.now,
    sleep: async () => undefined,
    signal: new AbortController().signal,
    log,
    redact: (text) => redactor.text(text),
    print: () => undefined,
  })
  const server = await startWebhookServer({
    routes: runner.routes,
    port: 0,
    now: () => stage.now,
    health: () => ({ ok: true }),
    onError: (route, error) => lines.push(`${route}: ${String(error)}`),
  })
  const agent = new Agent({ keepAlive: true })
  return Object.assign(stage, {
    url: server.url,
    lines,
    send: async ({ method = 'POST', path, headers = {}, body = Buffer.alloc(0) }: Partial<Sent> & Pick<Sent, 'path'>) =>
      await exchange(agent, server.url, { method, path, headers, body }),
    worked: async () => {
      await runner.workOff()
      return worked.map((event) => ({ ...event, payload: z.parse(payload, event.payload) }))
    },
    close: async () => {
      agent.destroy()
      await server.close()
      await store.close()
    },
  })
}

/** Sends exactly these header names and bytes, which `fetch` would not. */
function exchange(agent: Agent, url: string, { method, path, headers, body }: Sent): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}${path}`, { method, agent, headers: { 'content-length': body.length, ...headers } }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(pieces).toString() }),
      )
    })
    // A body that is too large is answered before it has been read.
    sent.on('error', reject)
    sent.end(body)
  })
}

/** What a Lambda answer has in common with one over a socket. */
export function replyOf({ statusCode, headers, body }: APIGatewayProxyStructuredResultV2): Pick<Reply, 'status' | 'text'> & {
  readonly headers: Readonly<Record<string, unknown>>
} {
  return { status: statusCode ?? 0, headers: headers ?? {}, text: body ?? '' }
}
