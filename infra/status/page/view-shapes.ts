import type {
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
} from '../api-schemas.ts'

/** What `/api/<name>` answers, by name. */
export interface ViewShapes {
  readonly platform: PlatformView
  readonly functions: FunctionsView
  readonly decisions: DecisionsView
  readonly timeline: TimelineView
  readonly registry: RegistryView
  readonly licence: LicenceView
  readonly leases: LeasesView
  readonly approvals: ApprovalsView
  readonly 'dead-letters': DeadLettersView
  readonly journal: JournalView
}

export type DecisionLine = DecisionsView['decisions'][number]
export type FunctionLine = FunctionsView['functions'][number]
export type FunctionId = FunctionLine['name']
export type OutcomeId = DecisionLine['outcome']
export type LeaseLine = LeasesView['leases'][number]
export type ApprovalLine = ApprovalsView['approvals'][number]
export type DeadLetter = DeadLettersView['letters'][number]
export type JournalEntry = JournalView['entries'][number]
export type LicenceLine = LicenceView['products'][number]

/** In the order in which they are counted and filtered: what was done, what went wrong, what holds, what is quiet. */
export const outcomeIds = [
  'Applied',
  'Planned',
  'Failed',
  'Invalid',
  'Held',
  'Missed',
  'Skipped',
  'NoChange',
] as const satisfies OutcomeId[]
