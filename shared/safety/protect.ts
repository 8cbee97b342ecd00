import { type Glob, matchesGlob } from '#shared/pure/glob.ts'

/** The first glob that keeps a target from being changed; undefined when none does. */
export function protectedBy(globs: readonly Glob[], target: string): Glob | undefined {
  return globs.find((glob) => matchesGlob(glob, target))
}
