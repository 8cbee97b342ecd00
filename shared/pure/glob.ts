import { failure, type Result, success } from './result.ts'

/** A parsed glob. Plain data: each part is a literal, or what stands for any character or any run of them. */
export interface Glob {
  readonly pattern: string
  readonly parts: readonly GlobPart[]
}

type GlobPart =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'one' }
  /** `*` stops at a slash, `**` does not. */
  | { readonly kind: 'run'; readonly acrossSlashes: boolean }

/**
 * Reads a glob over names with slashes: `*` is any run without a slash, `**` any run at all, `?` one character but a slash.
 * Brackets, braces, `!` in front and backslashes are refused, so that a pattern written for another tool does not silently
 * mean something else here. An empty pattern matches the empty name only.
 */
export function parseGlob(pattern: string): Result<Glob, string> {
  const unsupported = /[[\]{}\\]|^!/.exec(pattern)
  if (unsupported !== null) {
    return failure(`glob ${JSON.stringify(pattern)} uses ${unsupported[0]}, which is not supported: only *, ** and ? are special`)
  }
  const parts: GlobPart[] = []
  for (const [text] of pattern.matchAll(/\*+|\?|[^*?]+/g)) {
    if (text === '?') parts.push({ kind: 'one' })
    else if (text.startsWith('*')) {
      if (text.length > 2) return failure(`glob ${JSON.stringify(pattern)} has ${text.length} stars in a row; write * or **`)
      parts.push({ kind: 'run', acrossSlashes: text.length === 2 })
    } else parts.push({ kind: 'literal', text })
  }
  return success({ pattern, parts })
}

/** Whether a glob can match any name that begins with this. It may say yes where there is none, never no where there is one. */
export function mayMatchFrom(glob: Glob, beginning: string): boolean {
  const [first] = glob.parts
  return first?.kind !== 'literal' || first.text.startsWith(beginning) || beginning.startsWith(first.text)
}

/**
 * Whether a glob matches the whole of a name. Takes time in proportion to the two lengths multiplied, whatever the pattern:
 * it keeps the set of places in the name that the parts so far can have reached, and never goes back.
 */
export function matchesGlob(glob: Glob, name: string): boolean {
  const [first] = glob.parts
  const last = glob.parts.at(-1)
  // Most names do not match, and most of them show it at one of their ends.
  if (first?.kind === 'literal' && !name.startsWith(first.text)) return false
  if (last?.kind === 'literal' && !name.endsWith(last.text)) return false
  let places = new Set([0])
  for (const part of glob.parts) {
    const next = new Set<number>()
    for (const place of places) {
      if (part.kind === 'literal') {
        if (name.startsWith(part.text, place)) next.add(place + part.text.length)
      } else if (part.kind === 'one') {
        if (place < name.length && name[place] !== '/') next.add(place + 1)
      } else {
        for (let reached = place; !next.has(reached); reached += 1) {
          next.add(reached)
          if (reached >= name.length || (name[reached] === '/' && !part.acrossSlashes)) break
        }
      }
    }
    places = next
  }
  return places.has(name.length)
}
