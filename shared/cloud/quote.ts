/** Longer than anything that is said to somebody. */
const longestQuote = 32_768

/**
 * A text from outside for the message of an error: on one line, without control characters, and with `(hidden)` in place of each
 * of `secrets`.
 *
 * It is passed on whole or, when it is longer than 32768 characters, not at all. Logs and journals take out what is secret first
 * and shorten afterwards; shortened here, a secret could lose its end, and nobody would recognise it any more.
 */
export function quote(text: string, secrets: readonly string[] = []): string {
  if (text.length > longestQuote) return `(a text of ${text.length} characters, which is not shown)`
  let clean = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').trim()
  for (const secret of secrets) if (secret !== '') clean = clean.replaceAll(secret, '(hidden)')
  return clean
}
