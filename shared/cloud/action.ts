/** Whether an action can change anything. What is not known to read counts as a write. */
export type Effect = 'read' | 'write'

/**
 * What sending a write twice would do. `absolute`: nothing more, it names an end state. `named`: it is refused, the name
 * is taken. `relative`: it happens twice, and costs twice.
 */
export type Repeat = 'absolute' | 'named' | 'relative'

/** A 64-bit integer of the wire: a number where a number holds it exactly, else a bigint. */
export type Int64 = number | bigint

/** The shape of one request field, as plain data: what the client checks before it signs. */
export interface InputField {
  readonly type: 'string' | 'int' | 'uint' | 'float' | 'bool' | 'object'
  readonly required?: true
  readonly list?: true
  /** The fields of an `object`. */
  readonly fields?: InputShape
}

export interface InputShape {
  readonly [name: string]: InputField
}

/** Where a paged answer keeps its rows and its count, as paths into the response. Requests page by `Offset` and `Limit`. */
export interface Paging {
  readonly items: readonly string[]
  readonly total: readonly string[]
}

/**
 * One action of the platform's API as a plain literal: everything the client needs to send it, nothing it does not.
 * `types` exists for the compiler only and is never set.
 */
export interface Action<
  Name extends string = string,
  E extends Effect = Effect,
  Request extends object = object,
  Response extends object = object,
> {
  readonly service: string
  readonly version: string
  readonly name: Name
  readonly effect: E
  /** Only on writes. */
  readonly repeat?: Repeat
  /** Calls per second and account that the platform publishes for this action. */
  readonly ratePerSecond: number
  /** Whether the action takes a region; when false the platform ignores one. */
  readonly regional: boolean
  readonly paging?: Paging
  readonly input: InputShape
  readonly types?: { readonly request: Request; readonly response: Response }
}

/** Any action that provably only reads. */
export type ReadAction = Action<string, 'read'>

export type RequestOf<A> = A extends Action<string, Effect, infer Request, object> ? Request : never

export type ResponseOf<A> = A extends Action<string, Effect, object, infer Response> ? Response : never
