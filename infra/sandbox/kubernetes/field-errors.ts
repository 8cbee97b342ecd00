import type { Json } from './json.ts'
import type { FieldError, Verbatim } from './kube-fault.ts'

const nonNegative = 'must be greater than or equal to 0'

/** Collects what is wrong with an object's fields, in the order found. */
export class FieldErrors {
  readonly found: FieldError[] = []

  required(field: string, detail = ''): void {
    this.found.push({ kind: 'Required', field, detail })
  }

  invalid(field: string, value: Json | Verbatim | undefined, detail: string): void {
    this.found.push({ kind: 'Invalid', field, ...(value === undefined ? {} : { value }), detail })
  }

  forbidden(field: string, detail: string): void {
    this.found.push({ kind: 'Forbidden', field, detail })
  }

  duplicate(field: string, value: Json | Verbatim): void {
    this.found.push({ kind: 'Duplicate', field, value, detail: '' })
  }

  notFound(field: string, value: Json): void {
    this.found.push({ kind: 'NotFound', field, value, detail: '' })
  }

  tooLong(field: string, limit: number): void {
    this.found.push({ kind: 'TooLong', field, detail: `must have at most ${limit} bytes` })
  }

  notSupported(field: string, value: Json | Verbatim, supported: readonly string[]): void {
    this.found.push({
      kind: 'NotSupported',
      field,
      value,
      detail: `supported values: ${supported.map((each) => JSON.stringify(each)).join(', ')}`,
    })
  }

  /** Refuses a number below zero; absent is fine. */
  notNegative(field: string, value: number | undefined): void {
    if (value !== undefined && value < 0) this.invalid(field, value, nonNegative)
  }
}
