import { quote } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'

/** Whether a pattern matches the whole of a tag's name. */
export type TagPattern = (name: string) => boolean

/**
 * Compiles a regular expression by RE2's rules, which take time in proportion to the name whatever the pattern. What RE2 does not
 * have (look-around, back-references) is refused; `instead` says what to write. The library is loaded at the first pattern.
 */
export async function compileTagPattern(
  text: string,
  instead = 'use two patterns, or a list of tags',
): Promise<Result<TagPattern, string>> {
  const { RE2JS, RE2JSException } = await import('re2js')
  try {
    const compiled = RE2JS.compile(text)
    return success((name) => compiled.matches(name))
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    const what = /\(\?[=!<]/.test(text)
      ? `it looks around, which RE2 does not do; ${instead}`
      : /\\[1-9]/.test(text)
        ? 'it refers back to a group, which RE2 does not do'
        : error.message
    return failure(`${quote(text)} is no regular expression that can be used here: ${what}`)
  }
}
