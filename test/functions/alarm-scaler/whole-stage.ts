import { Agent, request } from 'node:http'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { systemClock } from '#cloud/clock.ts'
import { handler } from '#functions/alarm-scaler/handler.ts'
import { createHookRunner, type HookRunner } from '#infra/local/hook-runner.ts'
import { localHooks } from '#infra/local/local-hooks.ts'
import { startWebhookServer } from '#infra/local/webhook-server.ts'
import type { Mode } from '#shared/runtime/definition.ts'
import type { Log } from '#shared/runtime/log.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import type { NotifyPort } from '#shared/runtime/notify/notify-port.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { type RunOptions, runSchedule } from '#shared/runtime/run.ts'
import type { JournalEntry } from '#shared/safety/journal-entry.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { eventOf, secrets } from './alarm-hook-stage.ts'
import { type ClusterStage, openClusterStage, openLocalClusterStage, type SettingsInput } from './cluster-stage.ts'

const { webhook, queue, schedule } = handler.handlers

/** What a delivery says of one alarm, as Alertmanager puts it. */
export interface Said {
  readonly fingerprint: string
  readonly alert?: string
  readonly state?: 'firing' | 'resolved'
  readonly startsAt: string
  readonly endsAt?: string
  readonly value?: number
  readonly threshold?: number
  readonly labels?: Readonly<Record<string, string>>
}

/** The whole of the function: webhooks, inbox, queue and ticks, on one store and one platform, all by the stage's time. */
export interface WholeStage extends ClusterStage {
  readonly runner: HookRunner
  /** Hands a delivery to the webhook; without sockets unless the stage has some. The status of the answer. */
  deliver(body: string): Promise<number>
  /** Opens the page of a link, or presses its button. The status of the answer. */
  open(method: 'GET' | 'POST', path: string): Promise<number>
  /** What the function logs, in short. */
  readonly logged: readonly { readonly event: string; readonly code: string | undefined }[]
  tick(): Promise<RunReport>
  /** Works off the events and ticks once a minute, for so long. */
  live(ms: number): Promise<readonly RunReport[]>
  /** Entries of the journal, oldest first. */
  entries(): Promise<readonly JournalEntry[]>
}

/** The body of a webhook of Alertmanager, version 4. */
export function alertmanagerBody(said: readonly Said[], more: object = {}): string {
  const alerts = said.map(({ fingerprint, alert = 'Busy', state = 'firing', startsAt, endsAt, value, threshold = 80, labels = {} }) => ({
    status: state,
    labels: { alertname: alert, ...labels },
    annotations: value === undefined ? {} : { value: String(value), threshold: String(threshold) },
    startsAt,
    endsAt: endsAt ?? '0001-01-01T00:00:00Z',
    generatorURL: '',
    fingerprint,
  }))
  const isFiring = said.some(({ state = 'firing' }) => state === 'firing')
  return JSON.stringify({
    version: '4',
    groupKey: `{}:{series="${said[0]?.fingerprint ?? ''}"}`,
    truncatedAlerts: 0,
    status: isFiring ? 'firing' : 'resolved',
    receiver: 'longshore',
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://alertmanager.example.com',
    alerts,
    ...more,
  })
}

/** Opens it with these settings, to which a source `alerts` of Alertmanager is added. */
export async function openWholeStage(
  settings: SettingsInput,
  { sockets = false, notify, mode = 'enforce' }: { readonly sockets?: boolean; readonly notify?: NotifyPort; readonly mode?: Mode } = {},
): Promise<WholeStage> {
  const stage = sockets ? await openClusterStage() : openLocalClusterStage()
  const now = (): number => stage.now()
  const whole: SettingsInput = { ...settings, sources: { alerts: { kind: 'alertmanager', secrets: ['env:ALERTS_TOKEN'] } } }
  const optionsNow = async (): Promise<RunOptions> => {
    const options = await stage.options(whole)
    return { ...options, config: { ...options.config, mode } }
  }
  const { config, kernel } = await optionsNow()
  if (kernel === undefined) throw new Error('the stage has no kernel')
  const redactor = createRedactor()
  const logged: WholeStage['logged'][number][] = []
  const log: Log = { write: (_, event, fields) => logged.push({ event, code: fields?.code }), with: () => log }
  const hooks = await localHooks(webhook.definition, queue).open({
    config,
    cloud: stage.cloud,
    kernel,
    env: secrets,
    redactor,
    resolve: createResolver({ env: secrets }),
    clock: { ...systemClock, now },
    log,
    notify,
  })
  const runner = createHookRunner({
    functions: [{ name: 'alarm-scaler', hooks }],
    owner: 'stage',
    now,
    sleep: async () => undefined,
    signal: new AbortController().signal,
    log,
    redact: (text) => redactor.text(text),
    print: () => undefined,
  })
  const server = sockets
    ? await startWebhookServer({
        routes: runner.routes,
        port: 0,
        now,
        health: () => ({ ok: true }),
        onError: (route, error) => logged.push({ event: route, code: String(error) }),
      })
    : undefined
  const agent = new Agent({ keepAlive: true })
  const base = eventOf('base') as unknown as APIGatewayProxyEventV2
  const route = runner.routes.find(({ method, path }) => method === 'POST' && path === base.rawPath)
  const open = async (method: 'GET' | 'POST', path: string): Promise<number> => {
    const sample = eventOf(method === 'GET' ? 'approval-page' : 'approval') as unknown as APIGatewayProxyEventV2
    const page = runner.routes.find((one) => one.method === method && one.path.includes('/approve/'))
    if (page === undefined) throw new Error('there is no route for approvals')
    const http = { ...sample.requestContext.http, path }
    const requestContext = { ...sample.requestContext, http, timeEpoch: now() }
    return (await page.answer({ ...sample, rawPath: path, requestContext })).statusCode ?? 0
  }
  const deliver = async (body: string): Promise<number> => {
    if (server !== undefined) return await post(agent, `${server.url}${base.rawPath}`, base.headers, body)
    if (route === undefined) throw new Error(`there is no route ${base.rawPath}`)
    const requestContext = { ...base.requestContext, timeEpoch: now() }
    return (await route.answer({ ...base, requestContext, body })).statusCode ?? 0
  }
  const tick = async (): Promise<RunReport> =>
    await runSchedule(schedule.definition, { ...(await optionsNow()), log, ...(notify === undefined ? {} : { notify }) })
  return {
    ...stage,
    runner,
    logged,
    deliver,
    open,
    tick,
    live: async (ms) => {
      const reports: RunReport[] = []
      for (let passed = 0; passed < ms; passed += 60_000) {
        stage.wait(60_000)
        await runner.workOff()
        reports.push(await tick())
      }
      return reports
    },
    entries: async () => await kernel.of('alarm-scaler', 'reader').journal.list({ now: now(), limit: 100_000 }),
    close: async () => {
      agent.destroy()
      await server?.close()
      await stage.close()
    },
  }
}

/** What the function remembers on a stage. */
export function memoryOf({ disk, now }: Pick<WholeStage, 'disk' | 'now'>) {
  return createMemory(openMemoryStore(disk), { function: 'alarm-scaler', now })
}

function post(agent: Agent, url: string, { host: _, ...headers }: APIGatewayProxyEventV2['headers'], body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': Buffer.byteLength(body) } }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
