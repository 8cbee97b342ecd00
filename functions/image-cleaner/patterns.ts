import { quote } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'

/** Whether a pattern matches the whole of a tag's name. */
export type TagPattern = (name: string) => boolean

/**
 * Compiles a regular expression by RE2's rules, which take time in proportion to the name whatever the pattern. What RE2 does not
 * have (look-around, back-references) is refused with what to write instead. The library is loaded at the first pattern.
 */
export async function compilePattern(text: string): Promise<Result<TagPattern, string>> {
  const { RE2JS, RE2JSException } = await import('re2js')
  try {
    const compiled = RE2JS.compile(text)
    return success((name) => compiled.matches(name))
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    const what = /\(\?[=!<]/.test(text)
      ? 'it looks around, which RE2 does not do; keep by two patterns, or by `tags` and `protected`'
      : /\\[1-9]/.test(text)
        ? 'it refers back to a group, which RE2 does not do'
        : error.message
    return failure(`${quote(text)} is no regular expression that can be used here: ${what}`)
  }
}

/** All of the configured patterns. Throws PatternError for the first that cannot be used. */
export async function compilePatterns(texts: Iterable<string>): Promise<ReadonlyMap<string, TagPattern>> {
  const compiled = new Map<string, TagPattern>()
  for (const text of new Set(texts)) {
    const pattern = await compilePattern(text)
    if (!pattern.ok) throw new PatternError(pattern.error)
    compiled.set(text, pattern.value)
  }
  return compiled
}

/** A configured pattern that cannot be used. Nothing is removed: what it was to keep, nobody knows. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  readonly kind = 'image-cleaner.pattern-invalid'
}
