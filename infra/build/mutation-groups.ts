/** Files that are mutated together, and the tests that watch over them. */
export interface MutationGroup {
  readonly name: string
  readonly mutate: readonly string[]
  /** In the order in which they are tried: a mutant costs least when a quick test kills it. */
  readonly tests: readonly string[]
}

/** Environment variable that tells the tests' own processes which group is being mutated. */
export const mutationGroupVariable = 'LONGSHORE_MUTATION_GROUP'

/**
 * What must not be wrong unnoticed. The tests of a group are those that ask its files directly: tests of what is built on them
 * would kill mutants too, but take a hundred times as long, and a mutant that only they notice shows a test that is missing.
 */
export const mutationGroups: readonly MutationGroup[] = [
  {
    name: 'ledger',
    mutate: ['shared/safety/ledger.ts', 'shared/safety/ledger-entry.ts'],
    tests: ['test/shared/safety/ledger.test.ts', 'test/shared/safety/ledger-model.test.ts'],
  },
  {
    name: 'guard',
    mutate: [
      'shared/safety/guard.ts',
      'shared/safety/budget.ts',
      'shared/safety/cap.ts',
      'shared/safety/freeze-window.ts',
      'shared/safety/protect.ts',
      'shared/safety/kill-switch.ts',
      'shared/safety/kill-switch-config-map.ts',
      'shared/safety/kill-switch-of.ts',
      'shared/safety/kill-switch-parameter.ts',
      'shared/safety/kill-switch-store.ts',
    ],
    tests: [
      'test/shared/safety/protect.test.ts',
      'test/shared/safety/kill-switch.test.ts',
      'test/shared/safety/guard.test.ts',
      'test/shared/safety/budget-cap.test.ts',
      'test/shared/safety/budget.test.ts',
      'test/shared/safety/freeze-window.test.ts',
      'test/shared/safety/kill-switch-config-map.test.ts',
    ],
  },
  { name: 'signer', mutate: ['shared/cloud/sign.ts'], tests: ['test/shared/cloud/sign-cache.test.ts', 'test/shared/cloud/sign.test.ts'] },
  {
    name: 'retry',
    mutate: ['shared/cloud/retry.ts', 'shared/cloud/retry-quota.ts'],
    tests: ['test/shared/cloud/retry.test.ts'],
  },
  { name: 'limiter', mutate: ['shared/cloud/limit.ts'], tests: ['test/shared/cloud/limit.test.ts'] },
  {
    name: 'licence',
    mutate: [
      'functions/license-meter/plan.ts',
      'functions/license-meter/judge.ts',
      'functions/license-meter/alerts.ts',
      'shared/licence/polarity.ts',
      'shared/licence/decimal.ts',
      'shared/licence/entitlement.ts',
      'shared/licence/rollup.ts',
      'shared/licence/forecast.ts',
      'shared/licence/outlook.ts',
      'shared/licence/headroom.ts',
      'shared/licence/record.ts',
    ],
    tests: [
      'test/shared/licence/decimal.test.ts',
      'test/shared/licence/entitlement.test.ts',
      'test/shared/licence/record.test.ts',
      'test/functions/license-meter/judge.test.ts',
      'test/shared/licence/outlook.test.ts',
      'test/functions/license-meter/plan.test.ts',
      'test/shared/licence/rollup.test.ts',
      'test/shared/licence/forecast.test.ts',
    ],
  },
  {
    name: 'alarm-plan',
    mutate: [
      'functions/alarm-scaler/demand.ts',
      'functions/alarm-scaler/gates.ts',
      'functions/alarm-scaler/sizing.ts',
      'functions/alarm-scaler/steps.ts',
      'functions/alarm-scaler/growth.ts',
      'functions/alarm-scaler/mechanisms.ts',
      'functions/alarm-scaler/confirm.ts',
      'functions/alarm-scaler/recovery.ts',
      'functions/alarm-scaler/giving-back.ts',
      'functions/alarm-scaler/bounds.ts',
      'functions/alarm-scaler/tracking.ts',
      'functions/alarm-scaler/arrivals.ts',
    ],
    tests: [
      'test/functions/alarm-scaler/regressions.test.ts',
      'test/functions/alarm-scaler/floors.test.ts',
      'test/functions/alarm-scaler/stuck-nodes.test.ts',
      'test/functions/alarm-scaler/whose-node.test.ts',
      'test/functions/alarm-scaler/plan.test.ts',
    ],
  },
  {
    name: 'alarm-episode',
    mutate: ['functions/alarm-scaler/episode.ts'],
    tests: ['test/functions/alarm-scaler/episode.test.ts'],
  },
]
