import type { ComponentChildren, JSX } from 'preact'

export interface Column<Row> {
  readonly key: string
  readonly head: string
  /** How it is set: figures to the right, moments and names unbroken where there is room, prose with room. */
  readonly kind?: 'number' | 'moment' | 'name' | 'prose' | 'order'
  readonly cell: (row: Row) => ComponentChildren
}

/** A table; on a narrow screen each row becomes a block whose cells say which column they are of. */
export function Table<Row>(props: {
  readonly caption: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly rowKey: (row: Row) => string | number
  readonly rowClass?: (row: Row) => string
}): JSX.Element {
  return (
    <table class="list">
      <caption class="voice">{props.caption}</caption>
      <thead>
        <tr>
          {props.columns.map(({ key, head, kind }) => (
            <th key={key} scope="col" class={kind ?? ''}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.rows.map((row) => (
          <tr key={props.rowKey(row)} class={props.rowClass?.(row) ?? ''}>
            {props.columns.map(({ key, head, kind, cell }) => (
              <td key={key} class={kind ?? ''} data-title={head}>
                {cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
