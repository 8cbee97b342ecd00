import { type Signal, signal } from '@preact/signals'
import type { ViewShapes } from './view-shapes.ts'

/** What is known of an answer: the last good one, and what was wrong with the latest, where something was. */
export interface Asked<T> {
  readonly data?: T
  readonly problem?: { readonly code: string; readonly text: string }
}

/** What came back: a status and a text, whatever they say; undefined when nobody answered. */
export type Ask = (path: string) => Promise<{ readonly status: number; readonly text: string } | undefined>

export interface Entry<T> {
  readonly path: string
  readonly state: Signal<Asked<T>>
  /** How many parts of the page show it. */
  watchers: number
  isAsking: boolean
  /** The text that `state` was made of. */
  last: string | undefined
}

export interface Polling {
  /** The state of a view's answer, which is kept when nobody shows it any more: who comes back sees the last one at once. */
  entryOf<K extends keyof ViewShapes>(view: K, query: string): Entry<ViewShapes[K]>
  /** Asks at once, and again every few seconds until what is returned is called; while all rests only for what is not known at all. */
  watch<T>(entry: Entry<T>): () => void
  /** Asks for everything that is shown at once. */
  refresh(): void
  /** Whether anything is asked for: not while the page is hidden or somebody has paused it. */
  run(isRunning: boolean): void
  /** Since when nobody answers, in epoch milliseconds; undefined while the server does. */
  readonly silentSince: Signal<number | undefined>
}

/** So many answers are kept of each view: one for each filter and page that was looked at. */
const mostEntries = 20

/**
 * Asks for what is shown, every few seconds, one request for each at a time. An answer that is the same as the one before changes
 * nothing, so that the page is drawn only when there is something to draw. A refusal keeps what was known and adds its text; silence
 * keeps everything.
 */
export function createPolling(ports: {
  readonly ask: Ask
  readonly everyMs: number
  /** Calls back once, later; what it returns takes that back. */
  readonly later: (then: () => void, ms: number) => () => void
  readonly now: () => number
}): Polling {
  const caches: { readonly [K in keyof ViewShapes]: Map<string, Entry<ViewShapes[K]>> } = {
    platform: new Map(),
    functions: new Map(),
    decisions: new Map(),
    timeline: new Map(),
    registry: new Map(),
    licence: new Map(),
    leases: new Map(),
    approvals: new Map(),
    'dead-letters': new Map(),
    journal: new Map(),
  }
  const watched = new Map<unknown, () => void>()
  const silentSince = signal<number | undefined>(undefined)
  let isRunning = true
  let cancel: (() => void) | undefined

  async function askFor<T>(entry: Entry<T>): Promise<void> {
    if (entry.isAsking) return
    entry.isAsking = true
    const answer = await ports.ask(entry.path)
    entry.isAsking = false
    if (answer === undefined) {
      silentSince.value ??= ports.now()
      return
    }
    silentSince.value = undefined
    const whole = `${answer.status} ${answer.text}`
    if (entry.last === whole) return
    entry.last = whole
    entry.state.value = readAnswer<T>(answer, entry.state.value)
  }

  const askForAll = (): void => {
    for (const askAgain of watched.values()) askAgain()
  }
  const tick = (): void => {
    cancel?.()
    cancel = undefined
    if (!isRunning || watched.size === 0) return
    cancel = ports.later(() => {
      askForAll()
      tick()
    }, ports.everyMs)
  }

  return {
    silentSince,
    entryOf: (view, query) => {
      const cache = caches[view]
      const known = cache.get(query)
      if (known !== undefined) return known
      for (const [key, { watchers }] of cache) {
        if (cache.size < mostEntries) break
        if (watchers === 0) cache.delete(key)
      }
      const entry = { path: `/api/${view}${query}`, state: signal({}), watchers: 0, isAsking: false, last: undefined }
      cache.set(query, entry)
      return entry
    },
    watch: (entry) => {
      entry.watchers += 1
      watched.set(entry, () => void askFor(entry))
      // What was never answered is asked for once also while all rests: who opens it wants to see it.
      if (isRunning || entry.last === undefined) void askFor(entry)
      if (cancel === undefined) tick()
      return () => {
        entry.watchers -= 1
        if (entry.watchers === 0) watched.delete(entry)
      }
    },
    refresh: askForAll,
    run: (shallRun) => {
      if (shallRun === isRunning) return
      isRunning = shallRun
      if (isRunning) askForAll()
      tick()
    },
  }
}

/** An answer of another status than 200 keeps what was known before, and says why in the words of the API. */
export function readAnswer<T>({ status, text }: { readonly status: number; readonly text: string }, before: Asked<T>): Asked<T> {
  const known = before.data === undefined ? {} : { data: before.data }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return { ...known, problem: { code: `http-${status}`, text: `the answer is no JSON: ${text.slice(0, 200)}` } }
  }
  if (status !== 200) return { ...known, problem: problemOf(body) ?? { code: `http-${status}`, text: text.slice(0, 200) } }
  const data: T = JSON.parse(text)
  return { data }
}

/** What `{ error: { code, text } }` says; undefined of anything else. */
export function problemOf(body: unknown): { readonly code: string; readonly text: string } | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined
  const { error } = body
  if (typeof error !== 'object' || error === null || !('code' in error) || !('text' in error)) return undefined
  return { code: String(error.code), text: String(error.text) }
}
