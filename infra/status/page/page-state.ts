import { computed, effect, signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { createFormats } from './formats.ts'
import { type Asked, createPolling } from './polling.ts'
import { type Route, routeOf } from './routes.ts'
import type { ViewShapes } from './view-shapes.ts'
import { dictionaries, type Language, languageFor, languageTags } from './words.ts'

/** What the whole page knows: where it is, in which language and colours, and what the server said last. */

const pollEveryMs = 2000
/** Longer than that is no answer. */
const answerWithinMs = 10_000

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

export const language = signal<Language>(languageFor(remembered('language'), navigator.languages))
export const words = computed(() => dictionaries[language.value])
export const formats = computed(() => createFormats(language.value, Intl.DateTimeFormat().resolvedOptions().timeZone))

export const theme = signal<Theme>(themes.find((one) => one === remembered('theme')) ?? 'system')
/** Grows whenever the colours change, also with the system: what is drawn on a canvas looks at it. */
export const colours = signal(0)

export const route = signal<Route>(routeOf(location.hash))

export const isPaused = signal(false)

/** What is read out by a screen reader when it changes. */
export const announcement = signal('')

export const polling = createPolling({
  everyMs: pollEveryMs,
  now: () => Date.now(),
  later: (then, ms) => {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
  ask: async (path) => {
    try {
      const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(answerWithinMs) })
      return { status: response.status, text: await response.text() }
    } catch {
      // Refused, cut off or too late: that nobody answered is all there is to say.
      return undefined
    }
  },
})

/** What is known of a view's answer; asks for it as long as the part that uses it is shown. */
export function useView<K extends keyof ViewShapes>(view: K, query = ''): Asked<ViewShapes[K]> {
  const entry = polling.entryOf(view, query)
  useEffect(() => polling.watch(entry), [entry])
  return entry.state.value
}

/** The platform's time as it was said last, in epoch milliseconds; this machine's until the first answer. */
export function usePlatformNow(): number {
  const { data } = polling.entryOf('platform', '').state.value
  return data === undefined ? Date.now() : Date.parse(data.now)
}

/** Begins to follow the address, the tab and the choices. Called once. */
export function followPage(): void {
  const root = document.documentElement
  addEventListener('hashchange', () => {
    route.value = routeOf(location.hash)
  })
  document.addEventListener('visibilitychange', () => {
    polling.run(!document.hidden && !isPaused.value)
  })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    colours.value += 1
  })
  effect(() => polling.run(!isPaused.value && !document.hidden))
  effect(() => {
    root.lang = languageTags[language.value]
  })
  effect(() => {
    if (theme.value === 'system') delete root.dataset.theme
    else root.dataset.theme = theme.value
    colours.value = colours.peek() + 1
  })
}

/** Speaks another language from now on, and the next time as well. */
export function chooseLanguage(chosen: Language): void {
  language.value = chosen
  remember('language', chosen)
}

/** Wears other colours from now on, and the next time as well. */
export function chooseTheme(chosen: Theme): void {
  theme.value = chosen
  remember('theme', chosen)
}

function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`longshore.${name}`)
  } catch {
    // A browser that keeps nothing for this page: the choice holds until it is closed.
    return null
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`longshore.${name}`, value)
  } catch {
    // As above.
  }
}
