/** The most waves that one spread is cut into: each is a run of its own, and reads the clusters once. */
const mostWaves = 30

const secondMs = 1000

/**
 * When it is a target's turn within the window that begins at a firing: an instant from `nominalMs` up to, and without,
 * `nominalMs + spreadMs`. It depends on the target's name (with its cluster: `cls-1/default/Deployment/web`) and on nothing
 * else, so every runner says the same, and a target has the same place in every window: two firings ten minutes apart stay
 * ten minutes apart. Names spread evenly over at most 30 waves, a whole number of seconds apart. Without a spread, or with
 * one of a second or less, everybody's turn is the instant itself.
 */
export function turnOf(targetName: string, nominalMs: number, spreadMs: number): number {
  const waveMs = waveLengthOf(spreadMs)
  const waves = Math.ceil(spreadMs / waveMs)
  if (!(waves > 1)) return nominalMs
  return nominalMs + Math.floor((hashOf(targetName) / 0x1_0000_0000) * waves) * waveMs
}

/** How far apart the waves of a spread are: whole seconds. */
export function waveLengthOf(spreadMs: number): number {
  return Math.max(1, Math.ceil(spreadMs / mostWaves / secondMs)) * secondMs
}

/** 32 bits of a text, every one of them depending on all of it (FNV-1a, then the last step of MurmurHash3). */
function hashOf(text: string): number {
  let hash = 0x811c_9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
