import { stringifyJson } from '#cloud/json.ts'

/** JSON in which a bigint is an integer like any other; only a value that holds one takes the slower way. */
export function wireText(value: object): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (error instanceof TypeError && /BigInt/.test(error.message)) {
      return stringifyJson(value)
    }
    throw error
  }
}
