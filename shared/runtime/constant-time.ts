import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * Whether what was given is one of these secrets. Compares SHA-256 digests, each of them to the end, so that the time it takes
 * says nothing about a secret, not even its length, nor which one it was. Without secrets, and for empty ones, never.
 *
 * @example isOneOf('s3cret', ['old', 's3cret']) // true
 * @example isOneOf('', ['']) // false
 */
export function isOneOf(given: string | Uint8Array, secrets: readonly (string | Uint8Array)[]): boolean {
  const digest = digestOf(given)
  let found = 0
  for (const secret of secrets) {
    const isSame = timingSafeEqual(digest, digestOf(secret))
    found |= Number(isSame && secret.length > 0)
  }
  return found === 1
}

function digestOf(value: string | Uint8Array): Buffer {
  return createHash('sha256').update(value).digest()
}
