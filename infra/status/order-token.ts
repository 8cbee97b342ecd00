import type { Environment } from '#shared/runtime/config.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { createResolver, SecretUnavailableError } from '#shared/runtime/reference.ts'

/** One that is shorter can be found by trying. */
const leastLength = 16

/**
 * The token of orders that a reference (`env:NAME`, `file:/path`) leads to; undefined without a reference. The redactor learns it. Throws
 * SecretUnavailableError, whose message never shows it: where it leads nowhere, and for what nobody could send or anybody could guess.
 */
export async function orderTokenOf(reference: string | undefined, env: Environment, redactor: Redactor): Promise<string | undefined> {
  if (reference === undefined) return undefined
  try {
    const token = await createResolver({ env })(reference)
    if (token.length < leastLength)
      throw new SecretUnavailableError(`the token has fewer than ${leastLength} characters; make a longer one: openssl rand -hex 24.`)
    if (!/^[\x21-\x7e]+$/.test(token))
      throw new SecretUnavailableError(
        'the token has blanks, or letters that a header cannot carry; make one such as openssl rand -hex 24 gives.',
      )
    // Not before: one of a letter or two would be taken out of every text, also of that which says so.
    redactor.add(token)
    return token
  } catch (error) {
    if (!(error instanceof SecretUnavailableError)) throw error
    throw new SecretUnavailableError(`--token: ${error.message}`, { cause: error })
  }
}
