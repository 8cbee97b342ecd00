import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod/mini'
import { definition } from '#functions/image-cleaner/definition.ts'
import { ImageChange } from '#functions/image-cleaner/image-change.ts'
import { readerOf } from '#functions/image-cleaner/registry-of.ts'
import { recallCopies } from '#functions/image-cleaner/run-memory.ts'
import type { Platform } from '#infra/local/platform.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import type { JournalEntry } from '#shared/safety/journal-entry.ts'
import { createGlance } from './glance.ts'
import { problemText } from './problem-text.ts'

/** What a repository holds: contents once each, however many tags they have. */
export interface ListedSpace {
  readonly tags: number
  readonly bytes: number
  readonly contents: ReadonlyMap<string, number>
}

/** A listing of the whole registry. */
export interface RegistryListing {
  readonly atMs: number
  readonly repositories: ReadonlyMap<string, ListedSpace>
  /** Copies that can be brought back, by the repository that they were in. */
  readonly quarantined: ReadonlyMap<string, number>
}

/** What was given back of what this process has removed, by repository. */
export type FreedSpace = ReadonlyMap<string, { readonly tags: number; readonly bytes: number }>

export interface RegistryLook {
  readonly listing?: RegistryListing
  readonly freed: FreedSpace
  /** Why it is not known, or not known yet. */
  readonly problem?: string
}

/** Looks at the registry when somebody wants to see it. */
export interface RegistryReading {
  look(): Promise<RegistryLook>
}

export interface RegistryReadingOptions {
  readonly platform: Pick<Platform, 'cloud' | 'config' | 'kernel' | 'store' | 'now'>
  /** Removals before it were made by others; epoch milliseconds. */
  readonly sinceMs: number
  /** How long a listing is good for. */
  readonly keepMs: number
  readonly wallNow: () => number
}

/** Whoever asks while a large registry is listed for the first time is told so instead of being kept waiting. */
const patienceMs = 1500

/** Removals are in the journal, which is close by. */
const keepFreedMs = 2000

const being = 'The registry is being read; that takes a while where it is large.'

/** Makes the reading. Nothing is asked for until somebody looks. */
export function createRegistryReading(options: RegistryReadingOptions): RegistryReading {
  const { platform, keepMs, wallNow } = options
  let last: RegistryListing | undefined
  const listing = createGlance(
    async (): Promise<{ readonly problem?: string }> => {
      try {
        last = await listRegistry(platform)
        return {}
      } catch (error) {
        return { problem: problemText(error) }
      }
    },
    { keepMs, wallNow },
  )
  const removals = new Removals(options)
  const freed = createGlance(
    async (): Promise<{ readonly freed: FreedSpace; readonly problem?: string }> => {
      try {
        return { freed: await removals.count(last) }
      } catch (error) {
        return { freed: removals.counted, problem: `What was removed cannot be read: ${problemText(error)}` }
      }
    },
    { keepMs: keepFreedMs, wallNow },
  )
  return {
    look: async () => {
      const patience = new AbortController()
      const late = sleep(patienceMs, { problem: last === undefined ? being : undefined }, { signal: patience.signal })
      try {
        const { problem } = await Promise.race([listing.look(), late])
        const removed = await freed.look()
        const problems = [problem, removed.problem].filter((text) => text !== undefined)
        return {
          ...(last === undefined ? {} : { listing: last }),
          freed: removed.freed,
          ...(problems.length === 0 ? {} : { problem: problems.join(' ') }),
        }
      } finally {
        patience.abort()
        await Promise.allSettled([late])
      }
    },
  }
}

/** Repositories that are listed at the same time; the platform's rate limits them further. */
const atOnce = 4

async function listRegistry({ cloud, config, store, now }: RegistryReadingOptions['platform']): Promise<RegistryListing> {
  const atMs = now()
  const { settings } = await functionConfig(config, definition)
  const { registry } = readerOf(cloud, settings)
  const names = [...(await registry.repositories())]
  const repositories = new Map<string, ListedSpace>()
  const takeOn = async (): Promise<void> => {
    for (let next = names.shift(); next !== undefined; next = names.shift()) {
      const tags = await registry.tags(next.name, next.tags)
      const contents = new Map(tags.map(({ contentId, sizeBytes }) => [contentId, sizeBytes]))
      repositories.set(next.name, { tags: tags.length, bytes: sum(contents.values()), contents })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, takeOn))
  const memory = store === undefined ? undefined : createMemory(store, { function: definition.name, now: () => atMs })
  const copies = memory === undefined ? [] : await recallCopies(memory)
  const there = copies.filter(({ untilMs, backMs }) => untilMs > atMs && backMs === undefined)
  const quarantined = Map.groupBy(there, ({ repository }) => repository)
  return { atMs, repositories, quarantined: new Map([...quarantined].map(([repository, own]) => [repository, own.length])) }
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

/** So many entries are read at most in one go; more than that are not made between two looks. */
const mostEntries = 20_000
const readAtOnce = 50

/** So many removed tags are followed until they are gone: in a quarantine, or as other tags of the same content, they may stay for long. */
const mostFollowed = 50_000

interface RemovedTag {
  readonly repository: string
  readonly contentId: string
  readonly sizeBytes: number
  readonly atMs: number
}

/**
 * Counts what was given back: tags that the journal says were removed (an intent with the tags and their sizes, and an outcome that says
 * that all of them went), once no repository has their content any more. What a quarantine or another tag still has takes its space as
 * before, and what was brought back was never freed. What went in part only is not counted, for the journal does not say which part.
 */
class Removals {
  readonly #options: RegistryReadingOptions
  readonly #freed = new Map<string, { readonly tags: number; readonly bytes: number }>()
  readonly #intents = new Map<string, JournalEntry>()
  /** Removed, and at the last look still in some repository. */
  #followed: RemovedTag[] = []
  #seq: number | undefined

  constructor(options: RegistryReadingOptions) {
    this.#options = options
  }

  /** As it was counted last. */
  get counted(): FreedSpace {
    return this.#freed
  }

  /** What was freed by the listing: it is the same moment that the sizes of what is kept are of. */
  async count(listing: RegistryListing | undefined): Promise<FreedSpace> {
    for (const entry of await this.#newEntries()) this.#take(entry)
    if (this.#followed.length > mostFollowed) this.#followed = this.#followed.slice(-mostFollowed)
    if (listing !== undefined) this.#settle(listing)
    return this.#freed
  }

  /** By their places in the chain: a clock that was set back must not hide any. */
  async #newEntries(): Promise<readonly JournalEntry[]> {
    const { kernel, now } = this.#options.platform
    if (kernel === undefined) return []
    const { journal } = kernel.of(definition.name, 'npm start, status')
    const { seq: end } = await journal.end({ now: now() })
    const after = this.#seq
    const entries: JournalEntry[] = []
    if (after === undefined) {
      const all = await journal.list({ now: now(), from: this.#options.sinceMs, limit: mostEntries })
      this.#seq = end
      return all.filter(({ seq }) => seq <= end)
    }
    for (let seq = Math.max(after, end - mostEntries) + 1; seq <= end; seq += readAtOnce) {
      const places = Array.from({ length: Math.min(readAtOnce, end - seq + 1) }, (_, index) => seq + index)
      const read = await Promise.all(places.map(async (place) => await journal.show(place, { now: now() })))
      entries.push(...read.filter((entry) => entry !== undefined))
    }
    this.#seq = end
    return entries
  }

  #take(entry: JournalEntry): void {
    const key = JSON.stringify([entry.stepKey, entry.attempt])
    if (entry.kind === 'intent') this.#intents.set(key, entry)
    if (entry.kind !== 'outcome') return
    const intent = this.#intents.get(key)
    this.#intents.delete(key)
    if (entry.outcome !== 'Applied' || entry.reason.code === 'partly-removed') return
    const change = z.safeParse(RemovalStep, intent?.step).data?.change
    if (change?.kind !== 'remove') return
    const { repository } = change
    for (const { contentId, sizeBytes } of change.tags) this.#followed.push({ repository, contentId, sizeBytes, atMs: entry.at })
  }

  #settle({ atMs, repositories }: RegistryListing): void {
    if (this.#followed.length === 0) return
    const there = new Set([...repositories.values()].flatMap(({ contents }) => [...contents.keys()]))
    // A listing that began before may have missed what was moved to a repository that it had seen already.
    const isGone = (tag: RemovedTag): boolean => tag.atMs < atMs && !there.has(tag.contentId)
    const counted = new Set<string>()
    const followed: RemovedTag[] = []
    for (const tag of this.#followed) {
      if (!isGone(tag)) {
        followed.push(tag)
        continue
      }
      const before = this.#freed.get(tag.repository) ?? { tags: 0, bytes: 0 }
      const bytes = counted.has(tag.contentId) ? 0 : tag.sizeBytes
      counted.add(tag.contentId)
      this.#freed.set(tag.repository, { tags: before.tags + 1, bytes: before.bytes + bytes })
    }
    this.#followed = followed
  }
}

const RemovalStep = z.looseObject({ change: ImageChange })
