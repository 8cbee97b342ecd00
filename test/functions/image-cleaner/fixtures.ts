import { Settings } from '#functions/image-cleaner/event.ts'
import type { ObservedTag } from '#functions/image-cleaner/image.ts'
import type { ImageReference } from '#functions/image-cleaner/references.ts'

export const now = Date.parse('2026-11-24T03:00:00Z')
export const dayMs = 86_400_000

let row = 0

/** A tag of content of its own, pushed so many days ago. */
export function tagOf(name: string, daysAgo: number, more: Partial<ObservedTag> = {}): ObservedTag {
  row += 1
  return {
    name,
    contentId: `sha256:${row.toString(16).padStart(64, '0')}`,
    sizeBytes: 1000,
    pushedMs: now - daysAgo * dayMs,
    patterns: [],
    ...more,
  }
}

export function settingsOf(settings: object): Settings {
  return Settings.parse({ canary: { enabled: false }, ...settings })
}

/** Settings with one policy over everything. */
export function keeping(keep: object, more: object = {}): Settings {
  return settingsOf({ policies: [{ name: 'all', repositories: ['**'], keep }], ...more })
}

export function useOf(
  repository: string,
  image: { readonly tag?: string; readonly digest?: string },
  more: Partial<ImageReference> = {},
): ImageReference {
  return { repository, ...image, via: 'workload', cluster: 'cls-1', object: 'Deployment prod/web, container app', seenMs: now, ...more }
}
