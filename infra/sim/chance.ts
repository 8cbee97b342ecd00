import { createRandom } from '#infra/sandbox/random.ts'

/**
 * Everything that is left to chance, drawn from a seed. Each matter has a stream of its own, so that one more draw in one matter
 * changes nothing in the others.
 */
export class Chance {
  readonly #seed: number
  readonly next: () => number

  constructor(seed: number, matter: string) {
    this.#seed = Math.imul(seed, 0x9e3779b1) ^ hashOf(matter)
    this.next = createRandom(this.#seed)
  }

  /** Another stream, which depends on the seed and its name and not on what was drawn so far. */
  of(matter: string): Chance {
    return new Chance(this.#seed, matter)
  }

  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  /** A number from `least` to `most` whose order of magnitude is even. */
  magnitude(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.next())
  }

  isTrue(probability: number): boolean {
    return this.next() < probability
  }

  one<Value>(values: readonly Value[]): Value {
    const value = values[this.whole(0, values.length - 1)]
    if (value === undefined) throw new TypeError('There is nothing to choose from.')
    return value
  }

  /** One of these, the first of a pair being how likely it is beside the others. */
  weighed<Value>(choices: readonly (readonly [weight: number, value: Value])[]): Value {
    let left = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, value] of choices) {
      left -= weight
      if (left < 0) return value
    }
    const last = choices.at(-1)
    if (last === undefined) throw new TypeError('There is nothing to choose from.')
    return last[1]
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash
}
