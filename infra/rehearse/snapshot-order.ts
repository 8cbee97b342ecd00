/** The order of names in a snapshot: by code unit, the same on every machine. */
export function byName(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** An instant as a snapshot writes it. */
export function instantOf(ms: number): string {
  return new Date(ms).toISOString()
}
