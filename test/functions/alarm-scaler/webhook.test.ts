import { createHmac } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { webhook } from '#functions/alarm-scaler/webhook.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { defineWebhook } from '#shared/runtime/define-webhook.ts'
import { maxBodyBytes } from '#shared/runtime/webhook-desk.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import {
  type AlarmHookStage,
  configWith,
  eventOf,
  openAlarmHookStage,
  type Reply,
  replyOf,
  requestIn,
  type Sent,
  secrets,
  senders,
  start,
} from './alarm-hook-stage.ts'

let stage: AlarmHookStage
let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'alarm-scaler-'))
  stage = await openAlarmHookStage()
})
afterEach(async () => {
  await stage.close()
  rmSync(folder, { recursive: true })
})

/** Events that are webhooks, with what they are answered and the alerts that come of them. */
const webhooks: Readonly<Record<string, readonly [status: number, alerts: readonly string[]]>> = {
  base: [202, ['firing ClusterCpuHigh']],
  duplicate: [202, ['firing ClusterCpuHigh']],
  repeat: [202, ['firing ClusterCpuHigh']],
  late: [202, ['firing ClusterCpuHigh']],
  higher: [202, ['firing ClusterCpuHigh']],
  resolved: [202, ['resolved ClusterCpuHigh']],
  mixed: [202, ['firing ClusterCpuHigh', 'resolved ClusterCpuHigh']],
  truncated: [202, ['firing ClusterCpuHigh']],
  'no-figures': [202, ['firing ClusterCpuHigh']],
  invalid: [400, []],
  'invalid-secret': [401, []],
  'tencent-metric': [200, ['firing storefront-cpu']],
  'tencent-numbers': [200, ['firing storefront-cpu']],
  'tencent-recovered': [200, ['resolved storefront-cpu']],
  'tencent-recovered-numbers': [200, ['resolved storefront-cpu']],
  'tencent-no-threshold': [200, ['firing node-not-ready']],
  'tencent-event': [200, ['firing worker-events']],
  'tencent-bus': [200, ['firing cvm:ErrorEvent:ping_unreachable']],
  'tencent-bus-stateless': [200, []],
  'tencent-check': [200, []],
  grafana: [202, ['firing ClusterCpuHigh']],
  'grafana-resolved': [202, ['resolved ClusterCpuHigh']],
  'grafana-missing-series': [202, ['no-data ClusterCpuHigh']],
  'grafana-no-data': [202, ['no-data DatasourceNoData']],
  'grafana-test': [202, []],
  cloudwatch: [202, ['firing ClusterCpuHigh']],
  'cloudwatch-ok': [202, ['resolved ClusterCpuHigh']],
  'cloudwatch-insufficient-data': [202, ['no-data ClusterCpuHigh']],
  'cloudwatch-suppressed': [202, []],
  'cloudwatch-lambda': [202, ['firing ClusterCpuHigh']],
  'cloudwatch-sns': [202, ['firing ClusterCpuHigh']],
  'cloudwatch-subscription': [202, []],
  signed: [202, ['firing queue-long']],
  'signed-resolved': [202, ['resolved queue-long']],
  'approval-page': [200, []],
  approval: [202, ['approval of storefront']],
}
const ticks = ['tick', 'local', 'default-input', 'sweep']

/** The time at which an event came, so that what is signed with it is not too old. */
function timeOf(name: string): number {
  const event = eventOf(name) as { readonly requestContext: { readonly timeEpoch: number } }
  return event.requestContext.timeEpoch
}

async function alerts(of: AlarmHookStage = stage): Promise<string[]> {
  return (await of.worked()).flatMap(({ payload }) =>
    payload.kind === 'alerts' ? payload.alerts.map(({ state, name }) => `${state} ${name}`) : [`approval of ${payload.request.policy}`],
  )
}

const entriesOf = (text: string): { id: string; receivedAt: string }[] => JSON.parse(text).entries

describe('25: an event file', () => {
  it('is run by a test, all of them', () => {
    const files = readdirSync(new URL('../../../events/alarm-scaler/', import.meta.url)).map((file) => file.replace('.json', ''))
    expect(files.toSorted()).toEqual([...Object.keys(webhooks), ...ticks].toSorted())
  })

  it.each(Object.entries(webhooks))('%s gives the same answer and events over a socket and on Lambda', async (name, [status, expected]) => {
    stage.now = timeOf(name)
    const overSocket = await stage.send(requestIn(name))
    expect(overSocket.status, overSocket.text).toBe(status)
    expect(await alerts()).toEqual(expected)

    const compiledConfig = join(folder, 'longshore.json')
    writeFileSync(compiledConfig, JSON.stringify({ platform: { region: 'ap-guangzhou' }, functions: { 'alarm-scaler': senders } }))
    const disk = new MemoryDisk()
    const handler = defineWebhook(webhook, {
      compiledConfig,
      environment: () => secrets,
      clock: { ...systemClock, now: () => stage.now },
      writeLine: () => undefined,
      openStore: async () => openMemoryStore(disk),
      createNudge: () => undefined,
    })
    const onLambda = replyOf(await handler(eventOf(name)))
    expect(onLambda.status).toBe(status)
    expect(onLambda.text).toBe(overSocket.text)
    const other = await openAlarmHookStage({ store: openMemoryStore(disk) })
    other.now = stage.now
    expect(await other.worked()).toEqual(await stage.worked())
    await other.close()
  })
})

describe('13: a delivery', () => {
  it('that is sent again within the minute is one event and gets the first answer; the same alarm later is heard again', async () => {
    const first = await stage.send(requestIn('base'))
    stage.now += 10_000
    expect(await stage.send(requestIn('duplicate'))).toMatchObject({ status: 202, text: first.text })
    expect(entriesOf(first.text)).toHaveLength(1)
    expect(await stage.worked()).toHaveLength(1)
    stage.now += 300_000
    expect((await stage.send(requestIn('repeat'))).text).not.toBe(first.text)
    expect(await stage.worked()).toHaveLength(2)
  })

  it('is answered only once it is in a store that outlives the process', async () => {
    const path = join(folder, 'store.db')
    const durable = await openAlarmHookStage({ store: await openSqliteStore({ path }) })
    const { text } = await durable.send(requestIn('base'))
    // Nobody worked on it: the process is gone.
    await durable.close()
    const later = await openAlarmHookStage({ store: await openSqliteStore({ path }) })
    expect((await later.worked()).map(({ id }) => id)).toEqual(entriesOf(text).map(({ id }) => id))
    await later.close()
  })

  it('5xx to Alertmanager only when a retry helps', async () => {
    let isDown = true
    const before = (): void => {
      if (isDown) throw new StoreError('store.unavailable', 'locked')
    }
    const away = await openAlarmHookStage({ store: openMemoryStore(new MemoryDisk(), { before }) })
    const { path, headers, body } = requestIn('base')
    const retried: readonly Reply[] = [await away.send({ path, headers, body })]
    isDown = false
    expect(retried.map(({ status }) => status)).toEqual([503])
    expect((await away.send({ path, headers, body })).status).toBe(202)
    expect(await away.worked()).toHaveLength(1)
    await away.close()

    const mute = await openAlarmHookStage({ env: { ...secrets, ALERTS_TOKEN: '' } })
    expect((await mute.send({ path, headers, body })).status, 'a secret that is not there yet').toBe(503)
    await mute.close()

    const never: readonly [what: string, sent: Partial<Sent>, status: number][] = [
      ['no JSON', { body: Buffer.from('{"version":"4","alerts":[') }, 400],
      ['no UTF-8', { body: Buffer.from([0x22, 0xff, 0x22]) }, 400],
      ['nothing', { body: Buffer.alloc(0) }, 400],
      ['something else', { body: Buffer.from('{"version":"5","alerts":[]}') }, 400],
      ['too many alerts', { body: Buffer.from(`{"version":"4","alerts":[${'1,'.repeat(5000)}1]}`) }, 400],
      ['too large', { body: Buffer.concat([body, Buffer.alloc(maxBodyBytes, ' ')]) }, 413],
      ['somebody else', { headers: { authorization: 'Bearer somebody-else' } }, 401],
      ['nobody', { path: '/hooks/alarm-scaler/nobody' }, 404],
    ]
    for (const [what, sent, status] of never) expect((await stage.send({ path, headers, body, ...sent })).status, what).toBe(status)
    const unread = Buffer.from(JSON.stringify({ version: '4', alerts: [{ status: 'firing' }], truncatedAlerts: 2 }))
    expect((await stage.send({ path, headers, body: unread })).status, 'alerts that cannot be read').toBe(202)
    expect(await stage.worked()).toEqual([])
    // The log says why.
    expect(stage.lines.join('\n')).toContain('unreadable-alert')
    expect(stage.lines.join('\n')).toContain('truncated-alerts')
  })

  it('of as many alerts as a body may hold is taken in whole, however few letters its sender needs for them', async () => {
    const { path, headers } = requestIn('base')
    const many = Array.from({ length: 2290 }, (_, index) => ({
      status: 'firing',
      labels: { alertname: 'X' },
      startsAt: '2026-11-24T00:20:00Z',
      fingerprint: `${index}`.padStart(16, '0'),
    }))
    const body = Buffer.from(JSON.stringify({ version: '4', alerts: many }))
    expect(maxBodyBytes - body.length).toBeGreaterThan(0)
    expect(maxBodyBytes - body.length).toBeLessThan(10_000)
    const { status, text } = await stage.send({ path, headers, body })
    expect(status).toBe(202)
    expect(await alerts()).toHaveLength(2290)
    // In their order, by one worker after the other.
    const worked = await stage.worked()
    expect(entriesOf(text)).toHaveLength(worked.length)
    expect(new Set(worked.map(({ group }) => group)).size).toBe(1)
    const keys = worked.flatMap(({ payload }) => (payload.kind === 'alerts' ? payload.alerts.map(({ key }) => key) : []))
    expect(keys).toEqual(keys.toSorted())
  })
})

describe('who is not known', () => {
  it('gets one and the same 401 before the body is looked at', async () => {
    const bad = Buffer.from([0xff, 0xfe, 0x7b])
    const texts = new Set<string>()
    for (const [path, headers] of [
      ['alerts', {}],
      ['alerts', { authorization: '' }],
      ['alerts', { authorization: 'Bearer' }],
      ['alerts', { authorization: `Bearer ${secrets.GRAFANA_TOKEN}` }],
      ['alerts', { authorization: `Bearer  ${secrets.ALERTS_TOKEN}` }],
      ['alerts', { authorization: `bearer ${secrets.ALERTS_TOKEN}` }],
      ['alerts', { authorization: 'Basic ' }],
      ['monitor/wrong', {}],
      [`monitor/${secrets.MONITOR_CODE}`, {}],
      [`monitor/${secrets.MONITOR_SECRET}x`, {}],
      ['grafana', { authorization: `Bearer ${secrets.GRAFANA_TOKEN}` }],
      ['cloudwatch', { 'x-api-key': secrets.CLOUDWATCH_TOKEN }],
      ['ops', { authorization: `Bearer ${secrets.OPS_KEY}` }],
      ['approve/a.b', {}],
    ] as const) {
      const { status, text } = await stage.send({ path: `/hooks/alarm-scaler/${path}`, headers, body: bad })
      expect(status, `${path} ${JSON.stringify(headers)}`).toBe(401)
      texts.add(text)
    }
    expect(texts.size).toBe(1)
    expect(await stage.worked()).toEqual([])
  })

  it('finds no route: a source without a secret has none, whatever else is configured for it', async () => {
    const settings = {
      sources: {
        alerts: { kind: 'alertmanager' },
        monitor: { kind: 'tencent-monitor', basic: ['env:MONITOR_BASIC'], verification: 'env:MONITOR_CODE' },
        grafana: { kind: 'grafana' },
        cloudwatch: { kind: 'cloudwatch' },
        ops: { kind: 'signed' },
      },
    }
    const closed = await openAlarmHookStage({ settings })
    for (const name of ['base', 'tencent-metric', 'tencent-check', 'grafana', 'cloudwatch', 'signed', 'approval', 'approval-page'])
      expect((await closed.send(requestIn(name))).status, name).toBe(404)
    await closed.close()
  })

  it('may not take the address of the page for approvals', async () => {
    const settings = { sources: { approve: { kind: 'signed', secrets: ['env:OPS_KEY'] } } }
    await expect(functionConfig(configWith(settings), webhook)).rejects.toThrow(/approve.*is the address of the page for approvals/s)
  })
})

describe('what a sender can be given', () => {
  const basicOf = (text: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })

  it('is a token, old or new, alone or as a bearer, or a user and a password', async () => {
    const settings = { sources: { alerts: { kind: 'alertmanager', secrets: ['env:MONITOR_BASIC', 'env:ALERTS_OLD_TOKEN'] } } }
    const other = await openAlarmHookStage({ settings })
    const { path, body } = requestIn('base')
    const statusOf = async (headers: Record<string, string>): Promise<number> => (await other.send({ path, headers, body })).status
    expect(await statusOf({ authorization: `Bearer ${secrets.ALERTS_OLD_TOKEN}` })).toBe(202)
    expect(await statusOf({ authorization: secrets.ALERTS_OLD_TOKEN })).toBe(202)
    expect(await statusOf(basicOf(secrets.MONITOR_BASIC))).toBe(202)
    expect(await statusOf(basicOf('monitor:pass'))).toBe(401)
    await other.close()
  })

  it('is a header of its own, where its product has one', async () => {
    const settings = { sources: { cloudwatch: { kind: 'cloudwatch', secrets: ['env:CLOUDWATCH_TOKEN'], header: 'X-Api-Key' } } }
    const other = await openAlarmHookStage({ settings })
    const { path, body } = requestIn('cloudwatch')
    const statusOf = async (headers: Record<string, string>): Promise<number> => (await other.send({ path, headers, body })).status
    expect(await statusOf({ 'X-API-KEY': secrets.CLOUDWATCH_TOKEN })).toBe(202)
    expect(await statusOf({ authorization: `Bearer ${secrets.CLOUDWATCH_TOKEN}` })).toBe(401)
    expect(await statusOf(basicOf(secrets.CLOUDWATCH_TOKEN))).toBe(401)
    await other.close()
  })
})

describe('Tencent Cloud Monitor', () => {
  const { path, headers, body } = requestIn('tencent-metric')

  it('is answered with its session, which the private cloud takes for the sign that it was heard', async () => {
    const { status, text, headers: own } = await stage.send({ path, headers, body })
    expect([status, own['content-type'], JSON.parse(text)]).toEqual([
      200,
      'application/json',
      { sessionId: '2f6b9c0e-1d1c-4f7e-9c64-0a8d7c4f1b10', retCode: 0 },
    ])
    stage.now += 5000
    expect((await stage.send({ path, headers, body })).text).toBe(text)
    expect(await stage.worked()).toHaveLength(1)
  })

  it('gets its code when it checks the address, by GET or with an empty body, and nobody else does', async () => {
    const check = requestIn('tencent-check')
    expect(await stage.send(check)).toMatchObject({ status: 200, text: secrets.MONITOR_CODE })
    expect(await stage.send({ path, body: Buffer.alloc(0) })).toMatchObject({ status: 200, text: secrets.MONITOR_CODE })
    expect(await stage.send({ ...check, path: '/hooks/alarm-scaler/monitor/guess' })).toMatchObject({ status: 401 })
    expect(await stage.worked()).toEqual([])
    expect(stage.lines.join()).not.toContain(secrets.MONITOR_CODE)
    const { verification: _, ...monitor } = senders.sources.monitor
    const plain = await openAlarmHookStage({ settings: { sources: { monitor } } })
    expect((await plain.send(check)).status).toBe(404)
    expect(JSON.parse((await plain.send({ path, body: Buffer.alloc(0) })).text)).toEqual({ retCode: 0 })
    await plain.close()
  })

  it('may be asked for a user and a password beside the secret in its address, which may hold a colon', async () => {
    const monitor = { ...senders.sources.monitor, basic: ['env:MONITOR_BASIC'] }
    const guarded = await openAlarmHookStage({ settings: { sources: { monitor } } })
    const statusOf = async (authorization: string, at = path): Promise<number> =>
      (await guarded.send({ path: at, headers: { ...headers, authorization }, body })).status
    const basic = Buffer.from(secrets.MONITOR_BASIC).toString('base64')
    expect(await statusOf(`Basic ${basic}`)).toBe(200)
    expect(await statusOf(`basic ${basic}`)).toBe(200)
    expect(await statusOf(`Basic ${basic}`, '/hooks/alarm-scaler/monitor/wrong')).toBe(401)
    expect(await statusOf(`Basic ${Buffer.from(secrets.MONITOR_CODE).toString('base64')}`)).toBe(401)
    expect(await statusOf(`Bearer ${secrets.MONITOR_BASIC}`)).toBe(401)
    expect((await guarded.send({ path, headers, body })).status).toBe(401)
    // The secret in the address, or the code, is no password.
    expect((await guarded.send(requestIn('tencent-check'))).status).toBe(401)
    await guarded.close()
  })
})

describe('Grafana with HMAC', () => {
  const { path, body } = requestIn('grafana')
  const seconds = String(start / 1000)
  const hmac = (text: string | Buffer, key: string = secrets.GRAFANA_KEY): string => createHmac('sha256', key).update(text).digest('hex')
  const bearer = { authorization: `Bearer ${secrets.GRAFANA_TOKEN}` }
  const statusOf = async (of: AlarmHookStage, headers: Record<string, string>, content = body): Promise<number> =>
    (await of.send({ path, headers, body: content })).status

  it('needs the signature over the time and the body, and the token, where both are configured', async () => {
    const at = (time: string, signature = hmac(`${time}:${body}`)): Record<string, string> => ({
      ...bearer,
      'x-grafana-alerting-signature': signature,
      'x-grafana-alerting-timestamp': time,
    })
    expect(await statusOf(stage, at(seconds))).toBe(202)
    expect(await statusOf(stage, at(String(start)))).toBe(202)
    expect(await statusOf(stage, at(seconds, hmac(`${seconds}:${body}`).toUpperCase()))).toBe(202)
    const { authorization: _, ...unnamed } = at(seconds)
    expect(await statusOf(stage, unnamed)).toBe(401)
    expect(await statusOf(stage, at(seconds, hmac(body)))).toBe(401)
    expect(await statusOf(stage, at(seconds, hmac(`${seconds}:${body}`, 'another key')))).toBe(401)
    expect(await statusOf(stage, at(seconds), Buffer.concat([body, Buffer.from(' ')]))).toBe(401)
    // The one secret is not worth the other.
    expect(await statusOf(stage, at(seconds, hmac(`${seconds}:${body}`, secrets.GRAFANA_TOKEN)))).toBe(401)
    expect(await statusOf(stage, { ...at(seconds), authorization: `Bearer ${secrets.GRAFANA_KEY}` })).toBe(401)
    const { 'x-grafana-alerting-timestamp': _time, ...timeless } = at(seconds)
    expect(await statusOf(stage, timeless)).toBe(401)
    for (const odd of ['', '-1', '1e9', 'now', '0', '9'.repeat(20)]) expect(await statusOf(stage, at(odd)), odd).toBe(401)
  })

  it('is not taken when its time is off by more than the tolerance, so that an old message is worth nothing', async () => {
    const at = (offsetS: number): Record<string, string> => {
      const time = String(start / 1000 + offsetS)
      return { ...bearer, 'x-grafana-alerting-signature': hmac(`${time}:${body}`), 'x-grafana-alerting-timestamp': time }
    }
    for (const [offsetS, status] of [
      [-300, 202],
      [300, 202],
      [-301, 401],
      [301, 401],
    ] as const)
      expect(await statusOf(stage, at(offsetS)), `${offsetS}`).toBe(status)
  })

  it('signs the body alone where no header for a time is configured, and needs no token where none is', async () => {
    const grafana = { kind: 'grafana', hmac: { secrets: ['env:OLD_KEY', 'env:GRAFANA_KEY'], header: 'X-Signature' } }
    const other = await openAlarmHookStage({ settings: { sources: { grafana } }, env: { ...secrets, OLD_KEY: 'the key before' } })
    expect(await statusOf(other, { 'x-signature': hmac(body) })).toBe(202)
    expect(await statusOf(other, { 'x-signature': hmac(body, 'the key before') })).toBe(202)
    expect(await statusOf(other, { 'x-signature': hmac(`${seconds}:${body}`) })).toBe(401)
    expect(await statusOf(other, bearer)).toBe(401)
    await other.close()
  })
})

it('19: no secret reaches a log line, an answer or an event', async () => {
  const answers: string[] = []
  for (const name of Object.keys(webhooks)) {
    stage.now = timeOf(name)
    answers.push((await stage.send(requestIn(name))).text)
  }
  const sinks = [...stage.lines, JSON.stringify(await stage.worked())].join('\n')
  for (const [name, secret] of Object.entries(secrets)) {
    expect(sinks, name).not.toContain(secret)
    // The code is there to be shown to whoever knows the address.
    if (name !== 'MONITOR_CODE') expect(answers.join('\n'), name).not.toContain(secret)
  }
})
