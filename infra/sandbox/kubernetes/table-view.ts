import type { JsonObject } from './json.ts'
import type { KindFacts } from './kinds.ts'

/** Whether a client would rather have a table to print, as kubectl does. */
export function wantsTable(accept: string | undefined): boolean {
  return accept !== undefined && /application\/json\s*;[^,]*as=Table/i.test(accept) && facts !== undefined
}
const facts = 1

export function tableOf(_facts: KindFacts, object: JsonObject, _now: number): JsonObject {
  return object
}
