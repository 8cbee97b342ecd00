import type { AlarmMessage } from './alarm-messages.ts'
import type { SimPolicy } from './alarm-policies.ts'

/** What is in a world beside machines and faults when the alarm-scaler lives in it: plain JSON. */
export interface AlarmScene {
  readonly pools: readonly SimPool[]
  readonly policies: readonly SimPolicy[]
  readonly series: readonly SimSeries[]
  readonly messages: readonly AlarmMessage[]
  readonly loads: readonly SimLoad[]
  /** For so long a machine type cannot be bought. */
  readonly soldOut: readonly SimSpan[]
  /** For so long new nodes never become ready. */
  readonly failing: readonly SimSpan[]
  /** For so long no pod of a pool may be evicted. */
  readonly budgets: readonly (SimSpan & { readonly pool: number })[]
  readonly deeds: readonly SimAlarmDeed[]
  readonly platform: SimAlarmPlatform
  /** Chance that the message that wakes a worker is lost. */
  readonly lostNudges: number
}

export interface SimSpan {
  readonly fromMs: number
  readonly untilMs: number
}

/** How the copy of the platform behaves. */
export interface SimAlarmPlatform {
  /** Whether a ClientToken is honoured. */
  readonly clientTokens: boolean
  /** Share of machines whose joining is said to have timed out. */
  readonly addTimeoutShare: number
  readonly maxNodes: number
  /** Licensed cores of each region; undefined where that is not limited. */
  readonly entitledCores: number | undefined
  /** The license-meter has looked lately: it remembers how many cores are free. */
  readonly isMetered: boolean
  readonly hasAutoscaler: boolean
  readonly scalesDown: boolean
  readonly bootMs: readonly [number, number]
}

/** A pool of nodes with the scaling group, the pool of virtual nodes and the spare machines that belong to it. */
export interface SimPool {
  readonly name: string
  readonly cluster: string
  readonly group: string
  readonly nodePool: string
  readonly subnets: readonly string[]
  readonly spares: number
  /** Nodes that it has at the beginning: those of its group, and others. */
  readonly inGroup: number
  readonly others: number
  readonly bounds: { readonly min: number; readonly max: number }
  /** The most nodes that it may have. */
  readonly max: number
}

/** Something that is watched, with all that happens to it. */
export interface SimSeries {
  readonly index: number
  readonly policy: number
  readonly name: string
  readonly episodes: readonly SimEpisode[]
}

/** A time in which something is wrong. */
export interface SimEpisode extends SimSpan {
  /** How bad it is, from an instant on. */
  readonly values: readonly { readonly atMs: number; readonly value: number }[]
  /** Of the one that comes when everything else is over. */
  readonly isLast: boolean
}

/** From an instant on a pool has so many pods. */
export interface SimLoad {
  readonly atMs: number
  readonly pool: number
  readonly pods: number
}

export const alarmDeeds = [
  'cordon',
  'uncordon',
  'delete-node',
  'bounds',
  'group-size',
  'garble-record',
  'forget-record',
  'touch-record',
  'deploy',
  'approve',
] as const
export type AlarmDeed = (typeof alarmDeeds)[number]

/** What somebody does to a pool. */
export interface SimAlarmDeed {
  readonly atMs: number
  readonly deed: AlarmDeed
  readonly pool: number
  /** Anything that the deed needs one of. */
  readonly pick: number
}

export interface SceneFacts {
  readonly clusters: readonly string[]
  readonly machineCount: number
  readonly startMs: number
  readonly quietMs: number
}

/** Above this something is wrong. */
export const threshold = 80
/** Cores that one node has, and that one pod asks for. */
export const nodeCores = 4
/** So many pods fit on a node: a little of it is left. */
export const podsOnNode = 3
