/** The civil days that a report is of, in the zone of its settings. */
export interface ReportPeriod {
  /** `2026`, `2026-11`, or what else it is called. */
  readonly name: string
  readonly fromDay: number
  readonly untilDay: number
}
