import { digestOf } from '#shared/pure/digest.ts'
import type { Result } from '#shared/pure/result.ts'
import type { PassedOver, WebhookContent, WebhookEvent } from '#shared/runtime/webhook-definition.ts'
import type { HookEvent } from './hook-event.ts'
import type { PushHint } from './push-hint.ts'

/** A push that a sender told of, and what tells this push from the next one of the same tag. */
export interface SeenPush {
  readonly hint: Omit<PushHint, 'source'>
  /** The sender's own time or id of the push, as it stands there: the same in every delivery of it, and in no other. */
  readonly identity: string
}

/** What a body says. */
export interface SourceReading {
  readonly pushes: readonly SeenPush[]
  readonly passedOver: readonly PassedOver[]
}

/** Reads a body whose sender is known to be genuine. The text of a failure goes back to the sender. */
export type ReadSource = (body: Uint8Array, headers: Readonly<Record<string, string | undefined>>) => Result<SourceReading, string>

/** A manifest without a tag. */
export const childManifest: PassedOver = {
  code: 'child-manifest',
  text: 'a manifest was pushed by its digest: a part of a multi-platform image does nothing by itself',
}

/** A time as RFC 3339 writes it; undefined when it is none, or before 1970. */
export function instantOf(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(text)) return undefined
  const ms = Date.parse(text)
  return ms >= 0 ? ms : undefined
}

/** The host of an address that stands without its scheme, `host[:port]/team/web:1.0`; undefined where none is to be seen. */
export function hostOf(address: string): string | undefined {
  const host = /^([A-Za-z0-9.-]{1,253}(?::\d{1,5})?)\//.exec(address)?.[1]
  return host !== undefined && /[.:]|^localhost$/.test(host) ? host : undefined
}

/**
 * What is to be made durable of a reading: one event for each repository, with its pushes in the order of their tags, each tag
 * with its newest push. The event's id is made of what the sender says of these pushes and of nothing else, so that it is the same
 * in every delivery.
 */
export function contentOf(source: string, { pushes, passedOver }: SourceReading): WebhookContent {
  const repositories = new Map<string, Map<string, SeenPush>>()
  for (const push of pushes) {
    const { repository, tag = '', pushedMs = 0 } = push.hint
    const tags = repositories.get(repository) ?? new Map<string, SeenPush>()
    repositories.set(repository, tags)
    const known = tags.get(tag)
    if (known === undefined || pushedMs >= (known.hint.pushedMs ?? 0)) tags.set(tag, push)
  }
  const events = [...repositories].map(([repository, tags]): WebhookEvent => {
    const newest = [...tags].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, push]) => push)
    const facts = newest.flatMap(({ hint: { tag = '', digest = '' }, identity }) => [tag, digest, identity])
    const payload: HookEvent = { kind: 'push', repository, hints: newest.map(({ hint }) => ({ source, ...hint })) }
    return { id: digestOf(['push', repository, ...facts]), group: repository, payload }
  })
  return { ok: true, events, passedOver }
}
