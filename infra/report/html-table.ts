import { type Html, type HtmlValue, html } from './html.ts'

export interface HtmlTable {
  /** Says what the table is of; read out before it. */
  readonly caption: string
  readonly columns: readonly {
    readonly title: string
    /** `number`: to the right; `moment`: never broken into lines; `name`: given some room. */
    readonly kind?: 'text' | 'number' | 'moment' | 'name'
  }[]
  /** Cells in the order of the columns; the first one names the row. */
  readonly rows: readonly (readonly HtmlValue[])[]
}

/** A table that can be scrolled by keyboard as well, with headings that a screen reader reads out. Without rows it says so. */
export function htmlTable({ caption, columns, rows }: HtmlTable): Html {
  if (rows.length === 0) return html`<p class="faint">${caption}: none.</p>`
  const classOf = (column: number): string => columns[column]?.kind ?? 'text'
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
<table class="report"><caption>${caption}</caption>
<thead><tr>${columns.map(({ title, kind = 'text' }) => html`<th scope="col" class="${kind}">${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) => html`<tr>${row.map((cell, column) =>
      column === 0 ? html`<th scope="row" class="${classOf(column)}">${cell}</th>` : html`<td class="${classOf(column)}">${cell}</td>`,
    )}</tr>
`,
  )}</tbody></table></div>
`
}
