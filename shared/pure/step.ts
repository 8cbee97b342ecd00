/** Why something was decided: a code for machines (closed per function, kebab) and a sentence for people. */
export interface Reason {
  readonly code: string
  readonly text: string
}

/**
 * What a plan says about one target. `change` is the only verdict that `apply` acts on; every other one is the reason
 * why nothing is done, and is reported as well.
 */
export type Verdict = 'change' | 'no-change' | 'skipped' | 'missed' | 'held' | 'invalid'

/**
 * One line of a plan. `Change` is the function's own type: the end state that `apply` brings about; plain JSON, because plans
 * and journals keep it. `undo` is the change that takes it back, where the state before allows that.
 */
export type Step<Change> = StepFacts &
  ({ readonly verdict: 'change'; readonly change: Change; readonly undo?: Change } | { readonly verdict: Exclude<Verdict, 'change'> })

export interface StepFacts {
  /** Names this decision: the same inputs give the same key, so a repeated run is recognised. ASCII, at most 256 characters. */
  readonly key: string
  /** What it is about, as a person would write it: `cls-1/default/Deployment/web`. */
  readonly target: string
  /** What is there, for people: `replicas 2`. Empty when there is nothing to show. */
  readonly before: string
  /** What will be there, for people: `replicas 5`. */
  readonly after: string
  readonly reason: Reason
}

/** What became of a step. `Planned`: it would have been applied, but the mode is not `enforce`. */
export type Outcome = 'Applied' | 'Planned' | 'NoChange' | 'Skipped' | 'Missed' | 'Held' | 'Invalid' | 'Failed'

/** One line of a run's report: the step's facts and what became of it. */
export interface Decision extends StepFacts {
  readonly function: string
  readonly outcome: Outcome
  /** The platform's RequestId of the write, where there was one. */
  readonly requestId?: string
}

/** What `apply` answers for one step. `reason` replaces the plan's where the world turned out different. */
export interface StepResult {
  readonly outcome: 'Applied' | 'NoChange' | 'Skipped' | 'Held' | 'Failed'
  readonly reason?: Reason
  readonly requestId?: string
  /** What was really there right before the write, where it differs from the plan's. */
  readonly before?: string
}
