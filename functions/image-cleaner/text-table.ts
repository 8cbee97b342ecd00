/** Of what a digest ends with so many digits are looked at: they are as good as all of it. */
const digestTail = 16

/**
 * Keeps the number that came first with each of many texts. For the ids and names of a large registry, of which there are millions
 * and most come once: it is quicker than a Map, and leaves the collector less to look through.
 */
export class TextTable {
  readonly #texts: string[]
  #count = 0
  #hashes: Int32Array
  #numbers: Int32Array
  /** By hash: the place of a text plus 1, 0 where there is none. A power of two, and never more than half full. */
  #slots: Int32Array

  /** @param expected so many texts fit without growing */
  constructor(expected: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(8, expected * 2)))
    this.#texts = new Array(size / 2)
    this.#hashes = new Int32Array(size / 2)
    this.#numbers = new Int32Array(size / 2)
    this.#slots = new Int32Array(size)
  }

  /** So many different texts. */
  get size(): number {
    return this.#count
  }

  has(text: string): boolean {
    return this.#slots[this.#slotOf(text, hashOf(text))] !== 0
  }

  /** The number that came with a text before, or, when it is new, this one. */
  firstOf(text: string, number: number): number {
    const hash = hashOf(text)
    const slot = this.#slotOf(text, hash)
    const found = this.#slots[slot] ?? 0
    if (found !== 0) return this.#numbers[found - 1] ?? number
    if (this.#count === this.#hashes.length) {
      this.#grow()
      return this.firstOf(text, number)
    }
    this.#texts[this.#count] = text
    this.#hashes[this.#count] = hash
    this.#numbers[this.#count] = number
    this.#count += 1
    this.#slots[slot] = this.#count
    return number
  }

  /** Where a text is, or would be. */
  #slotOf(text: string, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hash & mask
    for (let found = slots[slot] ?? 0; found !== 0; found = slots[slot] ?? 0) {
      if (this.#hashes[found - 1] === hash && this.#texts[found - 1] === text) return slot
      slot = (slot + 1) & mask
    }
    return slot
  }

  #grow(): void {
    this.#hashes = twice(this.#hashes)
    this.#numbers = twice(this.#numbers)
    this.#slots = new Int32Array(this.#slots.length * 2)
    const mask = this.#slots.length - 1
    for (let place = 0; place < this.#count; place += 1) {
      let slot = (this.#hashes[place] ?? 0) & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = place + 1
    }
  }
}

function twice(numbers: Int32Array): Int32Array {
  const more = new Int32Array(numbers.length * 2)
  more.set(numbers)
  return more
}

/** Of the whole text, FNV-1a by code units; of a digest of its end. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5 ^ text.length
  for (let at = text.startsWith('sha256:') ? Math.max(0, text.length - digestTail) : 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  // Texts that differ in their last character only are to be far apart.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}
