import { ForwardRequest } from '#cloud/generated/tke/forward-request.ts'
import type { Observed } from '#functions/license-meter/plan.ts'
import type { Sample } from '#shared/licence/sample.ts'
import type { MeterDefinition, Sabotage } from '../sabotage.ts'
import { replaced, withCalls } from './other-parts.ts'
import type { PlantedBug } from './planted-bug.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** Mistakes in the license-meter, in its record, or in how it is started. */
export const licenseBugs: readonly PlantedBug[] = [
  {
    name: 'a sample under the hour of its trigger, however late that is read',
    function: 'license-meter',
    noticedBy: ['license-sample'],
    sabotage: () => observing((observed) => withSamples(observed, (sample) => ({ ...sample, hour: hourBefore(sample.hour) }))),
  },
  {
    name: 'answers of which only what is understood is kept',
    function: 'license-meter',
    noticedBy: ['license-sample'],
    sabotage: () =>
      observing((observed) => withSamples(observed, (sample) => ({ ...sample, raw: { ...sample.raw, collectAllCore: trimmed(sample) } }))),
  },
  {
    name: 'a head of the record that is written whatever is there',
    function: 'license-meter',
    noticedBy: ['license-twice'],
    sabotage: () => onPut((key, put) => (key.startsWith('head/') ? { ...put, when: 'any' } : put)),
  },
  {
    name: 'figures that are read once and used for hours',
    function: 'license-meter',
    noticedBy: ['license-truth', 'license-sample'],
    sabotage: () => {
      const kept = new Map<string, Sample>()
      return observing((observed) =>
        withSamples(observed, (sample) => {
          const old = kept.get(sample.region) ?? sample
          kept.set(sample.region, old)
          return { ...sample, raw: old.raw }
        }),
      )
    },
  },
  {
    name: 'a record that could not be written, and nobody hears of it',
    function: 'license-meter',
    noticedBy: ['license-lost'],
    sabotage: () => ({ meter: (meter) => ({ ...meter, memoryIsRecord: false }) }),
  },
  {
    name: 'an hour that only its first trigger measures',
    function: 'license-meter',
    noticedBy: ['license-gap'],
    sabotage: () => ({
      meter: (meter) => ({
        ...meter,
        observe: async (cloud, config, now, around) =>
          now % hourMs < 10 * minuteMs
            ? await meter.observe(cloud, config, now, around)
            : { regions: [], clusters: [], checks: [], isCrossChecked: false },
      }),
    }),
  },
  {
    name: 'a region that fails and hides those after it',
    function: 'license-meter',
    noticedBy: ['license-lost'],
    sabotage: () => ({
      meter: (meter) => ({
        ...meter,
        remember: async (facts, memory) => {
          const { regions } = facts.observed
          const first = regions.findIndex(({ problem }) => problem !== undefined)
          const seen = first < 0 ? regions : regions.slice(0, first + 1)
          await meter.remember?.({ ...facts, observed: { ...facts.observed, regions: seen } }, memory)
        },
      }),
    }),
  },
  {
    name: 'a gap of which nobody writes down why',
    function: 'license-meter',
    noticedBy: ['license-reason'],
    sabotage: () => ({
      meter: (meter) => ({
        ...meter,
        remember: async (facts, memory) => {
          const regions = facts.observed.regions.map(({ problem: _, ...seen }) => seen)
          await meter.remember?.({ ...facts, observed: { ...facts.observed, regions } }, memory)
        },
      }),
    }),
  },
  {
    name: 'every trigger that asks the platform anew',
    function: 'license-meter',
    noticedBy: ['license-calls'],
    sabotage: () => ({
      meter: (meter) => ({
        ...meter,
        observe: async (cloud, config, now, around) => await meter.observe(cloud, config, now, { ...around, fresh: true }),
      }),
    }),
  },
  {
    name: 'a day of the record that is begun anew with each entry',
    function: 'license-meter',
    noticedBy: ['license-chain'],
    sabotage: () =>
      onPut((key, put) => {
        if (!key.startsWith('record/')) return put
        const entries: unknown = Reflect.get(Object(Reflect.get(put.data, 'value')), 'entries')
        return { ...put, data: { value: { format: 1, entries: Array.isArray(entries) ? entries.slice(-1) : [] } } }
      }),
  },
  {
    name: 'high-water marks that are those of the last hour',
    function: 'license-meter',
    noticedBy: ['license-rollup'],
    sabotage: () =>
      onPut((key, put) => {
        if (!key.startsWith('day/')) return put
        const text = JSON.stringify(put.data).replaceAll(/"max":\["[^"]*"/g, '"max":["8"')
        const data: object = JSON.parse(text)
        return { ...put, data }
      }),
  },
  {
    name: 'what is free, by an entitlement that somebody has doubled',
    function: 'license-meter',
    noticedBy: ['license-headroom'],
    sabotage: () => ({
      meter: (meter) => ({
        ...meter,
        remember: async (facts, memory) => {
          const { settings } = facts.config
          const doubled = { ...settings, entitlements: [...settings.entitlements, ...settings.entitlements] }
          await meter.remember?.({ ...facts, config: { ...facts.config, settings: doubled } }, memory)
        },
      }),
    }),
  },
  {
    name: 'a meter that puts a mark on the clusters that it has read',
    function: 'license-meter',
    noticedBy: ['license-write'],
    sabotage: () => ({
      cloud: (cloud) =>
        withCalls(cloud, {
          read: async (plain, action, request, options) => {
            const answer = await plain.send(action, request, options)
            if (action.name === 'CollectAllCore') {
              const mark = { Method: 'PATCH', Path: '/api/v1/namespaces/default', RequestBody: '{}', ClusterName: 'cls-e0000001' }
              await plain.send(ForwardRequest, mark, options)
            }
            return answer
          },
        }),
    }),
  },
]

function observing(change: (observed: Observed) => Observed): Sabotage {
  return {
    meter: (meter: MeterDefinition): MeterDefinition => ({
      ...meter,
      observe: async (cloud, config, now, around) => change(await meter.observe(cloud, config, now, around)),
    }),
  }
}

/** The samples that were just read are others. */
function withSamples(observed: Observed, change: (sample: Sample) => Sample): Observed {
  return {
    ...observed,
    regions: observed.regions.map((seen) => (seen.isNew && seen.latest !== undefined ? { ...seen, latest: change(seen.latest) } : seen)),
  }
}

function hourBefore(hour: string): string {
  return `${new Date(Date.parse(hour) - hourMs).toISOString().slice(0, 13)}:00:00Z`
}

function trimmed({ raw }: Sample): unknown {
  const data: unknown = Reflect.get(Object(raw.collectAllCore), 'Data')
  return { Data: data, RequestId: Reflect.get(Object(raw.collectAllCore), 'RequestId') }
}

interface Put {
  readonly data: object
  readonly when: unknown
}

/** What the license-meter remembers is written in another way. */
function onPut(change: (key: string, put: Put) => Put): Sabotage {
  return {
    store: (store) =>
      replaced(store, {
        put: async (key, data, options) => {
          if (key.partition !== 'memory/license-meter') return await store.put(key, data, options)
          const put = change(decodeURIComponent(key.sort), { data, when: options.when })
          return await store.put(key, put.data, put.when === 'any' ? { ...options, when: 'any' } : options)
        },
      }),
  }
}
