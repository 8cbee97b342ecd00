import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import { advanceKubernetes } from '#infra/sandbox/kubernetes/controllers.ts'
import { createKubernetesState } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubernetesApi } from './kubernetes-transcript.ts'

/** A seeded source of numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** The sandbox's API as the checks see it. With `controllers` the clock moves a second whenever a check waits. */
export function sandboxApi(controllers: boolean): KubernetesApi {
  let now = Date.parse('2026-03-02T08:00:00Z')
  const random = seeded(1)
  const state = createKubernetesState({ version: '1.20.2', clusterId: 'cls-checks', now })
  state.rbac.deny.push({ user: 'viewer' })
  const requestAs =
    (user: string): KubernetesApi['request'] =>
    async (method, path, contentType, body, accept = 'application/json') =>
      handleKubernetes(
        state,
        { method, path, accept, ...(contentType === undefined ? {} : { contentType }), ...(body === undefined ? {} : { body }) },
        { now, random, user },
      )
  return {
    request: requestAs('admin'),
    viewer: { request: requestAs('viewer') },
    forgetLists: async () => {
      now += 10 * 60_000
    },
    settle: async () => {
      now += 1000
      if (controllers) advanceKubernetes(state, now, { imageExists: () => true, random })
    },
  }
}
