import type { Result } from '#shared/pure/result.ts'
import { compileTagPattern, type TagPattern } from '#shared/runtime/tag-pattern.ts'

export type { TagPattern }

/** Compiles a pattern of a policy, which matches the whole of a tag's name. */
export async function compilePattern(text: string): Promise<Result<TagPattern, string>> {
  return await compileTagPattern(text, 'keep by two patterns, or by `tags` and `protected`')
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
