import type { Json, JsonObject } from './json.ts'

/** One reason in a refusal, as the API lists it under `details.causes`. */
export interface Cause {
  readonly reason: string
  readonly message: string
  readonly field?: string
}

export interface StatusDetails {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly uid?: string
  readonly causes?: readonly Cause[]
  readonly retryAfterSeconds?: number
}

/** A refusal in the API's own terms: becomes a `Status` object with its code. Nothing was changed when it is thrown. */
export class KubeFault extends Error {
  override readonly name = 'KubeFault'
  readonly code: number
  readonly reason: string
  readonly details: StatusDetails | undefined
  /** Only on an expired continue token: where an inconsistent continuation may start. */
  readonly continueToken: string | undefined

  constructor(code: number, reason: string, message: string, details?: StatusDetails, continueToken?: string) {
    super(message)
    this.code = code
    this.reason = reason
    this.details = details
    this.continueToken = continueToken
  }
}

/** What a refusal names: the plural for most, the kind for `Invalid`. */
export interface ResourceName {
  readonly group: string
  readonly plural: string
}

function qualified(resource: ResourceName): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
}

function detailsOf(resource: ResourceName, name: string): StatusDetails {
  return { ...(name === '' ? {} : { name }), ...(resource.group === '' ? {} : { group: resource.group }), kind: resource.plural }
}

export function notFound(resource: ResourceName, name: string): KubeFault {
  return new KubeFault(404, 'NotFound', `${qualified(resource)} ${quote(name)} not found`, detailsOf(resource, name))
}

export function alreadyExists(resource: ResourceName, name: string): KubeFault {
  return new KubeFault(409, 'AlreadyExists', `${qualified(resource)} ${quote(name)} already exists`, detailsOf(resource, name))
}

export function conflict(resource: ResourceName, name: string, why: string): KubeFault {
  const text = `Operation cannot be fulfilled on ${qualified(resource)} ${quote(name)}: ${why}`
  return new KubeFault(409, 'Conflict', text, detailsOf(resource, name))
}

/** The write carries an older `resourceVersion` than the object has. */
export function staleWrite(resource: ResourceName, name: string): KubeFault {
  return conflict(resource, name, 'the object has been modified; please apply your changes to the latest version and try again')
}

export function forbidden(resource: ResourceName, name: string, why: string): KubeFault {
  const subject =
    resource.plural === ''
      ? 'forbidden'
      : name === ''
        ? `${qualified(resource)} is forbidden`
        : `${qualified(resource)} ${quote(name)} is forbidden`
  return new KubeFault(403, 'Forbidden', `${subject}: ${why}`, detailsOf(resource, name))
}

export function badRequest(message: string): KubeFault {
  return new KubeFault(400, 'BadRequest', message)
}

/** What no path leads to inside a group the server knows. Outside of them it answers a page of plain text. */
export function unknownPath(): KubeFault {
  return new KubeFault(404, 'NotFound', 'the server could not find the requested resource', {})
}

/** The method exists nowhere on this path. */
export function wrongMethod(): KubeFault {
  return new KubeFault(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})
}

export function unsupportedMediaType(accepted: readonly string[]): KubeFault {
  const list = accepted.join(', ')
  return new KubeFault(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${list}`,
  )
}

/** What the patch asks for cannot be done on the object as it is: a failed `test`, a path that leads nowhere. */
export function unprocessablePatch(): KubeFault {
  return new KubeFault(422, 'Invalid', 'the server rejected our request due to an error in our request', {})
}

export function internalError(message: string): KubeFault {
  return new KubeFault(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ reason: '', message }] })
}

export function tooManyRequests(message: string, details: StatusDetails): KubeFault {
  return new KubeFault(429, 'TooManyRequests', message, details)
}

/** Something the sandbox leaves out on purpose; the message says what to do instead. */
export function notModelled(code: number, what: string, instead: string): KubeFault {
  return new KubeFault(code, code === 405 ? 'MethodNotAllowed' : 'BadRequest', `the sandbox does not model ${what}: ${instead}`, {})
}

export type FieldErrorKind = 'Required' | 'Invalid' | 'NotSupported' | 'Forbidden' | 'Duplicate' | 'TooLong' | 'TooMany' | 'NotFound'

const fieldErrors: Readonly<Record<FieldErrorKind, { readonly cause: string; readonly text: string; readonly value: boolean }>> = {
  Required: { cause: 'FieldValueRequired', text: 'Required value', value: false },
  Invalid: { cause: 'FieldValueInvalid', text: 'Invalid value', value: true },
  NotSupported: { cause: 'FieldValueNotSupported', text: 'Unsupported value', value: true },
  Forbidden: { cause: 'FieldValueForbidden', text: 'Forbidden', value: false },
  Duplicate: { cause: 'FieldValueDuplicate', text: 'Duplicate value', value: true },
  TooLong: { cause: 'FieldValueTooLong', text: 'Too long', value: false },
  TooMany: { cause: 'FieldValueTooMany', text: 'Too many', value: true },
  NotFound: { cause: 'FieldValueNotFound', text: 'Not found', value: true },
}

/** Something printed as it stands (a structure, a quantity) where other values are quoted. */
export interface Verbatim {
  readonly verbatim: string
}

export interface FieldError {
  readonly kind: FieldErrorKind
  readonly field: string
  readonly value?: Json | Verbatim
  readonly detail: string
}

function isVerbatim(value: Json | Verbatim): value is Verbatim {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && typeof value.verbatim === 'string'
}

function bodyOf(error: FieldError): string {
  const { text, value } = fieldErrors[error.kind]
  const shown = error.value === undefined || error.value === null ? 'null' : printed(error.value)
  return [text, ...(value ? [shown] : []), ...(error.detail === '' ? [] : [error.detail])].join(': ')
}

function printed(value: Json | Verbatim): string {
  if (isVerbatim(value)) return value.verbatim
  return typeof value === 'string' ? quote(value) : typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Refuses an object for what its fields hold: every reason in the order found, as the API prints them. */
export function invalid(kind: { readonly group: string; readonly kind: string }, name: string, errors: readonly FieldError[]): KubeFault {
  const causes = errors.map((error) => ({ reason: fieldErrors[error.kind].cause, message: bodyOf(error), field: error.field }))
  const lines = [...new Set(causes.map((cause) => `${cause.field}: ${cause.message}`))]
  const qualifiedKind = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`
  const list = lines.length === 1 ? lines.join('') : `[${lines.join(', ')}]`
  return new KubeFault(422, 'Invalid', `${qualifiedKind} ${quote(name)} is invalid: ${list}`, {
    ...(name === '' ? {} : { name }),
    ...(kind.group === '' ? {} : { group: kind.group }),
    ...(kind.kind === '' ? {} : { kind: kind.kind }),
    causes,
  })
}

/** Quotes as the API's messages do. */
export function quote(text: string): string {
  return JSON.stringify(text)
}

/** The `Status` object of a refusal. */
export function statusOf(fault: KubeFault): JsonObject {
  const details: JsonObject = {}
  if (fault.details !== undefined) {
    const { name, group, kind, uid, causes, retryAfterSeconds } = fault.details
    if (name !== undefined) details.name = name
    if (group !== undefined) details.group = group
    if (kind !== undefined) details.kind = kind
    if (uid !== undefined) details.uid = uid
    if (causes !== undefined) {
      details.causes = causes.map((cause) => ({
        ...(cause.reason === '' ? {} : { reason: cause.reason }),
        ...(cause.message === '' ? {} : { message: cause.message }),
        ...(cause.field === undefined || cause.field === '' ? {} : { field: cause.field }),
      }))
    }
    if (retryAfterSeconds !== undefined) details.retryAfterSeconds = retryAfterSeconds
  }
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: fault.continueToken === undefined ? {} : { continue: fault.continueToken },
    status: 'Failure',
    message: fault.message,
    ...(fault.reason === '' ? {} : { reason: fault.reason }),
    ...(fault.details === undefined ? {} : { details }),
    code: fault.code,
  }
}
