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
  let current: { readonly reading: Promise<T>; readonly startMs: number; goodUntil: number; isForgotten: boolean } | undefined
  return {
    look: () => {
      const startMs = wallNow()
      // A clock that was set back must not keep what was read by the old one.
      if (current !== undefined && startMs >= current.startMs && startMs < current.goodUntil) return current.reading
      const reading = read()
      const mine = { reading, startMs, goodUntil: Number.POSITIVE_INFINITY, isForgotten: false }
      current = mine
      const settle = (): void => {
        const endMs = wallNow()
        mine.goodUntil = mine.isForgotten ? Number.NEGATIVE_INFINITY : endMs + Math.max(keepMs, (endMs - startMs) / mostShare)
      }
      reading.then(settle, settle)
      return reading
    },
    forget: () => {
      // What is being read may be as it was before.
      if (current?.goodUntil === Number.POSITIVE_INFINITY) current.isForgotten = true
      else current = undefined
    },
  }
}
