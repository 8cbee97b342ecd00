/**
 * What a function can tell by itself when a run is over, by what it is called everywhere: at `/metrics` of `npm start`, and in CloudWatch
 * where functions run on Lambda.
 */
export const runMetrics = {
  runs: 'longshore_runs_total',
  failedRuns: 'longshore_failed_runs_total',
  decisions: 'longshore_decisions_total',
  applied: 'longshore_applied_total',
  runLate: 'longshore_run_late_seconds',
  apiCalls: 'longshore_api_calls_total',
  apiThrottles: 'longshore_api_throttles_total',
} as const

/** What lies in the store and the clusters, for whoever can look there at any time: `npm start`. */
export const standingMetrics = {
  functionOk: 'longshore_function_ok',
  lastRunAge: 'longshore_last_run_age_seconds',
  eventsWaiting: 'longshore_events_waiting',
  deadLetters: 'longshore_dead_letters',
  journalEntries: 'longshore_journal_entries',
  journalIntact: 'longshore_journal_intact',
  killSwitchStopped: 'longshore_kill_switch_stopped',
  leases: 'longshore_leases',
  leasedNodes: 'longshore_leased_nodes',
  licenceUsed: 'longshore_licence_used',
  licenceEntitled: 'longshore_licence_entitled',
} as const

export type MetricKey = keyof typeof runMetrics | keyof typeof standingMetrics
