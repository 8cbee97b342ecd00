/** Something that is read from elsewhere when somebody wants to see it, and not more often than is reasonable. */
export interface Glance<T> {
  /** What was read within the last while, or what is read now; whoever asks meanwhile gets the same. Rejects as reading does. */
  look(): Promise<T>
  /** Reads anew at the next look, because it is known to be different. */
  forget(): void
}

/** While a reading takes longer, it is taken less often: it may not keep what it reads from busy for more than this part of the time. */
const mostShare = 0.05

/**
 * Makes a glance. `keepMs` is how long a reading is good for; a slow one is good for longer. What could not be read is asked for again
 * after the same time, so that a page that looks every two seconds is no burden to a platform that is not well.
 */
export function createGlance<T>(
  read: () => Promise<T>,
  { keepMs, wallNow }: { readonly keepMs: number; readonly wallNow: () => number },
): Glance<T> {
  let current: { readonly reading: Promise<T>; goodUntil: number } | undefined
  return {
    look: () => {
      const startMs = wallNow()
      if (current !== undefined && startMs < current.goodUntil) return current.reading
      const reading = read()
      const mine = { reading, goodUntil: Number.POSITIVE_INFINITY }
      current = mine
      const settle = (): void => {
        const endMs = wallNow()
        mine.goodUntil = endMs + Math.max(keepMs, (endMs - startMs) / mostShare)
      }
      reading.then(settle, settle)
      return reading
    },
    forget: () => {
      if (current !== undefined && current.goodUntil !== Number.POSITIVE_INFINITY) current = undefined
    },
  }
}
