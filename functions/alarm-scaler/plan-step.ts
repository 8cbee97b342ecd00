import { digestOf } from '#shared/pure/digest.ts'
import type { Step } from '#shared/pure/step.ts'
import type { AlarmChange } from './change.ts'
import type { ReasonCode } from './reason.ts'

export type AlarmStep = Step<AlarmChange>

/** Nothing is done, and why. `about` tells it from what is said of something else in the same words; nobody sees it. */
export function stayStep(
  target: string,
  verdict: Exclude<AlarmStep['verdict'], 'change'>,
  code: ReasonCode,
  text: string,
  { before = '', after = '', about = '' }: { readonly before?: string; readonly after?: string; readonly about?: string } = {},
): AlarmStep {
  return { key: keyOf(['stay', target, code, before, after, about]), target, before, after, verdict, reason: { code, text } }
}

/** ASCII, and the same for the same values on every machine. */
export function keyOf(values: readonly (string | number | boolean | null)[]): string {
  return `alarm-scaler:${digestOf(values)}`
}
