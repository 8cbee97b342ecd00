/**
 * A short name for a list of values: the same values in the same order give the same 40 hexadecimal digits, on every machine
 * and in every run. For keys that recognise a repeated decision; two different lists do not share one by accident.
 */
export function digestOf(values: readonly (string | number | boolean | null)[]): string {
  return sha256(JSON.stringify(values)).slice(0, 40)
}

/** SHA-256 of a text's UTF-8 bytes (FIPS 180-4), in hexadecimal. Here because shared/pure imports nothing, Node included. */
export function sha256(text: string): string {
  const bytes = new TextEncoder().encode(text)
  // The message, one bit, zeros, and its length in bits in the last eight bytes.
  const padded = new Uint8Array((Math.floor((bytes.length + 8) / 64) + 1) * 64)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 0x2000_0000))
  view.setUint32(padded.length - 4, (bytes.length << 3) >>> 0)

  const state = Int32Array.from(initialState)
  const schedule = new Int32Array(64)
  for (let offset = 0; offset < padded.length; offset += 64) {
    for (let round = 0; round < 16; round += 1) schedule[round] = view.getInt32(offset + round * 4)
    for (let round = 16; round < 64; round += 1) {
      const early = schedule[round - 15] ?? 0
      const late = schedule[round - 2] ?? 0
      const mixedEarly = turned(early, 7) ^ turned(early, 18) ^ (early >>> 3)
      const mixedLate = turned(late, 17) ^ turned(late, 19) ^ (late >>> 10)
      schedule[round] = (schedule[round - 16] ?? 0) + mixedEarly + (schedule[round - 7] ?? 0) + mixedLate
    }
    compress(state, schedule)
  }
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

function compress(state: Int32Array, schedule: Int32Array): void {
  // One by one: taking an array apart costs more than the rounds themselves.
  let a = state[0] ?? 0
  let b = state[1] ?? 0
  let c = state[2] ?? 0
  let d = state[3] ?? 0
  let e = state[4] ?? 0
  let f = state[5] ?? 0
  let g = state[6] ?? 0
  let h = state[7] ?? 0
  for (let round = 0; round < 64; round += 1) {
    const choice = (e & f) ^ (~e & g)
    const first = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + choice + (roundConstants[round] ?? 0) + (schedule[round] ?? 0)) | 0
    const majority = (a & b) ^ (a & c) ^ (b & c)
    const second = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + majority) | 0
    h = g
    g = f
    f = e
    e = (d + first) | 0
    d = c
    c = b
    b = a
    a = (first + second) | 0
  }
  state[0] = (state[0] ?? 0) + a
  state[1] = (state[1] ?? 0) + b
  state[2] = (state[2] ?? 0) + c
  state[3] = (state[3] ?? 0) + d
  state[4] = (state[4] ?? 0) + e
  state[5] = (state[5] ?? 0) + f
  state[6] = (state[6] ?? 0) + g
  state[7] = (state[7] ?? 0) + h
}

function turned(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits))
}

const primes = firstPrimes(64)

/** The first 32 bits of the fractional parts of the square roots of the first 8 primes, and of the cube roots of the first 64. */
const initialState = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)))
const roundConstants = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)))

function fraction(root: number): number {
  return Math.floor((root - Math.floor(root)) * 0x1_0000_0000) | 0
}

function firstPrimes(count: number): number[] {
  const found: number[] = []
  for (let candidate = 2; found.length < count; candidate += 1) {
    if (found.every((prime) => candidate % prime !== 0)) found.push(candidate)
  }
  return found
}
