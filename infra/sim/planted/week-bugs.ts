import { type JsonObject, listAt, objectAt, parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import type { Store } from '#shared/safety/store.ts'
import type { Sabotage } from '../sabotage.ts'
import { alarmBugs } from './alarm-bugs.ts'
import { forwardedIn, rewritten, withCalls, withStore } from './other-parts.ts'
import type { PlantedBug } from './planted-bug.ts'

/** Mistakes that show only when several functions live in one world. */
export const weekBugs: readonly PlantedBug[] = [
  {
    name: 'a cleaner that sees nothing of a rollout under way',
    function: 'week',
    days: 3,
    noticedBy: ['cross-pinned'],
    sabotage: () => ({ ...blind(withoutRollouts), only: ['image-cleaner'] }),
  },
  {
    name: 'a cleaner that does not see one of the workloads',
    function: 'week',
    days: 3,
    noticedBy: ['cross-deployed'],
    sabotage: () => ({ ...blind(withoutOne), only: ['image-cleaner'] }),
  },
  {
    name: 'a rollback that puts back the size that there was as well',
    function: 'week',
    days: 3,
    noticedBy: ['hook-stray'],
    sabotage: () => ({ ...withOldSizes(), only: ['redeploy-hook'] }),
  },
  {
    name: 'nodes that are bought whatever the license-meter has found out',
    function: 'week',
    days: 3,
    noticedBy: ['alarm-licence'],
    sabotage: () => ({ ...unlicensed(), only: ['alarm-scaler'] }),
  },
  {
    name: 'a kill switch that stops one function only',
    function: 'week',
    days: 3,
    noticedBy: ['switch-ignored'],
    sabotage: () => ({ ...withStore(withoutSwitch), only: ['redeploy-hook', 'alarm-scaler', 'image-cleaner'] }),
  },
]

/** Reads the kill switch like everybody, and takes it for one that nobody has ever set. */
function withoutSwitch(store: Store): Partial<Store> {
  return {
    get: async (key, options) => {
      const item = await store.get(key, options)
      return key.partition === 'guard/kill-switch' ? undefined : item
    },
  }
}

/** The same mistake as in worlds of the alarm-scaler alone, where somebody has measured before. */
function unlicensed(): Sabotage {
  const bug = alarmBugs.find(({ name }) => name === 'a licence that nobody asks about')
  if (bug === undefined) throw new Error('The planted bugs of the alarm-scaler have lost the one that asks about no licence.')
  return bug.sabotage()
}

/** What a cluster lists in another form, and nothing of what the redeploy-hook says that it is about to do. */
function blind(seenAs: (item: JsonObject) => JsonObject | undefined): Sabotage {
  return {
    cloud: (cloud) =>
      withCalls(cloud, {
        read: async (inner, action, request, options) => {
          const answer = await inner.send(action, request, options)
          return forwardedIn(request) === undefined ? answer : rewritten(answer, 'ResponseBody', (body) => listed(body, seenAs))
        },
      }),
    store: (store) => ({
      ...store,
      get: async (key, options) => (key.partition === hookMemory ? undefined : await store.get(key, options)),
      query: async (query) => {
        const page = await store.query(query)
        return query.partition === hookMemory ? { ...page, items: [] } : page
      },
    }),
  }
}

const hookMemory = 'memory/redeploy-hook'

function listed(body: string, seenAs: (item: JsonObject) => JsonObject | undefined): string {
  const list = objectAt(parseJson(body))
  const items = listAt(list, 'items')
  if (list === undefined || items.length === 0) return body
  const seen = items.flatMap((item) => {
    const object = objectAt(item)
    return (object === undefined ? undefined : seenAs(object)) ?? []
  })
  return JSON.stringify({ ...list, items: seen })
}

/** A workload without what the redeploy-hook has written on it; nothing of what it was before. */
function withoutRollouts(item: JsonObject): JsonObject | undefined {
  const isPod = listAt(item, 'spec', 'containers').length > 0
  const isPast = listAt(item, 'metadata', 'ownerReferences').some((owner) => workloadKinds.has(stringAt(owner, 'kind') ?? '')) && !isPod
  if (isPast) return undefined
  const metadata = objectAt(item, 'metadata') ?? {}
  const { 'longshore.dev/redeploy-hook': _, ...annotations } = objectAt(metadata, 'annotations') ?? {}
  return { ...item, metadata: { ...metadata, annotations } }
}

const workloadKinds: ReadonlySet<string> = new Set(['Deployment', 'StatefulSet', 'DaemonSet'])

/** Everything but one workload and what it has made. */
function withoutOne(item: JsonObject): JsonObject | undefined {
  const name = stringAt(item, 'metadata', 'name') ?? ''
  return name === 'r0-w0' || name.startsWith('r0-w0-') ? undefined : item
}

/** A rollback whose patch has a size in it, as if the whole object of that time were put back. */
function withOldSizes(): Sabotage {
  return {
    cloud: (cloud) =>
      withCalls(cloud, {
        write: async (inner, action, request, options) => {
          const forwarded = forwardedIn(request)
          const isPatch = forwarded?.method === 'PATCH' && /\/(?:deployments|statefulsets)\//.test(forwarded.path)
          const changed = isPatch ? rewritten(request, 'RequestBody', withOldSize) : request
          return await inner.send(action, changed, options)
        },
      }),
  }
}

function withOldSize(body: string): string {
  if (!body.startsWith('[') || !/\\"state\\":\\"failed\\"/.test(body)) return body
  return body.replace(/\]$/, ',{"op":"add","path":"/spec/replicas","value":7}]')
}
