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

/** What removals of this process came to, by repository. */
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
  const freed = createGlance(async () => await removals.count(), { keepMs: keepFreedMs, wallNow })
  return {
    look: async () => {
      const patience = new AbortController()
      const late = sleep(patienceMs, { problem: last === undefined ? being : undefined }, { signal: patience.signal })
      try {
        const { problem } = await Promise.race([listing.look(), late])
        return {
          ...(last === undefined ? {} : { listing: last }),
          freed: await freed.look(),
          ...(problem === undefined ? {} : { problem }),
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

/**
 * Counts what was removed by what the journal has: an intent with the tags and their sizes, and an outcome that says that all of them
 * went. What went in part only is not counted, for the journal does not say which part.
 */
class Removals {
  readonly #options: RegistryReadingOptions
  readonly #freed = new Map<string, { readonly tags: number; readonly bytes: number }>()
  readonly #intents = new Map<string, JournalEntry>()
  #seq = 0
  #fromMs: number

  constructor(options: RegistryReadingOptions) {
    this.#options = options
    this.#fromMs = options.sinceMs
  }

  async count(): Promise<FreedSpace> {
    const { kernel, now } = this.#options.platform
    if (kernel === undefined) return this.#freed
    const { journal } = kernel.of(definition.name, 'npm start, status')
    const entries = await journal.list({ now: now(), from: this.#fromMs, limit: mostEntries })
    for (const entry of entries) {
      if (entry.seq <= this.#seq) continue
      this.#seq = entry.seq
      this.#fromMs = Math.max(this.#fromMs, entry.at)
      const key = JSON.stringify([entry.stepKey, entry.attempt])
      if (entry.kind === 'intent') this.#intents.set(key, entry)
      if (entry.kind !== 'outcome') continue
      const intent = this.#intents.get(key)
      this.#intents.delete(key)
      if (entry.outcome === 'Applied' && entry.reason.code !== 'partly-removed') this.#add(intent?.step)
    }
    return this.#freed
  }

  #add(step: unknown): void {
    const change = z.safeParse(RemovalStep, step).data?.change
    if (change?.kind !== 'remove') return
    const contents = new Map(change.tags.map(({ contentId, sizeBytes }) => [contentId, sizeBytes]))
    const before = this.#freed.get(change.repository) ?? { tags: 0, bytes: 0 }
    this.#freed.set(change.repository, { tags: before.tags + change.tags.length, bytes: before.bytes + sum(contents.values()) })
  }
}

const RemovalStep = z.looseObject({ change: ImageChange })
