import type { ComponentChildren, JSX } from 'preact'
import { words } from '../page-state.ts'
import type { Asked } from '../polling.ts'
import { Prose } from './prose.tsx'

/** What is known is shown, with what is wrong above it; before anything is known it says that it is loading. */
export function Loaded<T extends object>(props: { readonly of: Asked<T>; readonly children: (data: T) => ComponentChildren }): JSX.Element {
  const { data, problem } = props.of
  const inside = data !== undefined && 'problem' in data && typeof data.problem === 'string' ? data.problem : undefined
  return (
    <>
      {problem === undefined ? null : <Notice tone="bad" title={words.value.requestFailed} text={problem.text} code={problem.code} />}
      {inside === undefined ? null : <Notice tone="warn" text={inside} />}
      {data === undefined && problem === undefined ? (
        <p class="faint" aria-busy="true">
          {words.value.loading}
        </p>
      ) : null}
      {data === undefined ? null : props.children(data)}
    </>
  )
}

/** Something that is wrong or noteworthy. `text` is in the words of whoever said it. */
export function Notice(props: {
  readonly tone: 'bad' | 'warn' | 'plain'
  readonly title?: string
  readonly text: string
  readonly code?: string
}): JSX.Element {
  return (
    <div class={`notice ${props.tone}`}>
      {props.title === undefined ? null : <strong>{props.title}</strong>}
      <p>
        {props.text}
        {props.code === undefined ? null : <code>{props.code}</code>}
      </p>
    </div>
  )
}

/** Why there is nothing, and what to do about it. */
export function Empty({ title, help }: { readonly title: string; readonly help: string }): JSX.Element {
  return (
    <div class="empty">
      <p>
        <strong>{title}</strong>
      </p>
      <p>
        <Prose text={help} />
      </p>
    </div>
  )
}
