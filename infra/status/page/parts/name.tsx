import type { JSX } from 'preact'

/** A name of an object. A long one is broken after the characters that part it, and anywhere only where that is not enough. */
export function Name({ of }: { readonly of: string }): JSX.Element {
  return (
    <span class="breaks">
      {of.split(/(?<=[/,{:])/).flatMap((part, index) => (index === 0 ? [part] : [<wbr key={`${index} ${part}`} />, part]))}
    </span>
  )
}
