/** Why a line of the meter's report says what it says, for machines. Those of the cross-check are in plan-cross-check.ts. */
export type ReasonCode =
  // no-change
  | 'measured-now'
  | 'already-measured'
  | 'within-entitlement'
  | 'above-within-tolerance'
  | 'pass-ok'
  | 'pass-recorded'
  // skipped
  | 'unlimited'
  | 'no-entitlement'
  | 'no-figures-now'
  // held
  | 'region-unreadable'
  | 'usage-unreadable'
  | 'over-use'
  | 'near-entitlement'
  | 'block-in-sight'
  | 'alerts-stopped'
  | 'pass-unreadable'
  | 'pass-contradicts'
  | 'platform-over'
