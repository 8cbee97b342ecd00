/**
 * The candidate that a misspelt word most probably means, for error messages; undefined when none is near enough to be worth
 * a guess (more than a third of the letters wrong). Case counts little, neighbouring letters changed over count once; among
 * equals the first candidate wins.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const most = Math.max(1.1, Math.max(word.length, candidate.length) / 3)
    // What differs so much in length alone is far, and a stranger's word may be very long.
    if (Math.abs(word.length - candidate.length) > most) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase()) + (word === candidate ? 0 : 0.1)
    if (distance < bestDistance && distance <= most) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** How many letters must be put in, left out, replaced or changed over with a neighbour to make one word of the other. */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1]
      let distance = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1))
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        distance = Math.min(distance, at(beforeLast, column - 2) + 1)
      }
      current.push(distance)
    }
    beforeLast = last
    last = current
  }
  return at(last, to.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
