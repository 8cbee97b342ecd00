/**
 * - `record.unreadable` something is kept where the record should be that this version does not understand
 * - `record.damaged` parts of the record contradict each other
 * - `record.busy` others wrote the same place again and again
 */
export type RecordErrorKind = 'record.unreadable' | 'record.damaged' | 'record.busy'

/** The usage record cannot be read, or not be added to. Nothing was written over. The message says which key and what to do. */
export class RecordError extends Error {
  override readonly name = 'RecordError'
  readonly kind: RecordErrorKind

  constructor(kind: RecordErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.kind = kind
  }
}
