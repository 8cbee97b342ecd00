import { digestOf } from '#shared/pure/digest.ts'

/** How much it matters: something to know, something to look at, something to do now. */
export const severities = ['info', 'warning', 'critical'] as const

export type Severity = (typeof severities)[number]

/** A link to something that a person may want to open. */
export interface NoticeLink {
  readonly text: string
  /** `https:` or `http:`; another one is left out. */
  readonly url: string
}

/** Something that people should hear of. What a function returns; which notifier sends it, and how, says the configuration. */
export interface Notice {
  /** The same key is the same notice: it is sent once, and again only after `dedupeMs`. Any text. */
  readonly key: string
  readonly severity: Severity
  /** Whose it is. */
  readonly function: string
  /** One line: what happened, to what. */
  readonly title: string
  /** What else there is to say; the most important first, because the end is cut off where a message has no room for it. */
  readonly lines: readonly string[]
  /** Epoch milliseconds of what it is about. */
  readonly at: number
  readonly links?: readonly NoticeLink[] | undefined
  /** Short values by name, for programs that take in the generic webhook; people see them as `name: value`. */
  readonly facts?: Readonly<Record<string, string>> | undefined
  /** How long the same key stays the same notice; 24 hours when absent, at most 400 days. */
  readonly dedupeMs?: number | undefined
}

const longestTitle = 200
const longestLine = 600
const longestFact = 300
const longestUrl = 2000
const mostLines = 60
/** Of all lines together. */
const mostText = 8_000
const mostLinks = 5
const mostFacts = 20

/**
 * The notice as it is kept and sent: every text cleaned by `redact`, on one line, and of a bounded length, so that nothing that
 * a stranger chose can swell the store, forge a line or turn one around.
 */
export function tidyNotice(notice: Notice, redact: (text: string) => string): Notice {
  const tidy = (text: string, most: number): string => cut(oneLine(redact(text)), most)
  const lines: string[] = []
  let room = mostText
  for (const line of notice.lines.slice(0, mostLines)) {
    const text = tidy(line, longestLine)
    room -= text.length
    if (room < 0) break
    lines.push(text)
  }
  const left = notice.lines.length - lines.length
  const links = (notice.links ?? [])
    .filter(({ url }) => url.length <= longestUrl && isWebUrl(url))
    .slice(0, mostLinks)
    // Only as a URL writes itself: blanks and brackets would end a link early.
    .map(({ text, url }) => ({ text: tidy(text, longestTitle), url: redact(new URL(url).href.replace(/[()]/g, encodeBracket)) }))
  const facts = Object.entries(notice.facts ?? {})
    .slice(0, mostFacts)
    .map(([name, value]) => [tidy(name, 60), tidy(value, longestFact)] as const)
  return {
    key: shortKey(redact(notice.key)),
    severity: notice.severity,
    function: tidy(notice.function, 60),
    title: tidy(notice.title, longestTitle),
    lines: left > 0 ? [...lines, `… and ${left} more lines`] : lines,
    at: notice.at,
    ...(links.length === 0 ? {} : { links }),
    ...(facts.length === 0 ? {} : { facts: Object.fromEntries(facts) }),
    ...(notice.dedupeMs === undefined ? {} : { dedupeMs: notice.dedupeMs }),
  }
}

const longestKey = 300

/** A long key is cut, and stays another one than those that begin alike. */
function shortKey(key: string): string {
  return key.length <= longestKey ? key : `${cut(key, longestKey - 41)}${digestOf([key])}`
}

function isWebUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.username === '' && url.password === ''
}

function encodeBracket(bracket: string): string {
  return bracket === '(' ? '%28' : '%29'
}

function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim()
}

/** At most so many characters, none cut in half. */
function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
