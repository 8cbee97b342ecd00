/**
 * What could not be read, as a sentence for people: for errors of this product, which all have a kind and say what to do. Throws every
 * other one again: that is a bug, and no view of anything.
 */
export function problemText(error: unknown): string {
  if (error instanceof Error && 'kind' in error) return error.message
  throw error
}
