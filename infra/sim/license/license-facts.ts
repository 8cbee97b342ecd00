import type { Config } from '#shared/runtime/config.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import type { MemoryDisk } from '#shared/safety/store-memory.ts'
import type { History } from '../history.ts'
import type { Scenario } from '../scenario.ts'
import type { LicenceScene } from './license-scene.ts'
import type { LicenceWorld } from './license-world.ts'

/** One call of the function, whatever became of it on the wire. */
export interface MeterCall {
  readonly action: string
  readonly region: string
  /** Of the answer; undefined when none came. */
  requestId: string | undefined
}

/** One run of the function. */
export interface MeterRun {
  readonly owner: string
  readonly beganMs: number
  /** What its process's clock said when it began: what it stamps its samples with. */
  readonly processNow: number
  readonly calls: MeterCall[]
  /** Its report, when it came to its end. */
  report: RunReport | undefined
  endedMs: number
  /** Code of the failure of its report. */
  failure: string | undefined
}

/** A sample became part of a region's record. */
export interface HeadWrite {
  readonly atMs: number
  readonly region: string
  readonly hour: string
  readonly entry: unknown
}

/** What is left of a world of the license-meter. */
export interface SimulatedMeter {
  readonly scenario: Scenario
  readonly scene: LicenceScene
  readonly history: History
  readonly world: LicenceWorld
  readonly disk: MemoryDisk
  readonly runs: readonly MeterRun[]
  /** In the order in which they reached the disk. */
  readonly heads: readonly HeadWrite[]
  readonly config: Config
  readonly endMs: number
}
