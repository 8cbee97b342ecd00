import { digestOf } from '#shared/pure/digest.ts'
import type { Step } from '#shared/pure/step.ts'
import type { RedeployChange } from './change.ts'
import type { ReasonCode } from './reason.ts'

export type RedeployStep = Step<RedeployChange>

/** Nothing is done, and why. */
export function stayStep(
  target: string,
  verdict: Exclude<RedeployStep['verdict'], 'change'>,
  code: ReasonCode,
  text: string,
  { before = '', after = '' }: { readonly before?: string; readonly after?: string } = {},
): RedeployStep {
  return { key: keyOf(['stay', target, code, before, after]), target, before, after, verdict, reason: { code, text } }
}

/** ASCII, and the same for the same values on every machine. */
export function keyOf(values: readonly (string | number | boolean | null)[]): string {
  return `redeploy-hook:${digestOf(values)}`
}
