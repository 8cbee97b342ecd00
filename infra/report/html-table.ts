import { type Html, type HtmlValue, html } from './html.ts'

export interface HtmlTable {
  /** Says what the table is of; read out before it. */
  readonly caption: string
  readonly columns: readonly {
    readonly title: string
    /** `number`: to the right, on one line; `moment`: never broken into lines; `name`: given some room; `prose`: given more of it. */
    readonly kind?: 'text' | 'number' | 'moment' | 'name' | 'prose'
  }[]
  /** Cells in the order of the columns; the first one names the row. */
  readonly rows: readonly (readonly HtmlValue[])[]
  /** A class for each row. */
  readonly rowClasses?: readonly string[] | undefined
  /** On a narrow screen each row becomes a block with its headings beside the cells, so that nothing is off to the right. */
  readonly stacks?: boolean | undefined
}

/** A table that can be scrolled by keyboard as well, with headings that a screen reader reads out. Without rows it says so. */
export function htmlTable({ caption, columns, rows, rowClasses, stacks = false }: HtmlTable): Html {
  if (rows.length === 0) return html`<p class="faint">${caption}: none.</p>`
  const classOf = (column: number): string => columns[column]?.kind ?? 'text'
  // Elements that are no table on a narrow screen still have to be one to a screen reader.
  const role = (name: string): Html | undefined => (stacks ? roles[name] : undefined)
  const title = (column: number): Html | undefined => (stacks ? html` data-title="${columns[column]?.title ?? ''}"` : undefined)
  return html`<div class="${stacks ? 'scroll stacks' : 'scroll'}" tabindex="0" role="region" aria-label="${caption}">
<table class="report"${role('table')}><caption>${caption}</caption>
<thead${role('rowgroup')}><tr${role('row')}>${columns.map(({ title: text, kind = 'text' }) => html`<th scope="col"${role('columnheader')} class="${kind}">${text}</th>`)}</tr></thead>
<tbody${role('rowgroup')}>${rows.map(
    (row, index) => html`<tr${role('row')}${rowClass(rowClasses?.[index])}>${row.map((cell, column) =>
      column === 0
        ? html`<th scope="row"${role('rowheader')} class="${classOf(column)}">${cell}</th>`
        : html`<td${role('cell')}${title(column)} class="${classOf(column)}">${cell}</td>`,
    )}</tr>
`,
  )}</tbody></table></div>
`
}

const roles: Readonly<Record<string, Html>> = {
  table: html` role="table"`,
  rowgroup: html` role="rowgroup"`,
  row: html` role="row"`,
  columnheader: html` role="columnheader"`,
  rowheader: html` role="rowheader"`,
  cell: html` role="cell"`,
}

function rowClass(name: string | undefined): Html | undefined {
  return name === undefined ? undefined : html` class="${name}"`
}
