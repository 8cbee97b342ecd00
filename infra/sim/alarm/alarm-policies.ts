import type { Chance } from '../chance.ts'

const minuteMs = 60_000

export type SimSource = 'alertmanager' | 'tencent-monitor' | 'cloudwatch'

export type SimConfirm = 'pendingPods' | 'requests' | 'prometheus'

export type SimMechanism = 'scaling-group' | 'new-instances' | 'virtual-nodes' | 'existing-instances'

/** A policy, in a form from which anybody can work out what it allows. */
export interface SimPolicy {
  readonly name: string
  /** What its alarms are called. */
  readonly alert: string
  readonly pool: number
  readonly source: SimSource
  readonly mode: 'observe' | 'suggest' | 'enforce'
  readonly confirm: SimConfirm
  /** From so much over the threshold on, so many nodes beyond those in service. */
  readonly steps: readonly { readonly from: number; readonly add?: number; readonly addPercent?: number }[]
  readonly mechanisms: readonly SimMechanism[]
  readonly warmUpMs: number
  readonly outMs: number
  readonly inMs: number
  readonly caps: { readonly event: number; readonly hour: number; readonly day: number }
  readonly freshForMs: number
  readonly quotaReserve: number
  readonly guardsLicence: boolean
  readonly sharesGroup: boolean
  readonly provisionMs: number
  readonly leaseMs: number
  readonly recovers: boolean
  readonly afterMs: number
  readonly drainDeadlineMs: number
  readonly atATime: number
  readonly drain: 'evict' | 'platform'
}

/** Of the requests of a pool, in percent, from which on something is wrong. */
export const requestsAbove = 70

/** Draws a policy. The first one of a pool is the one that has to work when everything else is over. */
export function drawPolicy(
  chance: Chance,
  { pool, index, hasAutoscaler }: { readonly pool: number; readonly index: number; readonly hasAutoscaler: boolean },
): SimPolicy {
  const sharesGroup = hasAutoscaler && chance.isTrue(0.6)
  const isPercent = chance.isTrue(0.15)
  const first = chance.whole(1, 2)
  return {
    name: `policy-${pool}-${index}`,
    alert: `Alarm${pool}x${index}`,
    pool,
    source: chance.weighed<SimSource>([
      [5, 'alertmanager'],
      [3, 'tencent-monitor'],
      [2, 'cloudwatch'],
    ]),
    mode: chance.weighed([
      [8, 'enforce'],
      [2, 'suggest'],
      [index === 0 ? 0 : 1, 'observe'],
    ]),
    confirm: chance.weighed<SimConfirm>([
      [5, 'pendingPods'],
      [2, 'requests'],
      [2, 'prometheus'],
    ]),
    steps: isPercent
      ? [
          { from: 0, addPercent: 34 },
          { from: 8, addPercent: 100 },
        ]
      : [{ from: 0, add: first }, ...(chance.isTrue(0.7) ? [{ from: 8, add: first + chance.whole(1, 2) }] : [])],
    mechanisms: drawMechanisms(chance.of('mechanisms')),
    warmUpMs: chance.one([0, 30_000, 90_000]),
    outMs: chance.one([30_000, 60_000, 2 * minuteMs]),
    inMs: chance.one([0, minuteMs, 3 * minuteMs]),
    caps: {
      event: chance.isTrue(0.2) ? chance.whole(1, 3) : 8,
      hour: chance.isTrue(0.2) ? chance.whole(2, 5) : 12,
      day: chance.isTrue(0.1) ? chance.whole(3, 6) : 20,
    },
    freshForMs: chance.one([3, 5, 10]) * minuteMs,
    quotaReserve: chance.one([0, 0, 1, 2]),
    guardsLicence: chance.isTrue(0.7),
    sharesGroup,
    provisionMs: chance.one([3, 4, 6]) * minuteMs,
    leaseMs: chance.one([6, 10, 15]) * minuteMs,
    recovers: chance.isTrue(0.93),
    afterMs: chance.one([0, 30_000, 2 * minuteMs]),
    drainDeadlineMs: chance.one([2, 3, 5]) * minuteMs,
    atATime: chance.one([1, 1, 2]),
    drain: chance.isTrue(0.7) ? 'evict' : 'platform',
  }
}

function drawMechanisms(chance: Chance): readonly SimMechanism[] {
  const first = chance.weighed<SimMechanism>([
    [5, 'scaling-group'],
    [4, 'new-instances'],
    [2, 'virtual-nodes'],
    [2, 'existing-instances'],
  ])
  const second = chance.one<SimMechanism>(['scaling-group', 'new-instances', 'virtual-nodes', 'existing-instances'])
  return first === second || chance.isTrue(0.35) ? [first] : [first, second]
}
