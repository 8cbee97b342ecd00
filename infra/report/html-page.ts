import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { escapeHtml, type Html } from './html.ts'

export interface HtmlPage {
  readonly title: string
  readonly body: Html
  /** Style sheets after the common one, scripts in their order: source text, never put together from values. */
  readonly styles?: readonly string[]
  readonly scripts?: readonly string[]
  /** What scripts read: plain JSON by the id of the element that holds it. */
  readonly data?: Readonly<Record<string, unknown>>
}

/**
 * One file that shows a report: readable alone, offline, light or dark as the reader's system is, and without one request to
 * anywhere. A Content-Security-Policy with the hash of every style and script in it lets the browser run nothing else, so that
 * even markup that slipped in could neither run nor send anything. Throws when a style or script cannot stand in a page.
 */
export function htmlPage(page: HtmlPage): string {
  const styles = [commonStyle(), ...(page.styles ?? [])].map((text) => embeddable(text, 'style'))
  const scripts = (page.scripts ?? []).map((text) => embeddable(text, 'script'))
  const policy = [
    "default-src 'none'",
    `style-src ${sources(styles)}`,
    `script-src ${sources(scripts)}`,
    // The empty icon: else a browser asks the server for one.
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="referrer" content="no-referrer">',
    '<link rel="icon" href="data:,">',
    `<title>${escapeHtml(page.title)}</title>`,
    ...styles.map((text) => `<style>${text}</style>`),
    '</head>',
    '<body>',
    page.body.markup,
    ...Object.entries(page.data ?? {}).map(
      ([id, value]) => `<script type="application/json" id="${escapeHtml(id)}">${jsonInScript(value)}</script>`,
    ),
    ...scripts.map((text) => `<script>${text}</script>`),
    '</body>',
    '</html>',
    '',
  ].join('\n')
}

let style: string | undefined

function commonStyle(): string {
  style ??= readFileSync(join(import.meta.dirname, 'report.css'), 'utf8')
  return style
}

/** JSON that cannot end the element it stands in, nor begin a comment there. */
function jsonInScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}

/** Text as it stands in the page, which is what its hash is taken of: a browser reads every line end as LF. */
function embeddable(text: string, element: 'style' | 'script'): string {
  if (/<\/(style|script)|<!--/i.test(text)) throw new Error(`a ${element} holds "</${element}" or "<!--" and cannot stand in a page`)
  return text.replace(/\r\n?/g, '\n')
}

function sources(texts: readonly string[]): string {
  if (texts.length === 0) return "'none'"
  return texts.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`).join(' ')
}
