import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import * as z from 'zod/mini'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { HookEvent } from '#functions/redeploy-hook/hook-event.ts'
import { webhook } from '#functions/redeploy-hook/webhook.ts'
import { createHookRunner } from '#infra/local/hook-runner.ts'
import { startWebhookServer } from '#infra/local/webhook-server.ts'
import { sandboxHookSecrets } from '#infra/sandbox/test-credentials.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import { createLog } from '#shared/runtime/log.ts'
import type { QueuedEvent } from '#shared/runtime/queue-definition.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { createWebhookDesk } from '#shared/runtime/webhook-desk.ts'
import { createDeadLetters } from '#shared/safety/dead-letters.ts'
import { createInbox } from '#shared/safety/inbox.ts'
import type { Store } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const events = new URL('../../../events/redeploy-hook/', import.meta.url)

/** An event file, as the platform would hand it to the function. */
export function eventOf(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(`${name}.json`, events), 'utf8'))
}

/** The same request as a sender would make it. */
export interface Sent {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export function requestIn(name: string): Sent {
  const event = eventOf(name) as unknown as {
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

/** Every secret of the test configuration: those of the sample events, and one that another takes the place of. */
export const secrets = {
  REGISTRY_TOKEN: sandboxHookSecrets.SANDBOX_REGISTRY_TOKEN,
  HARBOR_TOKEN: sandboxHookSecrets.SANDBOX_HARBOR_TOKEN,
  TCR_TOKEN: sandboxHookSecrets.SANDBOX_TCR_TOKEN,
  HUB_SECRET: sandboxHookSecrets.SANDBOX_HUB_SECRET,
  CI_KEY: sandboxHookSecrets.SANDBOX_CI_KEY,
  CI_OLD_KEY: `whsec_${Buffer.alloc(32, 8).toString('base64')}`,
  APPROVAL_SECRET: sandboxHookSecrets.SANDBOX_APPROVAL_SECRET,
}

/** One of each kind of source, and the page for approvals. */
export const senders = {
  sources: {
    registry: { kind: 'distribution', secrets: ['env:REGISTRY_TOKEN'] },
    harbor: { kind: 'harbor', secrets: ['env:HARBOR_TOKEN'] },
    tcr: { kind: 'tcr-enterprise', secrets: ['env:TCR_TOKEN'], header: 'X-TCR-Token' },
    hub: { kind: 'docker-hub', secrets: ['env:HUB_SECRET'] },
    ci: { kind: 'signed', secrets: ['env:CI_KEY', 'env:CI_OLD_KEY'] },
  },
  approval: { secret: 'env:APPROVAL_SECRET', baseUrl: 'https://hooks.example.com' },
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

export interface HookStage {
  readonly url: string
  readonly lines: readonly string[]
  /** The time by which everything here lives, epoch milliseconds. */
  now: number
  send(sent: Partial<Sent> & Pick<Sent, 'path'>): Promise<Reply>
  /** Works off what waits and answers with all that ever was worked on, in its order. */
  worked(): Promise<readonly (Omit<QueuedEvent, 'payload'> & { readonly payload: HookEvent })[]>
  close(): Promise<void>
}

export const start = Date.parse('2026-11-24T00:22:00Z')

/** A configuration with these settings of the function. */
export function configWith(settings: object, more: Partial<Config> = {}): Config {
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
    functions: { 'redeploy-hook': settings },
    ...more,
  }
}

/** The webhooks of the function behind a real socket, on a store, as the local runner serves them. Nobody works on the events. */
export async function openHookStage(
  options: { readonly settings?: object; readonly store?: Store; readonly clock?: Clock; readonly env?: Record<string, string> } = {},
): Promise<HookStage> {
  const store = options.store ?? openMemoryStore(new MemoryDisk())
  const lines: string[] = []
  const worked: QueuedEvent[] = []
  const stage = { now: start }
  const clock = options.clock ?? { ...systemClock, now: () => stage.now }
  const redactor = createRedactor()
  const log = createLog({ write: (line) => lines.push(line), redactor, level: 'debug' }).with({ function: 'redeploy-hook' })
  const config = await functionConfig(configWith(options.settings ?? senders), webhook)
  const sources = webhook.sources(config)
  const inbox = createInbox(store, { function: 'redeploy-hook' })
  const runner = createHookRunner({
    functions: [
      {
        name: 'redeploy-hook',
        hooks: {
          inbox,
          deadLetters: createDeadLetters(store, { function: 'redeploy-hook' }),
          process: async (event) => {
            worked.push(event)
            return { kind: 'done' }
          },
          desk: (nudge) =>
            createWebhookDesk({
              function: 'redeploy-hook',
              sources,
              inbox,
              nudge,
              resolve: createResolver({ env: options.env ?? secrets }),
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
      return worked.map((event) => ({ ...event, payload: z.parse(HookEvent, event.payload) }))
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
