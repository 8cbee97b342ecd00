import { digestOf } from '#shared/pure/digest.ts'

/** Longest name of a tag that registries take. */
const longestTag = 128

/** The tag under which a removed one is copied: always the same, so that a repeated run makes no second copy. */
export function copyTag(repository: string, tag: string): string {
  return `${digestOf([repository, tag]).slice(0, 16)}-${tag}`.slice(0, longestTag)
}
