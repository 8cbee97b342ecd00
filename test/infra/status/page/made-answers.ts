import type * as z from 'zod/mini'
import {
  ApprovalsView,
  DeadLettersView,
  DecisionsView,
  FunctionsView,
  JournalView,
  LeasesView,
  LicenceView,
  PlatformView,
  RegistryView,
  TimelineView,
} from '../../../../infra/status/api-schemas.ts'

/** The shape of each view's answer, by its name in the address. */
export const answerSchemas = {
  platform: PlatformView,
  functions: FunctionsView,
  decisions: DecisionsView,
  timeline: TimelineView,
  registry: RegistryView,
  licence: LicenceView,
  leases: LeasesView,
  approvals: ApprovalsView,
  'dead-letters': DeadLettersView,
  journal: JournalView,
} as const

export type AnswerName = keyof typeof answerSchemas
export type Answers = { readonly [K in AnswerName]: z.infer<(typeof answerSchemas)[K]> }

export const madeNow = Date.parse('2026-11-24T08:41:08.000Z')
const at = (minutesAgo: number): string => new Date(madeNow - minutesAgo * 60_000).toISOString()

/** What somebody might name an object to get into the page. */
export const hostile = '</script><script>document.title="owned"</script><img src=x onerror=document.title="owned">'

/** A platform in the middle of a working day: something in every view, the awkward things among it. */
export function busyAnswers(change: { readonly writable?: boolean } = {}): Answers {
  const decisions = decisionLines()
  return {
    platform: {
      now: at(0),
      mode: 'enforce',
      kind: 'sandbox',
      endpoint: 'http://127.0.0.1:8781',
      region: 'ap-guangzhou',
      speed: 600,
      version: '0.1.0',
      clusters: [
        { id: 'cls-9f3kq2vd', name: 'production' },
        { id: 'cls-2b7xw8nm', name: 'staging' },
        { id: 'cls-4hc6tz1p', name: 'batch' },
      ],
      killSwitch: { state: 'run', by: 'li.na', reason: 'release is through', since: at(2000) },
      writable: change.writable ?? false,
    },
    functions: {
      functions: [
        {
          name: 'cron-scaler',
          summary: 'Sets replicas and HPA bounds to what schedules say',
          ok: true,
          lastRun: at(0.3),
          nextRun: at(-0.7),
          counts: { Applied: 3, NoChange: 14, Skipped: 7, Held: 2, Invalid: 1, Planned: 0, Missed: 0, Failed: 0 },
          runs: 1812,
          applied: 96,
        },
        {
          name: 'image-cleaner',
          summary: 'Removes image tags that no policy keeps and nothing uses',
          ok: true,
          lastRun: at(11),
          nextRun: at(-4),
          counts: { Applied: 12, NoChange: 184, Skipped: 0, Held: 41, Invalid: 0, Planned: 0, Missed: 0, Failed: 0 },
          runs: 121,
          applied: 312,
        },
        {
          name: 'license-meter',
          summary: 'Measures the licence usage of every region, hour by hour, and says when it will be used up',
          ok: false,
          problem: 'ap-shanghai could not be read: InternalError after 3 tries',
          lastRun: at(11),
          nextRun: at(-4),
          counts: { Applied: 0, NoChange: 2, Skipped: 0, Held: 1, Invalid: 0, Planned: 0, Missed: 0, Failed: 0 },
          runs: 121,
          applied: 0,
        },
        {
          name: 'alarm-scaler',
          summary: 'Turns alarms into nodes, within limits, and takes the nodes away again when the alarms are over',
          ok: true,
          lastRun: at(0.3),
          nextRun: at(-0.7),
          counts: { Applied: 0, NoChange: 1, Skipped: 0, Held: 0, Invalid: 0, Planned: 0, Missed: 0, Failed: 0 },
          runs: 1830,
          applied: 6,
          events: { waiting: 0, deadLetters: 0 },
        },
        {
          name: 'redeploy-hook',
          summary: 'Rolls out what is pushed to a registry, watches it, and takes it back when it fails',
          ok: true,
          nextRun: at(-0.7),
          runs: 0,
          applied: 4,
          events: { waiting: 1, deadLetters: 2 },
        },
      ],
    },
    decisions: { decisions, total: 1234, next: 900 },
    timeline: timeline(),
    registry: {
      at: at(7),
      keptBytes: 412_300_000_000,
      keptTags: 1840,
      freedBytes: 96_400_000_000,
      freedTags: 312,
      repositories: [
        repository('shop/storefront', 220, 98, 64, 38, 12),
        repository('shop/catalog', 140, 61, 120, 41, 30),
        repository('pay/gateway', 96, 44, 0, 0, 4),
        repository('pay/ledger', 80, 38, 12, 3.2, 0),
        repository('data/etl-with-a-rather-long-name-of-a-repository', 410, 122, 80, 12, 18),
        repository('tools/ci', 12, 3.4, 36, 2.2, 0),
        repository('empty/one', 0, 0, 0, 0, 0),
      ],
    },
    licence: {
      products: [
        {
          product: 'tke',
          region: 'ap-guangzhou',
          metric: 'core',
          unit: 'core',
          points: Array.from({ length: 14 * 24 }, (_, hour) => ({
            at: at((14 * 24 - hour) * 60),
            value: 64 + Math.round(hour / 18 + 8 * Math.sin((hour / 24) * 2 * Math.PI)),
          })).filter((_, hour) => hour < 100 || hour > 111),
          used: 84,
          entitled: 128,
          forecast: {
            day: '2027-03-02',
            earliest: '2027-02-11',
            latest: '2027-04-06',
            text: 'at 1.3 core a day the entitlement is used up in 98 days',
          },
          gaps: 12,
        },
        {
          product: 'tcr',
          region: 'ap-guangzhou',
          metric: 'node',
          unit: 'node',
          points: [{ at: at(120), value: 9 }],
          used: 9,
          gaps: 0,
          forecast: { text: 'no forecast yet: 0 of 14 days are measured' },
        },
        { product: 'tke', region: 'ap-shanghai', metric: 'core', unit: 'core', points: [], gaps: 3 },
      ],
    },
    leases: {
      leases: [
        {
          id: 'ls-7f3a91',
          cluster: 'cls-9f3kq2vd',
          pool: 'general',
          state: 'held',
          alarm: 'alertmanager/PodsPending{cluster="production",namespace="shop"}',
          nodes: ['10.0.4.17', '10.0.4.18'],
          asked: 2,
          since: at(48),
          until: at(-72),
          text: 'two nodes for 14 pending pods; goes when the alarm has been over for 10 minutes',
        },
        {
          id: 'ls-81c2d0',
          cluster: 'cls-4hc6tz1p',
          pool: 'batch-large',
          state: 'asking',
          alarm: 'tencent/CpuHigh/policy-3kd92',
          nodes: [],
          asked: 3,
          since: at(2),
          text: 'three nodes are asked for',
        },
        {
          id: 'ls-6a0e44',
          cluster: 'cls-9f3kq2vd',
          pool: 'general',
          state: 'recovering',
          alarm: 'alertmanager/PodsPending{cluster="production",namespace="pay"}',
          nodes: ['10.0.4.12'],
          asked: 1,
          since: at(190),
          until: at(-12),
          text: 'is drained: 2 of 9 pods are left, PodDisruptionBudget pay/ledger allows none at the moment',
        },
        {
          id: 'ls-59b1c3',
          cluster: 'cls-9f3kq2vd',
          pool: 'general',
          state: 'closed',
          alarm: 'alertmanager/PodsPending{cluster="production",namespace="data"}',
          nodes: [],
          asked: 2,
          since: at(900),
          until: at(700),
          text: 'removed: all of its nodes are gone, 2 in all',
        },
      ],
    },
    approvals: {
      approvals: [
        {
          id: 'ap-1',
          function: 'redeploy-hook',
          target: 'cls-9f3kq2vd/pay/Deployment/gateway',
          text: 'pay/gateway:v2.14.0 instead of pay/gateway:v2.13.2',
          state: 'waiting',
          since: at(22),
          until: at(-218),
        },
        {
          id: 'ap-2',
          function: 'alarm-scaler',
          target: 'cls-4hc6tz1p/batch-large',
          text: '3 nodes for CpuHigh, up to 7 of at most 10',
          state: 'agreed',
          since: at(9),
        },
        {
          id: 'ap-3',
          function: 'redeploy-hook',
          target: 'cls-2b7xw8nm/shop/Deployment/cart',
          text: 'shop/cart:v9',
          state: 'expired',
          since: at(3000),
          until: at(1560),
        },
      ],
    },
    'dead-letters': {
      letters: [
        {
          id: 'evt-01JDB2M6',
          function: 'redeploy-hook',
          source: 'tcr/shop',
          receivedAt: at(420),
          givenUpAt: at(300),
          tries: 8,
          reason: 'the registry answered 500 to the manifest of shop/search:v4.0.1 eight times',
        },
        { id: 'evt-01JDB9ZZ', function: 'redeploy-hook', source: 'harbor/mirror', receivedAt: at(4000), tries: 8, reason: hostile },
      ],
    },
    journal: {
      entries: Array.from({ length: 24 }, (_, index) => ({
        sequence: 240 - index,
        at: at(index * 37 + 1),
        kind: index % 2 === 0 ? 'outcome' : 'intent',
        target: `cls-9f3kq2vd/${['pay/Deployment/gateway', 'shop/HorizontalPodAutoscaler/storefront', 'pay/StatefulSet/ledger'][index % 3]}`,
        text: index % 2 === 0 ? 'was set and read back' : 'pay/gateway-peak/up has fired at 16:40',
        before: 'replicas 3',
        after: 'replicas 6',
        ...(index % 2 === 0 ? { outcome: 'done', requestId: 'b6b8f1de-3a0c-4d43-8f4a-6d1f3c2b9a10' } : {}),
        ...(index === 5 ? { by: 'li.na' } : {}),
      })),
      next: 216,
      verification: { state: 'intact', at: at(0), entries: 240, text: '' },
    },
  }
}

/** A platform on which nothing has happened yet. */
export function emptyAnswers(): Answers {
  return {
    ...busyAnswers(),
    functions: {
      functions: [{ name: 'cron-scaler', summary: 'Sets replicas and HPA bounds to what schedules say', ok: true, runs: 0, applied: 0 }],
    },
    decisions: { decisions: [], total: 0 },
    timeline: { from: at(1440), to: at(0), replicas: [], nodes: [], events: [] },
    registry: { keptBytes: 0, keptTags: 0, freedBytes: 0, freedTags: 0, repositories: [] },
    licence: { products: [] },
    leases: { leases: [] },
    approvals: { approvals: [] },
    'dead-letters': { letters: [] },
    journal: { entries: [], verification: { state: 'unknown', at: at(0), entries: 0, text: 'there is no key to verify with' } },
  }
}

function repository(name: string, keptTags: number, keptGb: number, freedTags: number, freedGb: number, quarantinedTags: number) {
  return { repository: name, keptTags, keptBytes: keptGb * 1e9, freedTags, freedBytes: freedGb * 1e9, quarantinedTags }
}

function decisionLines(): Answers['decisions']['decisions'] {
  const kinds = [
    [
      'cron-scaler',
      'cls-9f3kq2vd/pay/Deployment/gateway',
      'Applied',
      'replicas 3',
      'replicas 6',
      'fired',
      'hpc/pay/gateway-peak/up fired at 16:40:00 +08:00',
    ],
    [
      'cron-scaler',
      'cls-9f3kq2vd/shop/HorizontalPodAutoscaler/storefront',
      'Applied',
      'min 3, max 8',
      'min 4, max 12',
      'fired',
      'hpc/shop/storefront-day/up fired at 16:40:00 +08:00',
    ],
    [
      'image-cleaner',
      'shop/catalog:v1.42.0-rc.3',
      'Held',
      'kept',
      'quarantined',
      'minimum-age',
      'was pushed 6 days ago; policy `release` takes nothing younger than 14 days',
    ],
    [
      'image-cleaner',
      'shop/catalog:v1.38.0',
      'Applied',
      'tag',
      'quarantine, 318.4 MiB',
      'unused',
      'no policy keeps it, and none of 3 clusters uses it',
    ],
    [
      'license-meter',
      'ap-guangzhou/tke-core',
      'NoChange',
      '84 of 128 core',
      '84 of 128 core',
      'measured-now',
      '2026-11-24 16:00 is measured; 12 hours of this month are not',
    ],
    [
      'cron-scaler',
      'cls-9f3kq2vd/pay/Deployment/risk',
      'Invalid',
      '',
      '',
      'rule-invalid',
      'rule "hpc/pay/risk/night" has six fields of which the last is "1-8": a week has days 0 to 7; write "0 2 8 * * 1-5"',
    ],
    [
      'redeploy-hook',
      'cls-9f3kq2vd/shop/Deployment/search',
      'Failed',
      'shop/search:v4.0.0',
      'shop/search:v4.0.1',
      'rolled-back',
      'was taken back: 2 of 4 pods were not ready after 5 minutes (CrashLoopBackOff)',
    ],
    [
      'cron-scaler',
      'cls-2b7xw8nm/shop/Deployment/catalog',
      'Skipped',
      'replicas 2',
      'replicas 5',
      'excluded',
      'excluded by "* * * 24 11 *" of hpc/shop/catalog',
    ],
    [
      'cron-scaler',
      'cls-9f3kq2vd/shop/Deployment/recommender',
      'Held',
      '',
      'replicas 3',
      'target-missing',
      'there is no Deployment shop/recommender',
    ],
    ['alarm-scaler', 'cls-9f3kq2vd/general', 'Planned', '4 nodes', '6 nodes', 'confirmed', '14 pods are pending for 3 minutes'],
    ['cron-scaler', `cls-9f3kq2vd/shop/Deployment/${hostile}`, 'Missed', 'replicas 1', 'replicas 2', 'too-late', 'was due 2 hours ago'],
  ] as const
  return Array.from({ length: 50 }, (_, index) => {
    const [name, target, outcome, before, after, code, text] = kinds[index % kinds.length] ?? kinds[0]
    const times = index % 4 === 3 ? 1 + (index % 40) * 7 : 1
    return {
      id: 1234 - index,
      at: at(index * 3.7),
      function: name,
      runId: `${name}@${at(index * 3.7)}`,
      target,
      outcome,
      before,
      after,
      reason: { code, text },
      ...(outcome === 'Applied' ? { requestId: 'b6b8f1de-3a0c-4d43-8f4a-6d1f3c2b9a10' } : {}),
      times,
      since: at(index * 3.7 + (times - 1)),
    }
  })
}

function timeline(): Answers['timeline'] {
  const instants = Array.from({ length: 96 }, (_, index) => at((96 - index) * 15))
  const wave = (index: number, low: number, high: number): number => (index % 96 > 32 && index % 96 < 80 ? high : low)
  const bounded = (index: number) => ({ min: wave(index, 3, 4), max: wave(index, 8, 12) })
  return {
    from: at(24 * 60),
    to: at(0),
    nodes: [
      {
        cluster: 'cls-9f3kq2vd',
        points: instants.map((one, index) => {
          const leased = index > 70 && index < 90 ? 2 : 0
          return { at: one, value: 6 + leased, ready: 6 + (index > 71 ? leased : 0), leased }
        }),
      },
      { cluster: 'cls-2b7xw8nm', points: instants.map((one) => ({ at: one, value: 3, ready: 3, leased: 0 })) },
      {
        cluster: 'cls-4hc6tz1p',
        points: instants.slice(40).map((one, index) => ({ at: one, value: 4 + (index % 17 > 12 ? 3 : 0), ready: 4, leased: 0 })),
      },
    ],
    replicas: [
      { target: 'cls-9f3kq2vd/pay/Deployment/gateway', points: instants.map((one, index) => ({ at: one, value: wave(index, 3, 6) })) },
      { target: 'cls-9f3kq2vd/pay/StatefulSet/ledger', points: instants.map((one, index) => ({ at: one, value: wave(index, 3, 5) })) },
      {
        target: 'cls-9f3kq2vd/shop/HorizontalPodAutoscaler/storefront',
        points: instants.map((one, index) => ({ at: one, value: wave(index, 4, 7 + (index % 5)), ...bounded(index) })),
      },
      { target: 'cls-2b7xw8nm/shop/Deployment/catalog', points: instants.map((one) => ({ at: one, value: 2 })) },
      { target: 'cls-2b7xw8nm/shop/Deployment/cart', points: instants.map((one) => ({ at: one, value: 1 })) },
    ],
    events: [
      { at: at(63 * 15), function: 'cron-scaler', target: 'cls-9f3kq2vd/pay/Deployment/gateway', text: 'replicas 3 -> replicas 6' },
      {
        at: at(63 * 15),
        function: 'cron-scaler',
        target: 'cls-9f3kq2vd/shop/HorizontalPodAutoscaler/storefront',
        text: 'min 3, max 8 -> min 4, max 12',
      },
      { at: at(25 * 15), function: 'alarm-scaler', target: 'cls-9f3kq2vd/general', text: '6 nodes -> 8 nodes' },
      { at: at(16 * 15), function: 'cron-scaler', target: 'cls-9f3kq2vd/pay/Deployment/gateway', text: 'replicas 6 -> replicas 3' },
    ],
  }
}
