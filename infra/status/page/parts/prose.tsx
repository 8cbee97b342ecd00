import type { JSX } from 'preact'

/** A sentence; what stands between backticks is code, where each of them has its second. */
export function Prose({ text }: { readonly text: string }): JSX.Element {
  const parts = text.split('`')
  if (parts.length % 2 === 0) return <>{text}</>
  return <>{parts.map((part, index) => (index % 2 === 1 ? <code key={`${index} ${part}`}>{part}</code> : part))}</>
}
