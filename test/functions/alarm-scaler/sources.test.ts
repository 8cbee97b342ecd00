import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import type { Alert } from '#functions/alarm-scaler/alert.ts'
import { HookEvent } from '#functions/alarm-scaler/hook-event.ts'
import { Sources } from '#functions/alarm-scaler/source-settings.ts'
import { contentOfRequest } from '#functions/alarm-scaler/webhook-sources.ts'
import type { PassedOver } from '#shared/runtime/webhook-definition.ts'
import { requestIn, type Sent, senders, start } from './alarm-hook-stage.ts'

const production = 'cls-9f3kq2vd'
const utc = (text: string): number => Date.parse(`2026-11-24T${text}Z`)

interface Read {
  readonly alerts: readonly Alert[]
  readonly passedOver: readonly PassedOver[]
  readonly why?: string
  readonly id?: string
  readonly group?: string
}

/** What a request comes to with these sources. */
function read(
  sent: Pick<Sent, 'path' | 'body'> & Partial<Sent>,
  { sources = senders.sources, timeZone = 'Asia/Shanghai', now = start }: { sources?: object; timeZone?: string; now?: number } = {},
): Read {
  const found = contentOfRequest({ sources: z.parse(Sources, sources), timeZone }, { headers: {}, ...sent }, now)
  if (found === undefined) throw new Error(`no source has the address ${sent.path}`)
  const { content } = found
  if (!content.ok) return { alerts: [], passedOver: [], why: content.why }
  expect(content.events.length).toBeLessThanOrEqual(1)
  const [event] = content.events
  // As it is kept, and read again.
  const payload = event === undefined ? undefined : z.parse(HookEvent, JSON.parse(JSON.stringify(event.payload)))
  return {
    alerts: payload?.kind === 'alerts' ? payload.alerts : [],
    passedOver: content.passedOver ?? [],
    ...(event === undefined ? {} : { id: event.id, group: event.group }),
  }
}

const sample = (name: string, options: Parameters<typeof read>[1] = {}): Read => read(requestIn(name), options)
const codes = ({ passedOver }: Read): readonly string[] => passedOver.map(({ code }) => code)

/** A sample event with its body changed. */
function changed(name: string, change: (body: never) => unknown): Sent {
  const sent = requestIn(name)
  const body: unknown = JSON.parse(sent.body.toString())
  const other = change(body as never)
  return { ...sent, body: Buffer.from(JSON.stringify(other ?? body)) }
}

describe('Alertmanager', () => {
  it('says since when, how bad and where, by the alert and not by the group', () => {
    const { alerts, passedOver, group } = sample('base')
    expect(alerts).toEqual([
      {
        source: 'alerts',
        kind: 'alertmanager',
        key: '79538e17cf5f12a3',
        name: 'ClusterCpuHigh',
        state: 'firing',
        startedAtMs: utc('00:20:30.835'),
        value: 93.5,
        threshold: 80,
        labels: { alertname: 'ClusterCpuHigh', cluster: production, namespace: 'shop', severity: 'warning' },
        summary: 'Pods of shop wait for cores',
      },
    ])
    expect(passedOver).toEqual([])
    expect(group).toContain('ClusterCpuHigh')
  })

  it('group status firing with one resolved alert inside: the one is over, the other fires', () => {
    expect(sample('mixed').alerts.map(({ key, state }) => [key, state])).toEqual([
      ['79538e17cf5f12a3', 'firing'],
      ['dacf45f5a5a51fa6', 'resolved'],
    ])
  })

  it('truncated alerts: what was left out is told to the log, what is there counts', () => {
    const reading = sample('truncated')
    expect(reading.alerts).toHaveLength(1)
    expect(reading.passedOver).toEqual([
      { code: 'truncated-alerts', text: expect.stringContaining('left out 3 alerts of a group'), isFault: true },
    ])
  })

  it('an alert that cannot be read does not spoil the others of its group', () => {
    const reading = read(
      changed('mixed', (body: { alerts: { startsAt?: string; status: string; labels: object }[] }) => {
        const [first] = body.alerts
        body.alerts.push({ ...structuredClone(first), status: 'pending' } as never)
        body.alerts.push({ ...structuredClone(first), startsAt: 'yesterday' } as never)
        body.alerts.push({ ...structuredClone(first), startsAt: '0001-01-01T00:00:00Z' } as never)
        body.alerts.push({ ...structuredClone(first), labels: { a: 1 } } as never)
        body.alerts.push(null as never)
      }),
    )
    expect(reading.alerts).toHaveLength(2)
    expect(codes(reading)).toEqual(Array.from({ length: 5 }, () => 'unreadable-alert'))
    expect(reading.passedOver.every(({ isFault }) => isFault)).toBe(true)
  })

  it('an alert without a fingerprint is known by its labels, in whatever order', () => {
    const labelled = (labels: object): string | undefined =>
      read(
        changed('base', (body: { alerts: { fingerprint?: string; labels: object }[] }) => {
          for (const alert of body.alerts) {
            delete alert.fingerprint
            alert.labels = labels
          }
        }),
      ).alerts[0]?.key
    expect(labelled({ alertname: 'X', a: '1', b: '2' })).toBe(labelled({ b: '2', alertname: 'X', a: '1' }))
    expect(labelled({ alertname: 'X', a: '1', b: '2' })).not.toBe(labelled({ alertname: 'X', a: '1', b: '3' }))
    expect(labelled({ alertname: 'X', a: '1b', c: '2' })).not.toBe(labelled({ alertname: 'X', a: '1', bc: '2' }))
    // However many there are, the name of a series is short.
    const long = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`label_${index}`, 'x'.repeat(50)]))
    expect(labelled(long)).toMatch(/^[0-9a-f]{40}$/)
    expect(labelled({})).toMatch(/^[0-9a-f]{40}$/)
  })

  it('figures come from the annotations, or labels, that the settings name, with or without a percent sign', () => {
    const sources = { alerts: { kind: 'alertmanager', secrets: ['env:A'], value: 'current', threshold: 'limit' } }
    const figures = (annotations: object, labels: object = {}): unknown => {
      const sent = changed('base', (body: { alerts: { annotations: object; labels: object }[] }) => {
        for (const alert of body.alerts) Object.assign(alert, { annotations, labels: { ...alert.labels, ...labels } })
      })
      const [{ value, threshold, unit } = {}] = read(sent, { sources }).alerts
      return [value, threshold, unit]
    }
    expect(figures({ current: '93.5%', limit: ' 80 %' })).toEqual([93.5, 80, '%'])
    expect(figures({ current: '1.5e3' }, { limit: '1000' })).toEqual([1500, 1000, undefined])
    expect(figures({ current: '-3' })).toEqual([-3, undefined, undefined])
    for (const text of ['', 'NaN', '+Inf', '0x10', '93.5 of 100', '1e999', '1,000', '9'.repeat(400)])
      expect(figures({ current: text }), text).toEqual([undefined, undefined, undefined])
    expect(sample('no-figures').alerts[0]).not.toHaveProperty('value')
  })

  it('who resolves one by hand gives no beginning: the end that stands in its place is none', () => {
    const ended = read(
      changed('resolved', (body: { alerts: { startsAt: string; endsAt: string }[] }) => {
        for (const alert of body.alerts) alert.startsAt = alert.endsAt
      }),
    )
    expect(ended.alerts[0]).toMatchObject({ state: 'resolved', endedAtMs: utc('00:41:30.835') })
    expect(ended.alerts[0]).not.toHaveProperty('startedAtMs')
    expect(sample('resolved').alerts[0]).toMatchObject({ startedAtMs: utc('00:20:30.835'), endedAtMs: utc('00:41:30.835') })
  })

  it('what Alertmanager 0.25 was recorded to send is read without anything left over', () => {
    interface Recording {
      readonly steps: readonly { readonly deliveries: readonly { readonly body: unknown }[] }[]
    }
    const path = new URL('../../payloads/alertmanager-webhook.json', import.meta.url)
    const recording: Recording = JSON.parse(readFileSync(path, 'utf8'))
    const deliveries = recording.steps.flatMap(({ deliveries: own }) => own)
    const readings = deliveries.map(({ body }) => read({ path: '/hooks/alarm-scaler/alerts', body: Buffer.from(JSON.stringify(body)) }))
    expect(readings.flatMap((reading) => [...codes(reading), ...(reading.why ?? [])])).toEqual([])
    expect(readings.map(({ alerts }) => alerts.map(({ state, key }) => `${state} ${key.slice(0, 4)}`).join(', '))).toEqual([
      'firing 7953',
      'firing dacf, firing 7953',
      'resolved dacf, firing 7953',
      'firing 7953',
      'resolved 7953',
      'firing 3d25',
      'firing 3d25',
      'firing 3d25',
    ])
  })
})

describe('Tencent Cloud Monitor', () => {
  it('an alarm of a metric says its cluster, figures and beginning', () => {
    const { alerts } = sample('tencent-metric')
    expect(alerts).toEqual([
      {
        source: 'monitor',
        kind: 'tencent-monitor',
        key: `policy-n4exeh88/K8sWorkloadRateCpuCoreUsedRequest/${encodeURIComponent(`${production}#shop#storefront`)}`,
        name: 'storefront-cpu',
        state: 'firing',
        startedAtMs: utc('00:20:00'),
        value: 93.5,
        threshold: 80,
        unit: '%',
        labels: {
          region: 'gz',
          productNamespace: 'qce/tke2',
          alarmType: 'metric',
          metricName: 'K8sWorkloadRateCpuCoreUsedRequest',
          policyType: 'k8s_workload2',
          policyId: 'policy-n4exeh88',
          namespace: 'shop',
          workload_kind: 'Deployment',
          workload_name: 'storefront',
          objId: `${production}#shop#storefront`,
          objName: 'production/shop/storefront',
          cluster: production,
          tke_cluster_instance_id: production,
        },
        summary: 'production/shop/storefront: CPU used of requested',
      },
    ])
  })

  it('times without zone are read in the configured one', () => {
    const startOf = (options: Parameters<typeof read>[1]): unknown => sample('tencent-metric', options).alerts[0]
    expect(startOf({ timeZone: 'UTC' })).toMatchObject({ startedAtMs: utc('08:20:00') })
    const sources = { monitor: { ...senders.sources.monitor, timeZone: 'America/New_York' } }
    expect(startOf({ sources, timeZone: 'UTC' })).toMatchObject({ startedAtMs: utc('13:20:00') })
    expect(sample('tencent-recovered').alerts[0]).toMatchObject({ startedAtMs: utc('00:20:00'), endedAtMs: utc('00:41:00') })
  })

  it('is the same series whether its state and figures come as text or as numbers, firing or over', () => {
    const names = ['tencent-metric', 'tencent-numbers', 'tencent-recovered', 'tencent-recovered-numbers']
    const all = names.map((name) => sample(name).alerts[0])
    expect(new Set(all.map((alert) => alert?.key)).size).toBe(1)
    expect(all.map((alert) => [alert?.state, alert?.value, alert?.threshold])).toEqual([
      ['firing', 93.5, 80],
      ['firing', 97.25, 80],
      ['resolved', 52, 80],
      ['resolved', 52, 80],
    ])
    expect(all.map((alert) => alert?.startedAtMs)).toEqual(Array.from({ length: 4 }, () => utc('00:20:00')))
    // "0" is not the year 1970.
    expect(all[3]).not.toHaveProperty('endedAtMs')
  })

  it('an alarm of an event has no policy id, figures or duration, and is known by the name of its policy', () => {
    const [alert] = sample('tencent-event').alerts
    expect(alert).toMatchObject({
      key: 'worker-events/guest_reboot/ins-o9p3rg3m',
      name: 'worker-events',
      startedAtMs: utc('00:20:12'),
      labels: { alarmType: 'event', eventName: 'guest_reboot', unInstanceId: 'ins-o9p3rg3m' },
    })
    expect(alert).not.toHaveProperty('value')
    // What is no plain value is no label.
    expect(alert?.labels).not.toHaveProperty('objDetail')
    const named = requestIn('tencent-event')
    const body = Buffer.from(named.body.toString().replace('"objId":', '"__proto__":"x","objId":'))
    expect(Object.keys(read({ ...named, body }).alerts[0]?.labels ?? {}).toSorted()).toEqual(Object.keys(alert?.labels ?? {}).toSorted())
    expect(sample('tencent-no-threshold').alerts[0]).not.toHaveProperty('threshold')
  })

  it('a value that is wrong when it is below its threshold says so', () => {
    const below = (calcType: string): boolean | undefined =>
      read(
        changed('tencent-metric', (body: { alarmPolicyInfo: { conditions: { calcType: string } } }) => {
          body.alarmPolicyInfo.conditions.calcType = calcType
        }),
      ).alerts[0]?.isBelow
    expect([below('<'), below('<=')]).toEqual([true, true])
    expect([below('>'), below('>='), below('=')]).toEqual([undefined, undefined, undefined])
  })

  it('two alarms of one policy on one object are two when their metrics differ, and one of two objects is two', () => {
    const keyOf = (change: (body: never) => void): string | undefined => read(changed('tencent-metric', change)).alerts[0]?.key
    const own = keyOf(() => undefined)
    const metric = keyOf((body: { alarmPolicyInfo: { conditions: { metricName: string } } }) => {
      body.alarmPolicyInfo.conditions.metricName = 'Other'
    })
    const object = keyOf((body: { alarmObjInfo: { dimensions: { objId: string } } }) => {
      body.alarmObjInfo.dimensions.objId = 'other'
    })
    expect(new Set([own, metric, object]).size).toBe(3)
    // Without an id of the object all of its dimensions are one, in whatever order.
    const dimensions = (given: object) =>
      keyOf((body: { alarmObjInfo: { dimensions: object } }) => {
        body.alarmObjInfo.dimensions = given
      })
    expect(dimensions({ a: '1', b: 2 })).toBe(dimensions({ b: '2', a: '1' }))
    expect(dimensions({ a: '1', b: 2 })).not.toBe(dimensions({ a: '1', b: 3 }))
  })

  it('what is neither firing nor over is told to the log', () => {
    const other = changed('tencent-metric', (body: { alarmStatus: string }) => {
      body.alarmStatus = '2'
    })
    expect(codes(read(other))).toEqual(['unknown-state'])
    for (const odd of ['2026-11-31 08:00:00', '1970-01-01 08:00:00', '0', '', 'yesterday']) {
      const broken = changed('tencent-metric', (body: { firstOccurTime: string }) => {
        body.firstOccurTime = odd
      })
      expect(read(broken).why, odd).toContain('firstOccurTime does not fit')
    }
  })

  it('an event of the event bus fires and ends by the time of its message; one that does neither comes to nothing', () => {
    expect(sample('tencent-bus').alerts).toEqual([
      expect.objectContaining({
        key: 'cvm%3AErrorEvent%3Aping_unreachable/ins-o9p3rg3m',
        state: 'firing',
        startedAtMs: utc('00:20:38'),
        saidAtMs: utc('00:20:38'),
        isStartUnsure: true,
        labels: expect.objectContaining({ region: 'ap-guangzhou', instanceId: 'ins-o9p3rg3m', ip: '10.0.0.13' }),
      }),
    ])
    const over = changed('tencent-bus', (body: { status: string }) => {
      body.status = '0'
    })
    expect(read(over).alerts[0]).toMatchObject({ state: 'resolved', endedAtMs: utc('00:20:38') })
    expect(codes(sample('tencent-bus-stateless'))).toEqual(['stateless-event'])
  })
})

describe('Grafana', () => {
  it('is read with the value of the query that the settings name', () => {
    expect(sample('grafana').alerts).toEqual([
      expect.objectContaining({ kind: 'grafana', key: 'c6eadffa33fcdf37', state: 'firing', startedAtMs: utc('00:20:30'), value: 93.5 }),
    ])
    expect(sample('grafana-resolved').alerts[0]).toMatchObject({ state: 'resolved', endedAtMs: utc('00:41:30'), value: 52 })
    const { refId: _, ...unnamed } = senders.sources.grafana
    const sources = { grafana: unnamed }
    expect(sample('grafana', { sources }).alerts[0]).not.toHaveProperty('value')
    const single = changed('grafana', (body: { alerts: { values: object }[] }) => {
      for (const alert of body.alerts) alert.values = { A: 12 }
    })
    expect(read(single, { sources }).alerts[0]).toMatchObject({ value: 12 })
  })

  it('"no data" is not recovery: a series that is gone, or a rule without data, says that nobody knows', () => {
    const [gone] = sample('grafana-missing-series').alerts
    expect(gone).toMatchObject({ key: 'c6eadffa33fcdf37', state: 'no-data', startedAtMs: utc('00:31:30') })
    expect(sample('grafana-no-data').alerts[0]?.state).toBe('no-data')
  })

  it('"no data" that a rule takes for firing is not firing', () => {
    for (const reason of ['NoData', 'Error', 'NoData, KeepLast']) {
      const sent = changed('grafana', (body: { alerts: { annotations: object }[] }) => {
        for (const alert of body.alerts) alert.annotations = { grafana_state_reason: reason }
      })
      const [alert] = read(sent).alerts
      expect(alert?.state, reason).toBe('no-data')
      expect(alert).not.toHaveProperty('startedAtMs')
    }
  })

  it('a try of the contact point is no alarm', () => {
    const { alerts, passedOver } = sample('grafana-test')
    expect([alerts, passedOver.map(({ code, isFault }) => [code, isFault])]).toEqual([[], [['test-message', undefined]]])
  })

  it("is not taken for Alertmanager's, nor the other way round: a custom payload is refused with what is expected", () => {
    expect(read({ ...requestIn('grafana'), path: '/hooks/alarm-scaler/alerts' }).why).toContain('version 4; version does not fit')
    expect(read({ ...requestIn('base'), path: '/hooks/alarm-scaler/grafana' }).why).toContain('version 1; version does not fit')
    const custom = { path: '/hooks/alarm-scaler/alerts', body: Buffer.from('{"text":"ClusterCpuHigh fires"}') }
    expect(read(custom).why).toBe('the body must be a webhook of Alertmanager in its own payload, version 4; version does not fit')
  })
})

describe('CloudWatch', () => {
  const arn = encodeURIComponent('arn:aws:cloudwatch:ap-southeast-1:111122223333:alarm:ClusterCpuHigh')

  it('is the same series and state as an event, as a call of a function and as a notification of SNS, wrapped or raw', () => {
    const raw = changed('cloudwatch-sns', ({ Message }: { Message: string }) => JSON.parse(Message) as unknown)
    const all = [sample('cloudwatch'), sample('cloudwatch-lambda'), sample('cloudwatch-sns'), read(raw)]
    for (const { alerts } of all) {
      expect(alerts).toHaveLength(1)
      expect(alerts[0]).toMatchObject({
        kind: 'cloudwatch',
        key: arn,
        name: 'ClusterCpuHigh',
        state: 'firing',
        startedAtMs: utc('00:21:00.512'),
        saidAtMs: utc('00:21:00.512'),
        threshold: 80,
        summary: 'Cores of production are busy',
        labels: { account: '111122223333', region: 'ap-southeast-1', cluster: production, metricName: 'node_cpu_utilization' },
      })
      expect(alerts[0]).not.toHaveProperty('isBelow')
    }
    // The notification of SNS has its figures in a sentence only, and that is not read.
    expect(all.map(({ alerts }) => alerts[0]?.value)).toEqual([93.5, 93.5, undefined, undefined])
  })

  it('INSUFFICIENT_DATA is neither firing nor recovery', () => {
    expect(sample('cloudwatch-insufficient-data').alerts[0]).toMatchObject({ state: 'no-data', startedAtMs: utc('00:31:00') })
  })

  it('OK is over since then, and says since when it had fired', () => {
    expect(sample('cloudwatch-ok').alerts[0]).toMatchObject({
      key: arn,
      state: 'resolved',
      startedAtMs: utc('00:21:00.512'),
      endedAtMs: utc('00:41:00.201'),
      value: 52,
    })
  })

  it('OK after INSUFFICIENT_DATA does not know when it had fired', () => {
    const after = changed('cloudwatch-ok', (body: { detail: { previousState: object } }) => {
      body.detail.previousState = { value: 'INSUFFICIENT_DATA', timestamp: '2026-11-24T00:31:00.000+0000' }
    })
    expect(read(after).alerts[0]).toMatchObject({ state: 'resolved', endedAtMs: utc('00:41:00.201') })
    expect(read(after).alerts[0]).not.toHaveProperty('startedAtMs')
  })

  it('an alarm whose actions are suppressed does nothing, and its end counts', () => {
    expect([sample('cloudwatch-suppressed').alerts, codes(sample('cloudwatch-suppressed'))]).toEqual([[], ['suppressed']])
    const end = changed('cloudwatch-ok', (body: { detail: { state: object } }) => {
      Object.assign(body.detail.state, { actionsSuppressedBy: 'Alarm' })
    })
    expect(read(end).alerts[0]?.state).toBe('resolved')
  })

  it('an alarm on a value that is too low is known by its comparison, or by its value', () => {
    const low = changed('cloudwatch', (body: { detail: { state: { reasonData: string } } }) => {
      body.detail.state.reasonData = JSON.stringify({ recentDatapoints: [12], threshold: 20 })
    })
    expect(read(low).alerts[0]).toMatchObject({ value: 12, threshold: 20, isBelow: true })
    const named = changed('cloudwatch-sns', (body: { Message: string }) => {
      body.Message = body.Message.replace('GreaterThanThreshold', 'LessThanOrEqualToThreshold')
    })
    expect(read(named).alerts[0]).toMatchObject({ isBelow: true })
  })

  it('a question of SNS whether messages may come is told to the log, and no address in it is called', () => {
    const { alerts, passedOver } = sample('cloudwatch-subscription')
    expect(alerts).toEqual([])
    expect(passedOver).toEqual([{ code: 'subscription', text: expect.stringContaining('yourself'), isFault: true }])
  })

  it('that an alarm was changed is no alarm', () => {
    const other = changed('cloudwatch', (body: { 'detail-type': string; detail: object }) => {
      body['detail-type'] = 'CloudWatch Alarm Configuration Change'
      body.detail = { alarmName: 'ClusterCpuHigh', operation: 'update' }
    })
    expect([read(other).alerts, codes(read(other))]).toEqual([[], ['other-event']])
  })
})

describe('a signed message', () => {
  const send = (body: unknown, headers: Record<string, string> = {}): Read =>
    read({
      path: '/hooks/alarm-scaler/ops',
      body: Buffer.from(JSON.stringify(body)),
      headers: { 'webhook-id': 'msg-1', 'webhook-timestamp': String(start / 1000), ...headers },
    })

  it('is one alarm in one state', () => {
    expect(sample('signed').alerts).toEqual([
      {
        source: 'ops',
        kind: 'signed',
        key: `queue-long/cluster/${production}/queue/orders`,
        name: 'queue-long',
        state: 'firing',
        saidAtMs: utc('00:21:38'),
        startedAtMs: utc('00:20:00'),
        value: 1200,
        threshold: 500,
        labels: { cluster: production, queue: 'orders' },
        summary: 'Orders wait',
      },
    ])
    const [over] = sample('signed-resolved').alerts
    expect(over).toMatchObject({ key: `queue-long/cluster/${production}/queue/orders`, state: 'resolved', endedAtMs: utc('00:42:38') })
  })

  it('that gives no beginning begins when it is sent, unless it goes on', () => {
    expect(send({ name: 'x', state: 'firing' }).alerts[0]).toMatchObject({ startedAtMs: start, isStartUnsure: true })
    expect(send({ name: 'x', key: 'own', state: 'no-data' }).alerts[0]).toMatchObject({ key: 'own', startedAtMs: start })
  })

  it('with a key that is not known, or a time without zone, is refused with what is expected', () => {
    for (const [body, path] of [
      [{ name: 'x', state: 'firing', labls: {} }, ''],
      [{ name: 'x', state: 'pending' }, 'state'],
      [{ name: '', state: 'firing' }, 'name'],
      [{ name: 'x', state: 'firing', startedAt: '2026-11-24 08:00:00' }, 'startedAt'],
      [{ name: 'x', state: 'resolved', endedAt: 'now' }, 'endedAt'],
    ] as const) {
      const { why } = send(body)
      expect(why).toContain('"state": "firing", "resolved" or "no-data"')
      expect(why?.endsWith(path === '' ? 'if you know them' : `; ${path} does not fit`), why).toBe(true)
    }
  })

  it('is known by its id and time: a copy is the same event, the next attempt of its sender another one', () => {
    const body = { name: 'x', state: 'firing' }
    const one = send(body)
    expect(send(body).id).toBe(one.id)
    expect(send(body, { 'webhook-id': 'msg-2' }).id).not.toBe(one.id)
    expect(send(body, { 'webhook-timestamp': String(start / 1000 + 5) }).id).not.toBe(one.id)
  })
})

describe('what is made durable', () => {
  it('is one event for the same body within a minute, and another one afterwards: it was said again', () => {
    const minute = (offsetMs: number): string | undefined => sample('base', { now: start + offsetMs }).id
    expect(minute(59_999)).toBe(minute(0))
    expect(minute(60_000)).not.toBe(minute(0))
    expect(sample('higher').id).not.toBe(minute(0))
    const sources = { ...senders.sources, other: senders.sources.alerts }
    expect(read({ ...requestIn('base'), path: '/hooks/alarm-scaler/other' }, { sources }).id).not.toBe(minute(0))
  })

  it('is worked on in order for one group of alerts, and beside the others', () => {
    expect(sample('resolved').group).toBe(sample('base').group)
    expect(sample('tencent-recovered').group).toBe(sample('tencent-metric').group)
    expect(sample('tencent-event').group).not.toBe(sample('tencent-metric').group)
    const long = changed('base', (body: { groupKey: string }) => {
      body.groupKey = `\ud800${'k'.repeat(5000)}\n`
    })
    expect(read(long).group?.length).toBeLessThanOrEqual(300)
    expect(read(long).group?.isWellFormed()).toBe(true)
  })

  it('holds labels and texts of strangers only as far as anybody could match by them', () => {
    const labels = Object.fromEntries([
      ...Array.from({ length: 300 }, (_, index) => [`l${index}`, 'v'.repeat(2000)]),
      ['__proto__', 'x'],
      ['x'.repeat(300), 'long name'],
    ])
    const sent = changed('base', (body: { alerts: { labels: object }[] }) => {
      for (const alert of body.alerts) alert.labels = { alertname: 'X', ...labels }
    })
    const [alert] = read(sent).alerts
    expect(Object.keys(alert?.labels ?? {})).toHaveLength(100)
    expect(Math.max(...Object.values(alert?.labels ?? {}).map(({ length }) => length))).toBe(500)
  })
})

const files = [
  'base',
  'tencent-metric',
  'tencent-event',
  'tencent-bus',
  'grafana',
  'cloudwatch',
  'cloudwatch-lambda',
  'cloudwatch-sns',
  'signed',
]

it('no body makes a reader throw, whatever stands where: it is an alert, nothing, or refused without being quoted', () => {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(null, '', '0', 0, -1, 1e308, [], {}, '2026-11-24 08:20:00', '\ud800', '__proto__', true),
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...files),
      fc.array(fc.tuple(fc.nat({ max: 40 }), odd), { minLength: 1, maxLength: 4 }),
      (name, changes) => {
        const sent = changed(name, (body: object) => {
          for (const [at, value] of changes) replaceAt(body, at, value)
        })
        const { why = '', alerts } = read(sent)
        expect(why).not.toContain('\ud800')
        for (const { key } of alerts) expect(key.length).toBeGreaterThan(0)
      },
    ),
    { seed: 20_261_124, numRuns: 2000 },
  )
  for (const bytes of [[], [0xff], [0x7b], [0x6e, 0x75, 0x6c, 0x6c], [0x22, 0x22], [0x5b, 0x5d], [0x31]]) {
    for (const name of files) {
      const { alerts, why, passedOver } = read({ ...requestIn(name), body: Buffer.from(bytes) })
      expect(alerts).toEqual([])
      expect(why !== undefined || passedOver.length > 0, `${name}: ${bytes.join()}`).toBe(true)
    }
  }
})

/** Puts another value in one of the places of a JSON value, counted through all of its depths. */
function replaceAt(body: object, at: number, value: unknown): void {
  const places: [Record<string, unknown>, string][] = []
  const walk = (one: unknown): void => {
    if (typeof one !== 'object' || one === null) return
    for (const [key, child] of Object.entries(one)) {
      places.push([one as Record<string, unknown>, key])
      walk(child)
    }
  }
  walk(body)
  const place = places[at % Math.max(1, places.length)]
  if (place !== undefined) place[0][place[1]] = value
}
