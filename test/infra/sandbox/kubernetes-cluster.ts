import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import type { ControllerHooks } from '#infra/sandbox/kubernetes/controllers.ts'
import { advanceKubernetes } from '#infra/sandbox/kubernetes/controllers.ts'
import type { Json, JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { isJsonObject, listAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { addNode } from '#infra/sandbox/kubernetes/nodes.ts'
import { createKubernetesState, listObjects } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubernetesState } from '#infra/sandbox/kubernetes/state.ts'
import { seeded } from '../../contract/kubernetes-sandbox.ts'

export const startMs = Date.parse('2026-03-02T08:00:00Z')
export const merge = 'application/merge-patch+json'
export const json = 'application/json-patch+json'
export const strategic = 'application/strategic-merge-patch+json'

/** A cluster of the sandbox with a clock that tests move. */
export class TestCluster {
  readonly state: KubernetesState
  readonly random: () => number
  /** Images that cannot be pulled. */
  readonly missing = new Set<string>()
  now = startMs

  constructor(version = '1.20.6', seed = 1) {
    this.state = createKubernetesState({ version, clusterId: 'cls-test', now: startMs })
    this.random = seeded(seed)
  }

  get hooks(): ControllerHooks {
    return { imageExists: (reference) => !this.missing.has(reference), random: this.random }
  }

  /** Nodes `node-0`, `node-1`, … of four cores and 8 GiB. */
  addNodes(count: number, cpu = 4): this {
    for (let index = 0; index < count; index += 1) {
      addNode(
        this.state,
        { name: `node-${index}`, internalIp: `10.0.0.${index + 1}`, cpu, memoryBytes: 8 * 2 ** 30, maxPods: 60, ready: true },
        this.now,
      )
    }
    return this
  }

  /** Lets seconds pass. */
  pass(seconds: number): this {
    this.now += seconds * 1000
    advanceKubernetes(this.state, this.now, this.hooks)
    return this
  }

  request(
    method: string,
    path: string,
    body?: Json | string,
    contentType?: string,
    user?: string,
  ): { status: number; body: JsonObject; text: string } {
    advanceKubernetes(this.state, this.now, this.hooks)
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    const answer = handleKubernetes(
      this.state,
      { method, path, ...(text === undefined ? {} : { body: text }), ...(contentType === undefined ? {} : { contentType }) },
      { now: this.now, random: this.random, ...(user === undefined ? {} : { user }) },
    )
    const parsed: Json = answer.contentType === 'application/json' ? JSON.parse(answer.body) : null
    return { status: answer.status, body: isJsonObject(parsed) ? parsed : {}, text: answer.body }
  }

  /** A request that must succeed. */
  must(method: string, path: string, body?: Json | string, contentType?: string): JsonObject {
    const answer = this.request(method, path, body, contentType)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.body
  }

  /** The pods, as `name node phase`, with a mark for those that are ready or ending. */
  pods(namespace = 'default'): string[] {
    return listObjects(this.state, '', 'pods', namespace).map((pod) => {
      const ready = listAt(pod, 'status', 'conditions').some(
        (each) => stringAt(each, 'type') === 'Ready' && stringAt(each, 'status') === 'True',
      )
      const phase = pod.metadata.deletionTimestamp === undefined ? (stringAt(pod, 'status', 'phase') ?? '') : 'Ending'
      return `${pod.metadata.name} ${stringAt(pod, 'spec', 'nodeName') ?? '-'} ${phase}${ready ? ' ready' : ''}`
    })
  }

  /** Why containers wait, by pod. */
  waiting(namespace = 'default'): string[] {
    return listObjects(this.state, '', 'pods', namespace).flatMap((pod) =>
      listAt(pod, 'status', 'containerStatuses').map((status) => stringAt(status, 'state', 'waiting', 'reason') ?? 'none'),
    )
  }

  events(): string[] {
    return listObjects(this.state, '', 'events').map((event) => `${stringAt(event, 'reason')}: ${stringAt(event, 'message')}`)
  }
}

export const deployments = '/apis/apps/v1/namespaces/default/deployments'

export function container(extra: JsonObject = {}): JsonObject {
  return { name: 'web', image: 'shop/web:v1', ...extra }
}

export function deployment(
  name: string,
  replicas: number,
  extra: { readonly spec?: JsonObject; readonly pod?: JsonObject; readonly annotations?: JsonObject } = {},
): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name }, ...(extra.annotations === undefined ? {} : { annotations: extra.annotations }) },
        spec: { containers: [container({ resources: { requests: { cpu: '500m', memory: '256Mi' } } })], ...extra.pod },
      },
      ...extra.spec,
    },
  }
}
