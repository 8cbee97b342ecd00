import type { ComponentChildren, JSX } from 'preact'

export interface Fact {
  readonly key: string
  readonly name: string
  readonly value: ComponentChildren
  readonly note?: ComponentChildren
}

/** A few figures beside each other, each with its name. */
export function Facts({ facts }: { readonly facts: readonly Fact[] }): JSX.Element {
  return (
    <dl class="facts">
      {facts.map(({ key, name, value, note }) => (
        <div key={key}>
          <dt>{name}</dt>
          <dd>
            <span class="figure">{value}</span>
            {note === undefined ? null : <span class="note">{note}</span>}
          </dd>
        </div>
      ))}
    </dl>
  )
}
