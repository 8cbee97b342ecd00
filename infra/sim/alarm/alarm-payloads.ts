import { type AlarmContent, type AlarmMessage, markOfContent } from './alarm-messages.ts'
import type { SimSource } from './alarm-policies.ts'
import { type SimSeries, threshold } from './alarm-scene.ts'

/** The secrets of the sources, and the one that links for agreements are signed with. */
export const alarmSecrets = {
  SIM_ALARM_TOKEN: 'token-of-the-alarms-in-the-simulation',
  SIM_APPROVAL_SECRET: 'secret of approvals in the simulation',
} as const

interface Sent {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A message as its sender's documentation has it. */
export function payloadOf({ source, contents, isForged }: AlarmMessage, series: readonly SimSeries[]): Sent {
  const secret = isForged ? 'guessed' : alarmSecrets.SIM_ALARM_TOKEN
  const [first] = contents
  const body = first === undefined ? {} : bodyOf(source, first, contents, series)
  return {
    path: source === 'tencent-monitor' ? `/hooks/alarm-scaler/${source}/${secret}` : `/hooks/alarm-scaler/${source}`,
    headers: source === 'tencent-monitor' ? {} : { authorization: `Bearer ${secret}` },
    body: JSON.stringify(body),
  }
}

function bodyOf(source: SimSource, first: AlarmContent, contents: readonly AlarmContent[], series: readonly SimSeries[]): object {
  const name = series[first.series]?.name ?? ''
  switch (source) {
    case 'alertmanager':
      return {
        version: '4',
        groupKey: `{}:{alertname="${name}"}`,
        truncatedAlerts: 0,
        status: contents.some(({ state }) => state === 'firing') ? 'firing' : 'resolved',
        receiver: 'longshore',
        groupLabels: { alertname: name },
        commonLabels: { alertname: name },
        commonAnnotations: {},
        externalURL: 'http://alerts.invalid',
        alerts: contents.map((content) => groupAlert(content, name)),
      }
    case 'cloudwatch':
      return stateChange(first, name)
    case 'tencent-monitor':
      return callback(first, name)
  }
}

function groupAlert(content: AlarmContent, name: string): object {
  const { series, state, startedMs, endedMs, value } = content
  return {
    status: state,
    labels: { alertname: name, instance: `series-${series}`, severity: 'page' },
    annotations: { value: String(value), threshold: String(threshold), summary: markOfContent(content) },
    startsAt: new Date(startedMs).toISOString(),
    endsAt: endedMs === undefined ? '0001-01-01T00:00:00Z' : new Date(endedMs).toISOString(),
    generatorURL: 'http://prometheus.invalid/graph',
    fingerprint: `f${series}`.padStart(16, '0'),
  }
}

function stateChange(content: AlarmContent, name: string): object {
  const { series, state, startedMs, endedMs, saidMs, value } = content
  const value1 = state === 'firing' ? 'ALARM' : state === 'resolved' ? 'OK' : 'INSUFFICIENT_DATA'
  const atMs = state === 'firing' ? startedMs : (endedMs ?? saidMs)
  const awsTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '+0000')
  return {
    version: '0',
    id: `event-${series}-${saidMs}`,
    'detail-type': 'CloudWatch Alarm State Change',
    source: 'aws.cloudwatch',
    account: '123456789012',
    time: new Date(atMs).toISOString(),
    region: 'us-east-1',
    resources: [`arn:aws:cloudwatch:us-east-1:123456789012:alarm:${name}-${series}`],
    detail: {
      alarmName: name,
      state: {
        value: value1,
        reason: 'as it is',
        reasonData: JSON.stringify({ version: '1.0', threshold, recentDatapoints: [value] }),
        timestamp: awsTime(atMs),
      },
      previousState:
        state === 'resolved' ? { value: 'ALARM', timestamp: awsTime(startedMs) } : { value: 'OK', timestamp: awsTime(startedMs - 1) },
      configuration: { description: markOfContent(content), metrics: [] },
    },
  }
}

/** Times of the monitor are without a zone, as clocks in Shanghai say them. */
function shanghai(ms: number): string {
  return new Date(ms + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ')
}

function callback(content: AlarmContent, name: string): object {
  const { series, state, startedMs, endedMs, saidMs, value } = content
  return {
    sessionId: `session-${series}-${saidMs}`,
    alarmStatus: state === 'firing' ? '1' : '0',
    alarmType: 'metric',
    alarmObjInfo: {
      region: 'gz',
      namespace: 'qce/tke',
      dimensions: { objId: `series-${series}`, objName: `series-${series}` },
      content: markOfContent(content),
    },
    alarmPolicyInfo: {
      policyId: `policy-${series}`,
      policyType: 'k8s_cluster2',
      policyName: name,
      conditions: {
        metricName: 'K8sClusterRateCpuCoreUsedCluster',
        metricShowName: 'CPU',
        calcType: '>',
        calcValue: String(threshold),
        calcUnit: '%',
        currentValue: String(value),
        unit: '%',
        periodNum: '1',
        alarmNotifyType: 'continuousAlarm',
      },
    },
    firstOccurTime: shanghai(startedMs),
    durationTime: Math.floor((saidMs - startedMs) / 1000),
    recoverTime: endedMs === undefined ? '0' : shanghai(endedMs),
  }
}
