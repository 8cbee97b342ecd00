import { hash } from 'node:crypto'

/**
 * A short name for a list of values: the same values in the same order give the same 40 hexadecimal digits, on every machine
 * and in every run. For keys that recognise a repeated decision; two different lists do not share one by accident.
 */
export function digestOf(values: readonly (string | number | boolean | null)[]): string {
  return hash('sha256', JSON.stringify(values), 'hex').slice(0, 40)
}
