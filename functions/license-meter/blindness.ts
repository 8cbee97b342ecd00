import type { Reason, Step } from '#shared/pure/step.ts'
import type { ReasonCode } from './reason.ts'

const regionCodes: ReadonlySet<string> = new Set<ReasonCode>(['measured-now', 'already-measured', 'region-unreadable'])

/** Code of the failure of a run that could measure no region. */
export const blindCode = 'run.no-region'

/** A run that could measure no region has come to nothing; one region of several is a gap that is told. */
export function blindness(steps: readonly Step<never>[]): Reason | undefined {
  const regions = steps.filter(({ reason }) => regionCodes.has(reason.code))
  const [first] = regions
  if (first === undefined || regions.some(({ reason }) => reason.code !== 'region-unreadable')) return undefined
  return { code: blindCode, text: `no region could be measured. ${first.target}: ${first.reason.text}` }
}
