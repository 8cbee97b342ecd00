/** Markup that may go into a page as it is: everything in it was written in this project's source or escaped. */
export class Html {
  readonly markup: string

  private constructor(markup: string) {
    this.markup = markup
  }

  /** Puts markup together; the parts between the values are source text, the values anybody's. */
  static fill(parts: readonly string[], values: readonly HtmlValue[]): Html {
    return new Html(parts.map((part, index) => (index === 0 ? part : markupOf(values[index - 1]) + part)).join(''))
  }
}

/** What a template takes: markup as it is, text and numbers escaped, a list one after the other, nothing for undefined. */
export type HtmlValue = Html | string | number | undefined | readonly HtmlValue[]

/**
 * Writes markup with values in it. Text is escaped so that it stays text, in an element as well as in a quoted attribute:
 * names come from clusters, and whoever names an object there must not write into a report. Attributes are to be quoted, and
 * values do not belong into scripts and styles, where other rules hold.
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return Html.fill(parts, values)
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;', '`': '&#96;' }

/** Text as markup shows it. Control and direction characters become blanks: they could turn the order of a line round. */
export function escapeHtml(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').replace(/[&<>"'`]/g, (character) => escapes[character] ?? '')
}

function markupOf(value: HtmlValue): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.markup
  if (typeof value === 'string') return escapeHtml(value)
  return typeof value === 'number' ? String(value) : value.map(markupOf).join('')
}
