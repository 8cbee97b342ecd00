import { request } from 'node:http'
import * as z from 'zod/mini'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import type { Sandbox } from '#infra/sandbox/server.ts'
import { registryServer } from '#infra/sandbox/tcr/state.ts'
import { sandboxHookSecrets, sandboxKubeToken } from '#infra/sandbox/test-credentials.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { Alarm, Deed, Rush } from './day-of-life.ts'

/** Those who live on the sandbox, and what their tools send. They go through the front doors, like everybody else. */
export interface SandboxPeople {
  /** Does it, and answers one line that says what somebody did. Throws TurnedAway, or what the connection fails with. */
  do(deed: Deed): Promise<string>
  /** Lets them read a message that was sent to a bot. */
  read(message: { readonly body: string }): void
}

/** Something that a front door did not want. The message says what and why. */
export class TurnedAway extends Error {
  override readonly name = 'TurnedAway'
}

/** Makes them. Everything they know is in the sandbox, and in the messages that they are let read. */
export function createSandboxPeople(options: {
  readonly sandbox: Pick<Sandbox, 'url' | 'world' | 'clock'>
  /** Where the webhooks are served. */
  readonly hooksUrl: string
  /** What people call the clusters. */
  readonly clusterName: (clusterId: string) => string
}): SandboxPeople {
  const { sandbox, hooksUrl, clusterName } = options
  /** Paths of the links that nobody has opened yet, oldest first, by what they are of. */
  const links = new Map<string, string>()
  const opened = new Set<string>()
  /** Since when an alarm fires: its message that it is over has to say so. */
  const firing = new Map<string, number>()
  /** Numbers of the faults by the cluster that they shut. */
  const shut = new Map<string, number>()

  const control = async (path: string, command: object): Promise<unknown> =>
    JSON.parse(await send(`${sandbox.url}/_sandbox/${path}`, 'POST', JSON.stringify(command)))
  const kube = async (cluster: string, method: string, path: string, body?: object): Promise<string> => {
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const headers = { authorization: `Bearer ${sandboxKubeToken}`, 'content-type': contentType }
    return await send(`${sandbox.url}/_kubernetes/${cluster}${path}`, method, body === undefined ? '' : JSON.stringify(body), headers)
  }

  const release = async (repository: string, works: boolean): Promise<string> => {
    const tag = nextVersion(Object.keys(sandbox.world.tcr.repositories[repository]?.tags ?? {}))
    await control('push', { repo: repository, tag, ...(works ? {} : { broken: true }) })
    const digest = sandbox.world.tcr.repositories[repository]?.tags[tag]?.content.digest
    const event = {
      id: digestOf([repository, tag, digest ?? '']),
      timestamp: new Date(sandbox.clock.now()).toISOString(),
      action: 'push',
      target: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, repository, tag },
      request: { host: registryServer, method: 'PUT', useragent: 'docker/20.10.7' },
    }
    const headers = { authorization: `Bearer ${sandboxHookSecrets.SANDBOX_REGISTRY_TOKEN}`, 'content-type': eventType }
    await send(`${hooksUrl}/hooks/redeploy-hook/registry`, 'POST', JSON.stringify({ events: [event] }), headers)
    return `somebody pushed ${repository}:${tag}${works ? '' : ', which no node can pull,'} and the registry told of it`
  }

  const approve = async (of: string): Promise<string> => {
    const path = [...links.keys()].findLast((link) => links.get(link) === of)
    if (path === undefined) return `somebody looked for something to approve, and no message had a link of ${of}`
    links.delete(path)
    opened.add(path)
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    await send(`${hooksUrl}${path}`, 'POST', 'by=on+call', headers)
    return `somebody opened the link that ${of} had sent, and approved`
  }

  const rush = async ({ cluster, namespace, name, pods, cpu }: Rush): Promise<string> => {
    const image = `${registryServer}/shop/storefront:latest`
    const object = deployment({ namespace, name, image, replicas: pods, cpu, memory: '512Mi' })
    await kube(cluster, 'POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, object)
    return `somebody started ${namespace}/${name} in ${clusterName(cluster)}: ${pods} pods of ${cpu} ${cpu === '1' ? 'core' : 'cores'} each`
  }

  const rushOver = async ({ cluster, namespace, name }: Rush): Promise<string> => {
    await kube(cluster, 'DELETE', `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`)
    return `somebody ended ${namespace}/${name} in ${clusterName(cluster)}`
  }

  const alarm = async (of: Alarm, state: 'firing' | 'resolved'): Promise<string> => {
    const nowMs = sandbox.clock.now()
    const sinceMs = firing.get(of.name) ?? nowMs - 30_000
    if (state === 'firing') firing.set(of.name, sinceMs)
    else firing.delete(of.name)
    const body = alertmanagerBody(of, { state, sinceMs, nowMs })
    const headers = { authorization: `Bearer ${sandboxHookSecrets.SANDBOX_ALERTS_TOKEN}`, 'content-type': 'application/json' }
    await send(`${hooksUrl}/hooks/alarm-scaler/alerts`, 'POST', JSON.stringify(body), headers)
    const where = `${of.name} in ${clusterName(of.cluster)}`
    return state === 'firing'
      ? `Alertmanager says that ${where} fires: ${of.value} % of at most ${of.threshold} %`
      : `Alertmanager says that ${where} is over`
  }

  /** All schedules that fire more than once within an hour are those of the newcomer's first minutes. */
  const officeHours = async (cluster: string): Promise<string> => {
    const path = `/apis/autoscaling.cloud.tencent.com/v1/horizontalpodcronscalers`
    const { items } = z.parse(ScalerList, JSON.parse(await kube(cluster, 'GET', path)))
    const names: string[] = []
    for (const { metadata, spec } of items) {
      if (!spec.crons.some(({ schedule }) => isFrequent(schedule))) continue
      const crons = spec.crons.map((cron, place) =>
        isFrequent(cron.schedule) ? { ...cron, schedule: place === 0 ? officeOpens : officeCloses } : cron,
      )
      const own = `/apis/autoscaling.cloud.tencent.com/v1/namespaces/${metadata.namespace}/horizontalpodcronscalers/${metadata.name}`
      await kube(cluster, 'PATCH', own, { spec: { crons } })
      names.push(metadata.name)
    }
    return `somebody gave ${names.length} schedules in ${clusterName(cluster)} the hours of an office, 08:30 and 20:00`
  }

  return {
    do: async (deed) => {
      switch (deed.kind) {
        case 'release':
          return await release(deed.repository, deed.works)
        case 'approve':
          return await approve(deed.of)
        case 'rush':
          return await rush(deed.rush)
        case 'rush-over':
          return await rushOver(deed.rush)
        case 'alarm':
          return await alarm(deed.alarm, deed.state)
        case 'scale': {
          const { cluster, namespace, name, replicas } = deed
          await kube(cluster, 'PATCH', `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`, { spec: { replicas } })
          return `somebody set ${namespace}/${name} in ${clusterName(cluster)} to ${replicas} replicas by hand`
        }
        case 'office-hours':
          return await officeHours(deed.cluster)
        case 'lock-out': {
          const answer = await control('faults', { add: { fault: { kind: 'rbac-403' }, match: { clusterId: deed.cluster } } })
          if (typeof answer === 'object' && answer !== null && 'id' in answer && typeof answer.id === 'number')
            shut.set(deed.cluster, answer.id)
          return `somebody took away the rights in ${clusterName(deed.cluster)}`
        }
        case 'let-in': {
          const rule = shut.get(deed.cluster)
          shut.delete(deed.cluster)
          if (rule !== undefined) await control('faults', { remove: rule })
          return `somebody gave the rights in ${clusterName(deed.cluster)} back`
        }
      }
    },
    read: ({ body }) => {
      for (const [, path = '', of = ''] of body.matchAll(approvalLink)) if (!opened.has(path)) links.set(path, of)
    },
  }
}

/** Schedules of the add-on, as far as they are changed here. */
const ScalerList = z.looseObject({
  items: z.array(
    z.looseObject({
      metadata: z.looseObject({ namespace: z.string(), name: z.string() }),
      spec: z.looseObject({ crons: z.array(z.looseObject({ schedule: z.string() })) }),
    }),
  ),
})

/** In six fields, from seconds. */
const officeOpens = '0 30 8 * * *'
const officeCloses = '0 0 20 * * *'

function isFrequent(schedule: string): boolean {
  return schedule.split(' ')[1]?.includes('/') === true
}

const eventType = 'application/vnd.docker.distribution.events.v1+json'

/** A link as it stands in a message, in JSON or in Markdown. */
const approvalLink = /https?:\/\/[^/\s"\\()]+(\/hooks\/([a-z-]+)\/approve\/[^\s"\\()<>]+)/g

/** The version after the newest of tags such as `v2.4.7`; `v1.0.0` without one. */
export function nextVersion(tags: readonly string[]): string {
  const versions = tags.flatMap((tag) => {
    const [, major, minor, patch] = /^v(\d+)\.(\d+)\.(\d+)$/.exec(tag) ?? []
    return patch === undefined ? [] : [[Number(major), Number(minor), Number(patch)] as const]
  })
  const [newest] = versions.sort((one, other) => other[0] - one[0] || other[1] - one[1] || other[2] - one[2])
  if (newest === undefined) return 'v1.0.0'
  const [major, minor, patch] = newest
  // As the sandbox's past has it: ten patches make a minor version.
  return patch >= 9 ? `v${major}.${minor + 1}.0` : `v${major}.${minor}.${patch + 1}`
}

/** What Alertmanager sends, version 4 of its webhook. */
function alertmanagerBody(
  { name, cluster, namespace, value, threshold, summary }: Alarm,
  { state, sinceMs, nowMs }: { readonly state: 'firing' | 'resolved'; readonly sinceMs: number; readonly nowMs: number },
): object {
  const labels = { alertname: name, cluster }
  const alert = {
    status: state,
    labels: { ...labels, namespace, severity: 'warning' },
    annotations: { summary, value: String(value), threshold: String(threshold) },
    startsAt: new Date(sinceMs).toISOString(),
    endsAt: state === 'resolved' ? new Date(nowMs).toISOString() : '0001-01-01T00:00:00Z',
    generatorURL: '',
    fingerprint: digestOf([name, cluster]).slice(0, 16),
  }
  return {
    version: '4',
    groupKey: `{}:{alertname="${name}", cluster="${cluster}"}`,
    truncatedAlerts: 0,
    status: state,
    receiver: 'longshore',
    groupLabels: labels,
    commonLabels: labels,
    commonAnnotations: {},
    externalURL: '',
    alerts: [alert],
  }
}

/** Asks a door on this machine, and answers what it says. Throws TurnedAway with its answer when it does not want it. */
async function send(url: string, method: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  return await new Promise((resolve, reject) => {
    const asked = request(url, { method, headers: { ...headers, 'content-length': Buffer.byteLength(body) } }, (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('error', reject)
      answer.on('end', () => {
        const text = Buffer.concat(pieces).toString('utf8')
        const { statusCode = 0 } = answer
        if (statusCode >= 200 && statusCode < 300) resolve(text)
        else reject(new TurnedAway(`${method} ${new URL(url).pathname} was answered ${statusCode}: ${text.slice(0, 300)}`))
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })
}
