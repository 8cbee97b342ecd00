import { type Notice, type Severity, severities } from './notice.ts'

/** One line of a message, or a link on a line of its own. */
export type Paragraph =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly text: string; readonly url: string }

/** What is sent at once: one notice, or several in a digest. The same for every kind of notifier, which gives it its form. */
export interface Message {
  /** The same for every try to send the same notices: receivers that look at it can tell a repetition. */
  readonly id: string
  readonly severity: Severity
  /** One line that begins with the product's name, so that a bot which asks for a keyword can ask for that. */
  readonly title: string
  /** May be cut at its end where there is no room. */
  readonly body: readonly Paragraph[]
  /** Stays, whatever is cut. */
  readonly tail: readonly Paragraph[]
  readonly notices: readonly Notice[]
}

/** A message of one notice. */
export function messageOf(notice: Notice, id: string): Message {
  const { severity, title, lines, links = [], facts = {} } = notice
  return {
    id,
    severity,
    title: `Longshore ${severity} · ${notice.function}: ${title}`,
    body: [...lines.map(textOf), ...Object.entries(facts).map(([name, value]) => textOf(`${name}: ${value}`))],
    tail: [...links.map(linkOf), textOf(instant(notice.at))],
    notices: [notice],
  }
}

/** One message of several notices: a line for each, the worst first. What there is no room for is counted in `tail` by whoever cuts. */
export function digestOf(notices: readonly Notice[], id: string): Message {
  const sorted = worstFirst(notices)
  const counts = severities
    .toReversed()
    .map((severity) => ({ severity, count: notices.filter((notice) => notice.severity === severity).length }))
    .filter(({ count }) => count > 0)
  const names = [...new Set(sorted.map((notice) => notice.function))]
  const from = names.length === 1 ? ` · ${names[0]}` : ''
  const [first, last] = [Math.min(...notices.map(({ at }) => at)), Math.max(...notices.map(({ at }) => at))]
  return {
    id,
    severity: sorted[0]?.severity ?? 'info',
    title: `Longshore digest${from}: ${notices.length} notices (${counts.map(({ severity, count }) => `${count} ${severity}`).join(', ')})`,
    body: sorted.flatMap((notice) => [textOf(digestLine(notice, names.length > 1)), ...(notice.links ?? []).map(linkOf)]),
    tail: [textOf(first === last ? instant(first) : `${instant(first)} to ${instant(last)}`)],
    notices: sorted,
  }
}

/** The worst first, and of one severity the oldest. */
export function worstFirst<N extends Pick<Notice, 'severity' | 'at'>>(notices: readonly N[]): readonly N[] {
  return notices.toSorted((left, right) => severities.indexOf(right.severity) - severities.indexOf(left.severity) || left.at - right.at)
}

/** The most of a notice's first line that a digest shows. */
const longestExcerpt = 160

function digestLine({ severity, title, lines, function: name }: Notice, withName: boolean): string {
  const [line = ''] = lines
  const excerpt = line.length <= longestExcerpt ? line : `${line.slice(0, longestExcerpt).replace(/[\ud800-\udbff]$/, '')}…`
  return `${severity} · ${withName ? `${name}: ` : ''}${title}${excerpt === '' ? '' : ` — ${excerpt}`}`
}

function textOf(text: string): Paragraph {
  return { kind: 'text', text }
}

function linkOf({ text, url }: { readonly text: string; readonly url: string }): Paragraph {
  return { kind: 'link', text, url }
}

/** `2026-11-24 08:00:00 UTC` */
function instant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
