import type { ComponentType, JSX } from 'preact'
import { Component } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import {
  announcement,
  chooseLanguage,
  chooseTheme,
  formats,
  isPaused,
  language,
  polling,
  route,
  theme,
  themes,
  useView,
  words,
} from './page-state.ts'
import { Empty, Notice } from './parts/loaded.tsx'
import { lastResult, OrderDialog } from './parts/order-dialog.tsx'
import { When } from './parts/when.tsx'
import { hashOf, type ViewName, viewNames } from './routes.ts'
import { Approvals } from './views/approvals.tsx'
import { DeadLetters } from './views/dead-letters.tsx'
import { Decisions } from './views/decisions.tsx'
import { Journal } from './views/journal.tsx'
import { Leases } from './views/leases.tsx'
import { Licence } from './views/licence.tsx'
import { Overview } from './views/overview.tsx'
import { Registry } from './views/registry.tsx'
import { Timeline } from './views/timeline.tsx'
import { languages, languageTags } from './words.ts'

const pages: Readonly<Record<ViewName, ComponentType>> = {
  overview: Overview,
  decisions: Decisions,
  timeline: Timeline,
  registry: Registry,
  licence: Licence,
  leases: Leases,
  approvals: Approvals,
  'dead-letters': DeadLetters,
  journal: Journal,
}

/** How a language calls itself. */
const ownNames = { en: 'English', zh: '中文' } as const

/** The whole page: what is said on top of every view, the way between them, and the one that the address names. */
export function App(): JSX.Element {
  const { value: text } = words
  const { view } = route.value
  const { data: platform } = polling.entryOf('platform', '').state.value
  const heading = useRef<HTMLHeadingElement>(null)
  const isFirst = useRef(true)
  useEffect(() => {
    document.title = text.title(view === undefined ? text.noSuchView : text.views[view])
  }, [text, view])
  // For each change of the view: whoever goes to another is taken to its beginning; who just came is left where the browser puts them.
  useEffect(() => {
    lastResult.value = undefined
    if (!isFirst.current) heading.current?.focus()
    isFirst.current = false
  }, [view])
  const Page = view === undefined ? undefined : pages[view]
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it goes to a place in this page, but must leave the address, which names the view. */}
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          document.getElementById('main')?.focus()
        }}
      >
        {text.skipToContent}
      </a>
      <Top />
      <div class="columns">
        <Navigation current={view} />
        <main id="main" tabIndex={-1}>
          <Silence />
          {lastResult.value === undefined ? null : (
            <div class="notice plain result">
              <p>{lastResult.value}</p>
              <button
                type="button"
                class="plain small"
                onClick={() => {
                  lastResult.value = undefined
                }}
              >
                {text.dismiss}
              </button>
            </div>
          )}
          <h1 ref={heading} tabIndex={-1}>
            {view === undefined ? text.noSuchView : text.views[view]}
          </h1>
          {view === undefined || Page === undefined ? (
            <Empty title={text.noSuchView} help={text.noSuchViewHelp} />
          ) : (
            <>
              <p class="lead">{text.about[view]}</p>
              <Guard key={view}>
                <Page />
              </Guard>
            </>
          )}
          <p class="foot faint">
            {text.timesAreIn(formats.value.zone)}
            {platform === undefined || platform.writable ? null : ` ${text.readOnlyHelp}`}
          </p>
        </main>
      </div>
      <OrderDialog />
      <output class="voice" aria-live="polite">
        {announcement.value}
      </output>
    </>
  )
}

/** Whose page this is, what time it is there, and how the page is to look. */
function Top(): JSX.Element {
  const { value: text } = words
  const { value: format } = formats
  const { data: platform } = useView('platform')
  return (
    <header class="top">
      <a class="brand" href={hashOf('overview')}>
        Longshore
      </a>
      {platform === undefined ? null : (
        <ul class="where" aria-label={text.platform}>
          <li>{platform.kind === 'sandbox' ? <span class="tag plan">{text.sandbox}</span> : <code>{platform.endpoint}</code>}</li>
          <li title={text.modeMeanings[platform.mode]}>
            {text.mode} <strong>{text.modes[platform.mode]}</strong>
          </li>
          <li>
            {text.clock} <strong>{<When at={platform.now} />}</strong>{' '}
            {platform.speed === 1 ? null : (
              <span class="tag quiet" title={text.speed(format.number(platform.speed))}>
                {format.number(platform.speed)}×
              </span>
            )}
          </li>
          {platform.killSwitch === undefined || platform.killSwitch.state === 'run' ? null : (
            <li>
              <span class="tag bad">{platform.killSwitch.state === 'stop' ? text.killStopped : text.killUnreadable}</span>
            </li>
          )}
        </ul>
      )}
      <fieldset class="settings">
        <legend class="voice">{text.settings}</legend>
        <button
          type="button"
          class="plain small"
          aria-pressed={isPaused.value}
          onClick={() => {
            isPaused.value = !isPaused.value
            announcement.value = isPaused.value ? text.updatesPaused : text.updatesResumed
          }}
        >
          {isPaused.value ? text.resumeUpdates : text.pauseUpdates}
        </button>
        <label>
          <span class="voice">{text.theme}</span>
          <select
            value={theme.value}
            onChange={(event) => {
              const chosen = themes.find((one) => one === event.currentTarget.value)
              if (chosen !== undefined) chooseTheme(chosen)
            }}
          >
            {themes.map((one) => (
              <option key={one} value={one}>
                {`${text.theme}: ${text.themes[one]}`}
              </option>
            ))}
          </select>
        </label>
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset within a fieldset would be read as two questions. */}
        <div class="languages" role="group" aria-label={text.language}>
          {languages.map((one) => (
            <button
              key={one}
              type="button"
              class="plain small"
              lang={languageTags[one]}
              aria-pressed={language.value === one}
              onClick={() => chooseLanguage(one)}
            >
              {ownNames[one]}
            </button>
          ))}
        </div>
      </fieldset>
    </header>
  )
}

function Navigation({ current }: { readonly current: ViewName | undefined }): JSX.Element {
  const { value: text } = words
  const list = useRef<HTMLUListElement>(null)
  useEffect(() => {
    // On a narrow screen the list is longer than the window is wide.
    if (current !== undefined) list.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [current])
  return (
    <nav class="views" aria-label={text.navigation}>
      <ul ref={list}>
        {viewNames.map((name) => (
          <li key={name}>
            <a href={hashOf(name)} {...(name === current ? { 'aria-current': 'page' as const } : {})}>
              {text.views[name]}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  )
}

/** Says that nobody answers, and when somebody does again. */
function Silence(): JSX.Element | null {
  const { value: text } = words
  const { value: format } = formats
  const { value: since } = polling.silentSince
  const wasSilent = useRef(false)
  useEffect(() => {
    if (since === undefined && wasSilent.current) announcement.value = text.reachableAgain
    wasSilent.current = since !== undefined
  }, [since, text])
  if (since === undefined) return null
  return (
    <div role="alert">
      <Notice tone="bad" text={text.notReachable(format.instant(new Date(since).toISOString(), since))} />
    </div>
  )
}

/** A view that cannot be drawn takes nothing else along. */
class Guard extends Component<{ readonly children: JSX.Element }, { readonly isBroken: boolean }> {
  override state = { isBroken: false }
  static override getDerivedStateFromError(): { readonly isBroken: boolean } {
    return { isBroken: true }
  }
  override componentDidCatch(error: unknown): void {
    // For whoever looks into the browser's console.
    console.error(error)
  }
  override render(): JSX.Element {
    const { value: text } = words
    if (!this.state.isBroken) return this.props.children
    return (
      <>
        <Empty title={text.brokenView} help={text.brokenViewHelp} />
        <button type="button" onClick={() => location.reload()}>
          {text.reload}
        </button>
      </>
    )
  }
}
