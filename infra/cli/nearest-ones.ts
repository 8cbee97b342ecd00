import { nearest } from '#shared/pure/nearest.ts'

const mostSuggested = 3

/** The names that are most like one. */
export function nearestOnes(word: string, candidates: readonly string[]): readonly string[] {
  const near: string[] = []
  for (let left = candidates; near.length < mostSuggested; left = left.filter((one) => !near.includes(one))) {
    const next = nearest(word, left)
    if (next === undefined) break
    near.push(next)
  }
  return near
}
