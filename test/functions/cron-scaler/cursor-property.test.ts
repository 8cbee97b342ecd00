import fc from 'fast-check'
import { expect, test } from 'vitest'
import type * as z from 'zod/mini'
import type { CloudWriter } from '#cloud/cloud.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { recordAnnotation } from '#functions/cron-scaler/record.ts'
import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import { getObject, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubernetesState } from '#infra/sandbox/kubernetes/state.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld } from '#infra/sandbox/seeds/empty.ts'
import { deployment, scaler, scalerDefinition } from '#infra/sandbox/seeds/kube-objects.ts'
import type { Config } from '#shared/runtime/config.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { MemoryDisk } from '#shared/safety/store-memory.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'
import { ruleOf } from './fixtures.ts'
import { clusterA, hpcGroup } from './stage.ts'

const start = Date.parse('2026-11-24T08:00:00Z')
const minuteMs = 60_000
const names = ['web', 'api'] as const
type Name = (typeof names)[number]

/** What a person does to a target, and when. */
interface Deed {
  readonly minute: number
  readonly name: Name
  readonly kind: 'scale' | 'hold' | 'recreate' | 'forget' | 'opt-out'
  readonly size: number
}

/** What becomes of the tick of a minute. */
type Fate = 'punctual' | 'late' | 'lost' | 'twice'

interface Story {
  readonly rules: readonly {
    readonly name: Name
    readonly minutes: string
    readonly second: string
    readonly size: number
    readonly source: 'hpc' | 'config'
    readonly deadline: string
    readonly spread: string
    readonly excluded: boolean
  }[]
  readonly override: { readonly name: Name; readonly from: number; readonly length: number; readonly size: number } | undefined
  readonly deeds: readonly Deed[]
  readonly fates: readonly Fate[]
}

/** Two deployments in a cluster without sockets, and everything that was asked of it. */
function stageOf(story: Story) {
  const world = createEmptyWorld(start - 86_400_000, 1)
  const state = world.kubernetes[clusterA] as KubernetesState
  const random = createRandom(7)
  const time = { now: start }
  const put = (name: Name, size: number): void => {
    putObject(state, deployment({ namespace: 'default', name, image: 'registry.example/web:1', replicas: size }), time.now)
  }
  for (const name of names) put(name, 1)
  putObject(state, scalerDefinition(hpcGroup), start - 3_600_000)
  for (const [index, rule] of story.rules.entries()) {
    if (rule.source !== 'hpc') continue
    const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: rule.name }
    const crons = [
      {
        name: `cron-${index}`,
        schedule: `${rule.second} ${rule.minutes} * * * *`,
        targetSize: rule.size,
        ...(rule.excluded ? { excludeDates: ['* * * 24 11 *'] } : {}),
      },
    ]
    putObject(state, scaler({ group: hpcGroup, namespace: 'default', name: `hpc-${index}`, target, crons }), start - 3_600_000)
  }
  let reads = 0
  let lists = 0
  const cloud: CloudWriter = {
    send: (async (_: unknown, request: Record<string, string | undefined>) => {
      const { Method = 'GET', Path = '', Accept: accept, ContentType: contentType, RequestBody: body } = request
      if (Method === 'GET' && Path.includes('horizontalpodcronscalers')) lists += 1
      else if (Method === 'GET') reads += 1
      const forwarded = {
        method: Method,
        path: Path,
        ...(accept === undefined ? {} : { accept }),
        ...(contentType === undefined ? {} : { contentType }),
      }
      const answer = handleKubernetes(
        state,
        { ...forwarded, ...(body === undefined ? {} : { body }) },
        { now: time.now, random, user: 'longshore' },
      )
      return { ResponseBody: answer.body, RequestId: 'r' }
    }) as unknown as CloudWriter['send'],
  }
  const patch = (name: Name, body: object): void => {
    const path = `/apis/apps/v1/namespaces/default/deployments/${name}`
    const request = { method: 'PATCH', path, contentType: 'application/merge-patch+json', body: JSON.stringify(body) }
    handleKubernetes(state, request, { now: time.now, random, user: 'somebody' })
  }
  const act = ({ name, kind, size }: Deed): void => {
    const annotate = (annotation: string, value: string | null): void => patch(name, { metadata: { annotations: { [annotation]: value } } })
    switch (kind) {
      case 'scale':
        patch(name, { spec: { replicas: size } })
        break
      case 'hold':
        annotate('longshore.dev/hold-until', new Date(time.now + (size + 1) * 2 * minuteMs).toISOString().replace('.000Z', 'Z'))
        patch(name, { spec: { replicas: size } })
        break
      case 'recreate':
        removeObject(state, 'apps', 'deployments', name, 'default')
        put(name, size)
        break
      case 'forget':
        annotate(recordAnnotation, null)
        break
      case 'opt-out':
        annotate('longshore.dev/opt-out', size % 2 === 0 ? 'true' : null)
        break
    }
  }
  const shown = () =>
    names.map((name) => {
      const object = getObject(state, 'apps', 'deployments', name, 'default')
      return `${name} ${String((object?.spec as { replicas?: number } | undefined)?.replicas)}`
    })
  return { cloud, act, shown, time, counts: () => ({ reads, lists }) }
}

function configOf(story: Story, lookEvery: string): Config {
  const settings: z.input<typeof Settings> = {
    timeZone: 'UTC',
    lookEvery,
    lookBack: '3h',
    startingDeadline: '20m',
    rules: story.rules.flatMap((rule, index) =>
      rule.source === 'hpc'
        ? []
        : [
            ruleOf(`rule-${index}`, `${rule.second} ${rule.minutes} * * * *`, rule.size, {
              cluster: clusterA,
              target: { kind: 'Deployment', name: rule.name },
              startingDeadline: rule.deadline,
              spread: rule.spread,
              ...(rule.excluded ? { excludeDates: ['2026-11-24'] } : {}),
            }),
          ],
    ),
    overrides:
      story.override === undefined
        ? []
        : [
            {
              name: 'override',
              cluster: clusterA,
              target: { kind: 'Deployment', name: story.override.name },
              targetSize: story.override.size,
              from: instant(story.override.from),
              until: instant(story.override.from + story.override.length),
              reason: 'to see',
            },
          ],
  }
  return {
    mode: 'enforce',
    platform: {
      endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
      region: 'ap-guangzhou',
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [{ id: clusterA }],
    store: { kind: 'memory' },
    functions: { 'cron-scaler': settings },
  }
}

function instant(minute: number): string {
  return new Date(start + minute * minuteMs + 17_000).toISOString().replace('.000Z', 'Z')
}

/** So long after a deed both have seen it. */
const seenAfterMinutes = 6

/**
 * Lives through a story, and answers what is there after each minute: with `lookEvery` when nobody has done anything for a while;
 * without, of each target of which a rule has fired since somebody did something to it.
 */
async function live(story: Story, { fresh, lookEvery }: { readonly fresh: boolean; readonly lookEvery: string }) {
  const stage = stageOf(story)
  const config = configOf(story, lookEvery)
  const kernel = await memoryKernel({ config, cloud: stage.cloud, now: () => stage.time.now, disk: new MemoryDisk() })
  let runs = 0
  let quiet = 0
  const shown: string[] = []
  const run = async (scheduledAt: number, delayMs: number): Promise<void> => {
    stage.time.now = Math.max(stage.time.now, scheduledAt + delayMs)
    runs += 1
    const report = await runSchedule(definition, {
      config,
      cloud: stage.cloud,
      kernel,
      owner: `run-${runs}`,
      now: stage.time.now,
      scheduledAt,
      trigger: { kind: 'local' },
      log: silentLog,
      fresh,
      waitClock: {
        now: () => stage.time.now,
        sleep: (ms) => {
          stage.time.now += ms
          return Promise.resolve()
        },
      },
    })
    expect(report.failure).toBeUndefined()
    if (report.decisions.some(({ reason }) => reason.code === 'nothing-due')) quiet += 1
  }
  for (const [minute, fate] of story.fates.entries()) {
    const scheduledAt = start + minute * minuteMs
    stage.time.now = Math.max(stage.time.now, scheduledAt)
    for (const deed of story.deeds) if (deed.minute === minute) stage.act(deed)
    if (fate !== 'lost') await run(scheduledAt, fate === 'late' ? 40_000 : 1_000)
    if (fate === 'twice') await run(scheduledAt, 2_000)
    const isCalm = !story.deeds.some((deed) => minute >= deed.minute && minute - deed.minute < seenAfterMinutes)
    if (lookEvery === '0s')
      shown.push(
        `${minute}: ${stage
          .shown()
          .filter((_, index) => hasFiredSince(story, names[index], minute))
          .join(', ')}`,
      )
    else if (isCalm) shown.push(`${minute}: ${stage.shown().join(', ')}`)
  }
  return { shown, quiet, ...stage.counts() }
}

/** A lost tick and the longest wait for a turn. */
const doneAfterMinutes = 8

/** Whether a rule of a target has fired, and had the time to be carried out, since somebody did something to it. */
function hasFiredSince({ deeds, rules }: Story, name: Name | undefined, minute: number): boolean {
  const last = deeds.findLast((deed) => deed.name === name && deed.minute <= minute)
  if (last === undefined) return true
  return rules.some((rule) => {
    if (rule.name !== name || rule.excluded) return false
    return rule.minutes.split(',').some((text) => {
      const firings = [Number(text), Number(text) + 60]
      return firings.some((firing) => firing > last.minute && firing + doneAfterMinutes <= minute)
    })
  })
}

const length = 75

/** Rules whose targets somebody touches at most once in ten minutes: what two people do to one size at once has no right order. */
const story: fc.Arbitrary<Story> = fc
  .record({
    rules: fc.array(
      fc.record({
        name: fc.constantFrom(...names),
        minutes: fc.constantFrom('5', '12,50', '30', '40', '3', '0'),
        second: fc.constantFrom('0', '0', '20', '55'),
        size: fc.integer({ min: 0, max: 6 }),
        source: fc.constantFrom('hpc' as const, 'config' as const),
        deadline: fc.constantFrom('8m', '20m', '30m'),
        spread: fc.constantFrom('0s', '0s', '50s', '4m'),
        excluded: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    override: fc.option(
      fc.record({
        name: fc.constantFrom(...names),
        from: fc.integer({ min: 0, max: 40 }),
        length: fc.integer({ min: 1, max: 30 }),
        size: fc.integer({ min: 0, max: 6 }),
      }),
      { nil: undefined },
    ),
    deeds: fc.array(
      fc.record({
        minute: fc.integer({ min: 1, max: 5 }),
        name: fc.constantFrom(...names),
        kind: fc.constantFrom('scale' as const, 'hold' as const, 'recreate' as const, 'forget' as const, 'opt-out' as const),
        size: fc.integer({ min: 0, max: 6 }),
      }),
      { maxLength: 5 },
    ),
    fates: fc.array(fc.constantFrom<Fate>('punctual', 'punctual', 'punctual', 'late', 'lost', 'twice'), {
      minLength: length,
      maxLength: length,
    }),
  })
  .map(({ deeds, fates, ...rest }) => ({
    ...rest,
    deeds: deeds.map((deed, index) => ({ ...deed, minute: index * 12 + deed.minute })),
    // The end is punctual, so that both have come to rest.
    fates: fates.map((fate, minute) => (minute > length - 8 || fate === fates[minute - 1] ? 'punctual' : fate)),
  }))

/** Lives through many stories, with and without what earlier runs have left. */
async function compare(lookEvery: string) {
  const total = { quiet: 0, reads: 0, readsWithout: 0, compared: 0 }
  await fc.assert(
    fc.asyncProperty(story, async (told) => {
      const withCursor = await live(told, { fresh: false, lookEvery })
      const without = await live(told, { fresh: true, lookEvery })
      expect(withCursor.shown).toEqual(without.shown)
      expect(without.quiet).toBe(0)
      total.quiet += withCursor.quiet
      total.reads += withCursor.reads
      total.readsWithout += without.reads
      total.compared += withCursor.shown.flatMap((line) => line.split(': ')[1]?.split(', ') ?? []).filter((text) => text !== '').length
    }),
    { seed: 4, numRuns: 25 },
  )
  return total
}

test('with a cursor and lookEvery everything ends as without a cursor, and less is read', { timeout: 60_000 }, async () => {
  const { quiet, reads, readsWithout } = await compare('5m')
  expect(quiet).toBeGreaterThan(200)
  expect(reads).toBeLessThan(readsWithout * 0.7)
})

test('without lookEvery everything is as without a cursor from the next firing on, and little is read', { timeout: 60_000 }, async () => {
  const { quiet, reads, readsWithout, compared } = await compare('0s')
  expect(quiet).toBeGreaterThan(400)
  expect(reads).toBeLessThan(readsWithout * 0.45)
  expect(compared).toBeGreaterThan(1500)
})
