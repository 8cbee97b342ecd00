import { createRandom } from '#infra/sandbox/random.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'

/** A load that somebody puts on a cluster. */
export interface Rush {
  readonly cluster: string
  readonly namespace: string
  readonly name: string
  readonly pods: number
  /** Of each pod, as Kubernetes writes it. */
  readonly cpu: string
}

/** What people, and what they run beside this product, do on the sandbox. */
export type Deed =
  /** A build pushes the next version of a repository, and the registry tells of it. One that does not work cannot be pulled by any node. */
  | { readonly kind: 'release'; readonly repository: string; readonly works: boolean }
  /** Somebody opens the link of what waits for approval, and agrees. */
  | { readonly kind: 'approve'; readonly of: 'redeploy-hook' | 'alarm-scaler' }
  | { readonly kind: 'rush'; readonly rush: Rush }
  | { readonly kind: 'rush-over'; readonly rush: Rush }
  /** The monitoring sends a message about one alarm. */
  | { readonly kind: 'alarm'; readonly alarm: Alarm; readonly state: 'firing' | 'resolved' }
  /** Somebody sets the size of a workload by hand. */
  | { readonly kind: 'scale'; readonly cluster: string; readonly namespace: string; readonly name: string; readonly replicas: number }
  /** Somebody gives schedules that take turns every few minutes the hours of an office: twice a day, with a size for each half. */
  | { readonly kind: 'office-hours'; readonly cluster: string }
  /** A cluster refuses what it is asked, because somebody took rights away; and gives them back. */
  | { readonly kind: 'lock-out' | 'let-in'; readonly cluster: string }

export interface Alarm {
  readonly name: string
  readonly cluster: string
  readonly namespace: string
  readonly value: number
  readonly threshold: number
  readonly summary: string
}

/** Something that happens at an instant. */
export interface Scene {
  readonly atMs: number
  readonly deed: Deed
}

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** The day is that of Guangzhou, where the sandbox is. */
const zoneAheadMs = 8 * hourMs

const { production, staging } = baseClusters

/** More than the production cluster has room for, each on what the one before it has left. */
const firstRush = rushOf(44)
const lunchRush = rushOf(60)
const eveningRush = rushOf(84)

function rushOf(pods: number): Rush {
  return { cluster: production, namespace: 'shop', name: 'flash-sale', pods, cpu: '1' }
}

const coresAlarm: Alarm = {
  name: 'PodsWaitForCores',
  cluster: production,
  namespace: 'shop',
  value: 93.5,
  threshold: 80,
  summary: 'Pods of shop wait for cores',
}
const memoryAlarm: Alarm = {
  name: 'ClusterMemoryHigh',
  cluster: production,
  namespace: 'pay',
  value: 86,
  threshold: 80,
  summary: 'Memory of pay runs short',
}

/** What a newcomer sees in the first minutes, and what takes longer within the first two hours: something of everything. */
const opening: readonly (readonly [afterMs: number, deed: Deed])[] = [
  [20 * secondMs, { kind: 'release', repository: 'shop/storefront', works: true }],
  [40 * secondMs, { kind: 'rush', rush: firstRush }],
  // Before the cluster's own autoscaler has looked.
  [42 * secondMs, { kind: 'alarm', alarm: coresAlarm, state: 'firing' }],
  [100 * secondMs, { kind: 'release', repository: 'pay/ledger', works: true }],
  [3 * minuteMs, { kind: 'scale', cluster: production, namespace: 'shop', name: 'catalog', replicas: 4 }],
  [9 * minuteMs, { kind: 'approve', of: 'redeploy-hook' }],
  [18 * minuteMs, { kind: 'rush-over', rush: firstRush }],
  [19 * minuteMs, { kind: 'alarm', alarm: coresAlarm, state: 'resolved' }],
  [26 * minuteMs, { kind: 'release', repository: 'shop/storefront', works: false }],
  [31 * minuteMs, { kind: 'release', repository: 'shop/storefront', works: true }],
  // Nobody looks at this one for a while.
  [45 * minuteMs, { kind: 'release', repository: 'pay/ledger', works: true }],
  // So long that an event that wants something of the cluster is tried as often as it may be.
  [48 * minuteMs, { kind: 'lock-out', cluster: staging }],
  [51 * minuteMs, { kind: 'release', repository: 'shop/storefront', works: true }],
  [112 * minuteMs, { kind: 'let-in', cluster: staging }],
]

/** What is for a newcomer at the machine's speed would be all that is seen of a day that passes in minutes. */
const forFastDays: readonly (readonly [afterMs: number, deed: Deed])[] = [[5 * minuteMs, { kind: 'office-hours', cluster: production }]]

/** The opening is over, and every day goes like the next one. */
const openingMs = 2 * hourMs

/** A day by the clock on the wall, hours and minutes; what is drawn is moved by up to ten minutes. */
const everyDay: readonly (readonly [hour: number, minute: number, deeds: readonly (readonly [afterMs: number, deed: Deed])[]])[] = [
  [9, 20, [[0, { kind: 'release', repository: 'pay/gateway', works: true }]]],
  [
    10,
    10,
    [
      [0, { kind: 'release', repository: 'shop/storefront', works: true }],
      [25 * minuteMs, { kind: 'release', repository: 'shop/catalog', works: true }],
    ],
  ],
  [
    11,
    0,
    [
      [0, { kind: 'release', repository: 'pay/ledger', works: true }],
      [35 * minuteMs, { kind: 'approve', of: 'redeploy-hook' }],
    ],
  ],
  [
    12,
    0,
    [
      [0, { kind: 'rush', rush: lunchRush }],
      [2 * minuteMs, { kind: 'alarm', alarm: coresAlarm, state: 'firing' }],
      [70 * minuteMs, { kind: 'rush-over', rush: lunchRush }],
      [72 * minuteMs, { kind: 'alarm', alarm: coresAlarm, state: 'resolved' }],
    ],
  ],
  [
    14,
    30,
    [
      [0, { kind: 'release', repository: 'shop/storefront', works: false }],
      [40 * minuteMs, { kind: 'release', repository: 'shop/storefront', works: true }],
    ],
  ],
  [15, 30, [[0, { kind: 'scale', cluster: production, namespace: 'shop', name: 'catalog', replicas: 4 }]]],
  [
    16,
    10,
    [
      [0, { kind: 'alarm', alarm: memoryAlarm, state: 'firing' }],
      [6 * minuteMs, { kind: 'approve', of: 'alarm-scaler' }],
      [30 * minuteMs, { kind: 'alarm', alarm: memoryAlarm, state: 'resolved' }],
    ],
  ],
  [
    17,
    20,
    [
      [0, { kind: 'lock-out', cluster: staging }],
      [3 * minuteMs, { kind: 'release', repository: 'shop/storefront', works: true }],
      [70 * minuteMs, { kind: 'let-in', cluster: staging }],
    ],
  ],
  [18, 45, [[0, { kind: 'scale', cluster: production, namespace: 'shop', name: 'catalog', replicas: 2 }]]],
  // Nobody looks at this one before the next day.
  [19, 30, [[0, { kind: 'release', repository: 'pay/ledger', works: true }]]],
  [
    20,
    15,
    [
      [0, { kind: 'rush', rush: eveningRush }],
      [2 * minuteMs, { kind: 'alarm', alarm: coresAlarm, state: 'firing' }],
      [90 * minuteMs, { kind: 'rush-over', rush: eveningRush }],
      [92 * minuteMs, { kind: 'alarm', alarm: coresAlarm, state: 'resolved' }],
    ],
  ],
  [22, 40, [[0, { kind: 'release', repository: 'ops/report', works: true }]]],
]

const mostMovedMs = 10 * minuteMs

/**
 * What happens on the built-in sandbox by itself, in the order in which it does, for ever: first the opening, then the same kind of day
 * every day in Guangzhou's time, each a little different. The same start and seed give the same life.
 *
 * @param options.isFast whether days pass in minutes
 */
export function* dayOfLife(
  startMs: number,
  { seed, isFast }: { readonly seed: number; readonly isFast: boolean },
): Generator<Scene, never> {
  const first = [...opening, ...(isFast ? forFastDays : [])].toSorted(([one], [other]) => one - other)
  for (const [afterMs, deed] of first) yield { atMs: startMs + afterMs, deed }
  const openedMs = startMs + openingMs
  for (let day = Math.floor((openedMs + zoneAheadMs) / dayMs); ; day += 1) {
    const midnightMs = day * dayMs - zoneAheadMs
    const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ day)
    const scenes = everyDay.flatMap(([hour, minute, deeds]) => {
      const atMs = midnightMs + hour * hourMs + minute * minuteMs + Math.floor(random() * mostMovedMs)
      // What belongs together begins together or not at all.
      return atMs < openedMs ? [] : deeds.map(([afterMs, deed]): Scene => ({ atMs: atMs + afterMs, deed }))
    })
    yield* scenes.sort((one, other) => one.atMs - other.atMs)
  }
}
