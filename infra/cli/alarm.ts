import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Alert } from '#functions/alarm-scaler/alert.ts'
import { definition, lookAt } from '#functions/alarm-scaler/definition.ts'
import { foldAlerts, type HeardAlert } from '#functions/alarm-scaler/episode-memory.ts'
import type { AlarmConfig, Settings } from '#functions/alarm-scaler/event.ts'
import { HookEvent } from '#functions/alarm-scaler/hook-event.ts'
import { observePools } from '#functions/alarm-scaler/observe.ts'
import { clusterOf, isFor, poolsFor } from '#functions/alarm-scaler/policy.ts'
import { contentOfRequest } from '#functions/alarm-scaler/webhook-sources.ts'
import { type Platform, sandboxPlatform } from '#infra/local/platform.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { createMemory, noMemory } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { makePlan } from '#shared/runtime/run.ts'
import { parseHttpEvent } from '#shared/runtime/webhook-event.ts'
import { type Command, UsageError } from './command.ts'
import { overlayMemory } from './overlay-memory.ts'
import { planTable } from './plan.ts'
import { readEvent } from './read-event.ts'
import { withStore } from './with-platform.ts'

export const alarm: Command = {
  summary: 'try an alarm on the alarm scaler',
  help: `Usage: longshore alarm test --event FILE [--config FILE | --sandbox] [--json]

Reads an event of a file (events/alarm-scaler/base.json: a request as API Gateway hands it over), puts its alarms to what is known,
reads the clusters and whatever else the policies ask, and says what would be done and why, or what keeps it from being done.
Credentials in the event are not looked at. Nothing is changed and nothing is remembered, whatever the mode; the alarms count as
heard now, whenever the event is from. With --sandbox on a fresh sandbox.

Exit code 0: nothing would be done. 2: something would be. 1: something went wrong.

Example: longshore alarm test --event events/alarm-scaler/base.json --sandbox`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { config: { type: 'string' }, event: { type: 'string' }, sandbox: { type: 'boolean' }, json: { type: 'boolean' } },
    })
    const [verb, ...more] = positionals
    if (verb !== 'test') throw new UsageError(verb === undefined ? 'say test' : `there is no "alarm ${verb}": say test`)
    if (more.length > 0) throw new UsageError(`test takes no further words, and there is "${more[0]}"`)
    if (values.event === undefined) throw new UsageError('give the event: --event events/alarm-scaler/base.json')
    const event = parseHttpEvent(await readEvent(resolve(io.cwd, values.event)))
    const work = async (platform: Platform, print: (line: string) => void): Promise<number> =>
      await testEvent(event, platform, values.json === true, print)
    if (values.sandbox !== true) return await withStore(io, values.config, ({ platform, print }) => work(platform, print))
    const redactor = createRedactor()
    const platform = await sandboxPlatform({ configPath: values.config, cwd: io.cwd, redactor, sandbox: {} })
    try {
      return await work(platform, (line) => io.out(redactor.text(line)))
    } finally {
      await platform.close()
    }
  },
}

type Event = ReturnType<typeof parseHttpEvent>

async function testEvent(event: Event, platform: Platform, isJson: boolean, print: (line: string) => void): Promise<number> {
  const { config, cloud, kernel, store } = platform
  const now = platform.now()
  const own = await functionConfig(config, definition)
  const { source, alerts, passedOver } = alertsOf(event, own.settings, now)
  const memory = overlayMemory(store === undefined ? noMemory : createMemory(store, { function: definition.name, now: () => now }))
  const heard = await foldAlerts(memory, alerts, now)
  const pools = poolsFor(
    heard.flatMap(({ episode }) => episode ?? []),
    own,
  )
  const around = { config, cloud, kernel, store, fetchText: cloud.fetchText, now }
  const looking = lookAt(pools)
  const { steps } = await makePlan(
    { ...looking, observe: async (reader, its, at, seen) => await observePools(reader, its, at, { ...seen, memory }, { pools }) },
    around,
  )
  const isSomething = steps.some(({ verdict }) => verdict === 'change')
  if (isJson) {
    print(
      JSON.stringify({ source, heard: heard.map(({ alert, came, episode }) => ({ alert, came, episode })), passedOver, steps }, null, 2),
    )
    return isSomething ? 2 : 0
  }
  for (const text of passedOver) print(`${source}: ${text}`)
  if (heard.length === 0) print(`${source} says nothing about any alarm. Nothing would be done.`)
  for (const one of heard) print(heardText(one, own))
  if (steps.length > 0) {
    print('')
    for (const line of planTable({ steps })) print(line)
  }
  return isSomething ? 2 : 0
}

function alertsOf(
  event: Event,
  settings: Settings,
  now: number,
): { readonly source: string; readonly alerts: readonly Alert[]; readonly passedOver: readonly string[] } {
  const found = contentOfRequest(settings, { path: event.path, body: event.body(), headers: event.headers }, now)
  if (found === undefined) {
    const names = Object.keys(settings.sources).map((name) => `/hooks/alarm-scaler/${name}`)
    throw new Error(
      `${event.path} is the address of no configured source. Addresses: ${names.join(', ') || 'none; name one under sources'}`,
    )
  }
  const { source, content } = found
  if (!content.ok) throw new Error(`${source} would be answered 400: ${content.why}`)
  const alerts = content.events.flatMap(({ payload }) => {
    const parsed = HookEvent.parse(payload)
    return parsed.kind === 'alerts' ? parsed.alerts : []
  })
  return { source, alerts, passedOver: (content.passedOver ?? []).map(({ text }) => text) }
}

const cameTexts: Readonly<Record<HeardAlert['came'], string>> = {
  opened: 'that is new',
  reopened: 'it fires again',
  raised: 'it is worse than before',
  repeated: 'that is known',
  resolved: 'that ends it',
  'resolved-unknown': 'nobody had heard that it fired',
  'no-data': 'that is neither a reason to grow nor to shrink',
  stale: 'it is known to be over: that is too late',
  'out-of-order': 'that is older than what is known',
}

/** `alerts says: ClusterCpuHigh fires, 93.5 over 80; that is new; for it: cpu (general)`. */
function heardText({ alert, came }: HeardAlert, config: AlarmConfig): string {
  const { source, name, state, value, threshold, isBelow, unit = '' } = alert
  const says = { firing: 'fires', resolved: 'is over', 'no-data': 'has no data' }[state]
  const figures =
    value === undefined
      ? ''
      : `, ${value}${unit}${threshold === undefined ? '' : ` ${isBelow === true ? 'under' : 'over'} ${threshold}${unit}`}`
  const { pools, policies } = config.settings
  const own = policies.filter((policy) => {
    const pool = pools.find((one) => one.name === policy.pool)
    return isFor(policy, alert, pool === undefined ? undefined : clusterOf(pool, config), config)
  })
  const whose = own.length === 0 ? 'no policy is for it' : `for it: ${own.map((policy) => `${policy.name} (${policy.pool})`).join(', ')}`
  return `${source} says: ${name} ${says}${figures}; ${cameTexts[came]}; ${whose}`
}
