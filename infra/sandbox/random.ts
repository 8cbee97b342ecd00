/**
 * Numbers in [0, 1) that repeat with the seed (sfc32, seeded through splitmix32). Fast and even enough for a simulation;
 * never for a secret.
 */
export function createRandom(seed: number): () => number {
  let splitter = seed | 0
  const word = () => {
    splitter = (splitter + 0x9e3779b9) | 0
    let mixed = splitter ^ (splitter >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  let a = word()
  let b = word()
  let c = word()
  let counter = 1
  return () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return (sum >>> 0) / 0x1_0000_0000
  }
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** `length` lower-case letters and digits. */
export function randomLetters(random: () => number, length: number): string {
  let text = ''
  for (let index = 0; index < length; index++) {
    text += alphabet[Math.floor(random() * alphabet.length)]
  }
  return text
}

/** A text of the shape of a version 4 UUID, as RequestId. */
export function randomUuid(random: () => number): string {
  const hex = (digits: number) =>
    Math.floor(random() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0')
  return `${hex(8)}-${hex(4)}-4${hex(3)}-${(8 + Math.floor(random() * 4)).toString(16)}${hex(3)}-${hex(8)}${hex(4)}`
}

/**
 * The id that a world gives out next: prefix, dash, eight letters and digits. Depends only on the seed and on how many
 * ids the world has given out, so a saved world goes on where it stopped and never repeats an id by accident.
 */
export function nextId(world: { counter: number }, seed: number, prefix: string): string {
  world.counter += 1
  return `${prefix}-${randomLetters(createRandom(Math.imul(seed, 0x85ebca6b) ^ world.counter), 8)}`
}
