import { createHmac, randomBytes } from 'node:crypto'

/** Workloads that the flood could deploy to, each of a repository of its own. */
export const apps = 20
export const token = randomBytes(24).toString('base64url')
export const key = randomBytes(32)

/** One request to a webhook; its path is below the function's. */
export interface Message {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Push {
  readonly repository: string
  readonly tag: string
  readonly pushedAt: string
}

/** The push with this number: each repository has its turn, and a higher tag each time. */
export function push(index: number): Push {
  const pushedAt = new Date(Date.UTC(2026, 10, 24) + index * 1000).toISOString()
  return { repository: `team/app-${index % apps}`, tag: `1.0.${Math.floor(index / apps) + 1}`, pushedAt }
}

/** As the CNCF registry sends it. */
export function notification(index: number): Message {
  const { repository, tag, pushedAt } = push(index)
  const digest = `sha256:${createHmac('sha256', 'bench').update(String(index)).digest('hex')}`
  const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 400, digest }
  const references = Array.from({ length: 6 }, () => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', size: 98, digest }))
  const target = {
    ...descriptor,
    length: 400,
    repository,
    url: `http://registry:5000/v2/${repository}/manifests/${digest}`,
    tag,
    references,
  }
  const pushed = {
    id: `event-${index}`,
    timestamp: pushedAt,
    action: 'push',
    target,
    request: { host: 'registry:5000', method: 'PUT' },
    actor: {},
  }
  return { path: 'registry', headers: { authorization: `Bearer ${token}` }, body: JSON.stringify({ events: [pushed] }) }
}

export function signedPush(
  content: Push,
  { id = `${content.repository} ${content.tag}`.replaceAll(/[^a-z0-9]/g, '-'), by = key } = {},
): Message {
  const body = JSON.stringify(content)
  const timestamp = String(Math.floor(Date.now() / 1000))
  const signature = createHmac('sha256', by).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { path: 'ci', headers: { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }, body }
}

/** Ten alarms of one group, as Alertmanager sends them: each time with other figures. */
export function alarmGroup(index: number): Message {
  const group = index % apps
  const alerts = Array.from({ length: 10 }, (_, series) => ({
    status: 'firing',
    labels: { alertname: 'ClusterCpuHigh', cluster: 'cls-9f3kq2vd', namespace: `team-${group}`, pod: `web-${series}`, severity: 'warning' },
    annotations: { summary: 'Pods wait for cores', value: String(80 + (index % 200) / 10), threshold: '80' },
    startsAt: '2026-11-24T00:20:30.835431839Z',
    endsAt: '0001-01-01T00:00:00Z',
    generatorURL: 'http://prometheus.example.com/graph',
    fingerprint: `${group}-${series}`,
  }))
  const body = {
    version: '4',
    groupKey: `{}:{namespace="team-${group}"}`,
    truncatedAlerts: 0,
    status: 'firing',
    receiver: 'longshore',
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: { run: String(index) },
    externalURL: 'http://alertmanager.example.com:9093',
    alerts,
  }
  return { path: 'alerts', headers: { authorization: `Bearer ${token}` }, body: JSON.stringify(body) }
}

/** What a message of the flood has to be answered. */
export interface Expected {
  readonly message: Message
  readonly status: number
}

/** What nobody sent who may, and what it has to be answered. */
export function forged(kind: number, index: number): Expected {
  const evil: Push = { ...push(index), tag: `9.9.${index}` }
  switch (kind) {
    case 1:
      return { message: signedPush(evil, { by: Buffer.alloc(32, index % 256) }), status: 401 }
    case 2: {
      const message = signedPush(push(index))
      return { message: { ...message, body: message.body.replace('1.0.', '9.0.') }, status: 401 }
    }
    case 3:
      return { message: { ...notification(index), headers: { authorization: `Bearer ${token.slice(1)}` } }, status: 401 }
    case 4: {
      const message = signedPush(push(index))
      return { message: { ...message, headers: { ...message.headers, 'webhook-timestamp': '1700000000' } }, status: 401 }
    }
    default:
      return { message: { ...notification(index), path: `nobody-${index % 7}` }, status: 404 }
  }
}
