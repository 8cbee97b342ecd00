import { createHash, createHmac } from 'node:crypto'
import { isPlain, JsonError, membersOf, parseJson, stringifyJson } from '#cloud/json.ts'

const deepestLevel = 100

/**
 * The one JSON text of a value: members sorted by the UTF-16 codes of their names, members that are undefined left out, no
 * blanks. A value and what a store gives back for it have the same text, so digests over it survive being stored.
 *
 * Refuses what JSON cannot carry exactly, as `stringifyJson` does. Throws JsonError.
 *
 * @example canonicalJson({ b: 1n, a: [true, undefined === null], c: undefined }) // '{"a":[true,false],"b":1}'
 */
export function canonicalJson(value: unknown): string {
  try {
    return write(value, 0)
  } catch (error) {
    // The other writer says where in the value the trouble is.
    if (error instanceof JsonError) stringifyJson(value)
    throw error
  }
}

function write(value: unknown, level: number): string {
  // Anything but a list or a plain object, and whatever is too deep, is written or refused there.
  if (level >= deepestLevel) return stringifyJson(value)
  if (Array.isArray(value)) return `[${Array.from<unknown, string>(value, (element) => write(element, level + 1)).join(',')}]`
  if (!isPlain(value)) return stringifyJson(value)
  const members = membersOf(value)
    .filter(([, member]) => member !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]) => `${stringifyJson(name)}:${write(member, level + 1)}`)
  return `{${members.join(',')}}`
}

/** A copy as JSON would give it back: what digests cover and stores keep. Throws JsonError. */
export function plainCopy(value: unknown): unknown {
  return parseJson(stringifyJson(value))
}

/** SHA-256 of the value's canonical JSON, in hexadecimal: the same content, the same digest. Throws JsonError. */
export function contentDigest(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}

/** How content is sealed: whoever can write can also make a plain digest; without the secret nobody can make the other. */
export type SealMethod = 'sha256' | 'hmac-sha256'

/** The seal of a value, with the method in front: `sha256:…`, or `hmac-sha256:…` where there is a secret. Throws JsonError. */
export function sealOf(value: unknown, secret: string | undefined): string {
  const text = canonicalJson(value)
  return secret === undefined
    ? `sha256:${createHash('sha256').update(text).digest('hex')}`
    : `hmac-sha256:${createHmac('sha256', secret).update(text).digest('hex')}`
}

/** The method that a seal says it was made with; undefined when it is no seal. */
export function sealMethod(seal: string): SealMethod | undefined {
  const method = /^((?:hmac-)?sha256):[0-9a-f]{64}$/.exec(seal)?.[1]
  return method === 'sha256' || method === 'hmac-sha256' ? method : undefined
}
