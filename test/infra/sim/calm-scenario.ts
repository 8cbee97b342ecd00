import type { ImageScene } from '#infra/sim/images/image-scene.ts'
import { quietMinutes, type Scenario, type SimFunction } from '#infra/sim/scenario.ts'

const minuteMs = 60_000

/** A world in which nothing goes wrong by itself: two machines with right clocks, two targets, one tick, and the last ones. */
export function calmScenario(of: Exclude<SimFunction, 'image-cleaner'>): Scenario {
  const startMs = Date.UTC(2026, 2, 2, 8, 0)
  const quietMs = startMs + 20 * minuteMs
  const cluster = 'cls-e0000001'
  const rule = { source: 'config', zone: 'UTC', seconds: [0], enforce: false, excludes: [], runOnce: false, spreadMs: 0 } as const
  return {
    seed: 1,
    function: of,
    startMs,
    quietMs,
    mode: 'enforce',
    clusterIds: [cluster],
    targets:
      of === 'cron-scaler'
        ? [
            { cluster, kind: 'Deployment', name: 't0', size: { replicas: 1 } },
            { cluster, kind: 'HorizontalPodAutoscaler', name: 't1', size: { min: 1, max: 2 } },
          ]
        : [{ cluster, kind: 'Ledger', name: 'probe-0', size: { replicas: 0 } }],
    rules:
      of === 'cron-scaler'
        ? [
            { ...rule, name: 'r0', target: 0, minutes: [0], size: { replicas: 3 } },
            { ...rule, name: 'r0', target: 1, minutes: [0], size: { min: 2, max: 4 } },
          ]
        : [],
    calendars: [],
    overrides: [],
    startingDeadlineMs: 12 * 60 * minuteMs,
    lookBackMs: 8 * 24 * 60 * minuteMs,
    maxCorrections: 3,
    hasJournalKey: false,
    guard: { caps: [], freeze: [], overrides: [], protect: [], killSwitch: 'store' },
    machines: [
      { name: 'p1', skewMs: 0 },
      { name: 'p2', skewMs: 0 },
    ],
    clocksApartMs: 0,
    deliveries: [
      { atMs: startMs, scheduledAt: startMs, machine: 0 },
      ...quietMinutes.map((minutes) => ({ atMs: quietMs + minutes * minuteMs, scheduledAt: quietMs + minutes * minuteMs, machine: 1 })),
    ],
    lastTickMs: quietMs + (quietMinutes.at(-1) ?? 0) * minuteMs,
    jumps: [],
    storms: [],
    people: [],
    rivalChance: 0,
    switchings: [],
    latency: { cloudMs: 20, storeMs: 5, tail: 0 },
    cutChance: 0,
    freezeChance: 0,
    hurryChance: 0,
    hasTimeLimit: false,
    needsApproval: false,
  }
}

/**
 * A night of the image-cleaner with two triggers, in which nothing goes wrong by itself: two repositories of which more may go than
 * caps allow, with a quarantine.
 */
export function calmNight(): Scenario {
  const startMs = Date.UTC(2026, 2, 2, 16)
  const night = startMs + 60 * minuteMs
  const tags = ['v1.0.0', 'v1.0.1', 'build-1', 'build-2', 'latest', 'stable']
  const dayMs = 24 * 60 * minuteMs
  const repositories = ['shop/api', 'shop/web'].map((name) => ({
    name,
    // Two names for one image, the newest but one.
    tags: tags.map((tag, index) => ({ name: tag, content: Math.min(index, 4), pushedMs: startMs - (50 - index) * dayMs, builtMs: 0 })),
  }))
  const images: ImageScene = {
    nights: [night],
    repositories,
    workloads: [
      {
        cluster: 'cls-e0000001',
        kind: 'Deployment',
        name: 'w0',
        replicas: 1,
        image: { repository: 'shop/api', tag: 'v1.0.0', isPinned: false },
      },
    ],
    triggers: [],
    versions: [
      {
        policies: [{ name: 'all', repositories: ['shop/api', 'shop/web'], keep: { last: 1 }, isPaused: false }],
        protect: [],
        caps: { ofRepository: 2, percent: 100, ofRun: 1000, ofDay: 3 },
        canary: undefined,
        referenceMemoryMs: 12 * 60 * minuteMs,
        quarantineDays: 7,
        batch: 1,
      },
    ],
    edits: [],
    deeds: [],
    takesSiblings: true,
    guarded: [],
  }
  const at = [night, night + 10 * minuteMs]
  return {
    ...calmScenario('relative-probe'),
    function: 'image-cleaner',
    startMs,
    quietMs: night + 9 * minuteMs,
    targets: [],
    machines: [{ name: 'p1', skewMs: 0 }],
    deliveries: at.map((atMs) => ({ atMs, scheduledAt: atMs, machine: 0 })),
    lastTickMs: night + 10 * minuteMs,
    images,
  }
}
