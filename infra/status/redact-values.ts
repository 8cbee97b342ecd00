import type { Redactor } from '#shared/runtime/redact.ts'

/** The same plain data with every known secret taken out of its texts. */
export function redactValues(value: unknown, redactor: Redactor): unknown {
  if (typeof value === 'string') return redactor.text(value)
  if (Array.isArray(value)) return value.map((one: unknown) => redactValues(one, redactor))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, redactValues(own, redactor)]))
}
