import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { failure, type Result, success } from '#shared/pure/result.ts'

/** How a pair of keys is made with what every system has. */
export const keyCommands = [
  'openssl genpkey -algorithm ed25519 -out licence-key.pem',
  'openssl pkey -in licence-key.pem -pubout -out licence-public.pem',
] as const

/** A key for signing, with the id by which its public half is known. */
export interface SigningKey {
  readonly key: KeyObject
  readonly id: string
}

/** The key of a PEM text, whose line breaks may be written as `\n`, as environment variables often hold them. The error never quotes it. */
export function readSigningKey(pem: string): Result<SigningKey, string> {
  const text = pem.replaceAll('\\n', '\n')
  if (/-----BEGIN PUBLIC KEY-----/.test(text)) return failure('it is a public key: only the private one can sign')
  if (/ENCRYPTED/.test(text))
    return failure('it is encrypted with a passphrase: give it without one, from a file that only its owner can read')
  return ed25519(() => createPrivateKey(text), 'private', `make one with: ${keyCommands[0]}`)
}

/** The public key of a PEM text. A private key is taken as well, and only its public half is used. */
export function readPublicKey(pem: string): Result<SigningKey, string> {
  return ed25519(() => createPublicKey(pem), 'public', `it is made from the private one with: ${keyCommands[1]}`)
}

function ed25519(read: () => KeyObject, kind: 'private' | 'public', remedy: string): Result<SigningKey, string> {
  let key: KeyObject
  try {
    key = read()
  } catch {
    // What the library says may quote the text.
    return failure(`it is no ${kind} key in PEM; ${remedy}`)
  }
  if (key.asymmetricKeyType !== 'ed25519')
    return failure(`it is a key for ${key.asymmetricKeyType ?? 'something else'}, not for ed25519; ${remedy}`)
  return success({ key, id: keyId(kind === 'private' ? createPublicKey(key) : key) })
}

/** By it a snapshot says which key signed it: SHA-256 of the public key as DER, as `openssl pkey -pubin -outform DER | sha256sum` prints it. */
function keyId(publicKey: KeyObject): string {
  return `sha256:${createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')}`
}
