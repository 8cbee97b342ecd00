import type { JSX } from 'preact'
import { formats, usePlatformNow } from '../page-state.ts'

/** An instant, as the time of day or by how far away it is; the other one, and the whole of it, is told on demand. */
export function When({ at, relative = false }: { readonly at: string; readonly relative?: boolean }): JSX.Element {
  const now = usePlatformNow()
  const { value: format } = formats
  return (
    <time dateTime={at} title={`${format.whole(at)} · ${at}`}>
      {relative ? format.relative(at, now) : format.instant(at, now)}
    </time>
  )
}
