import type { Facts } from '../check/facts.ts'

/** An event of an inbox with the places at which it was written down. */
export interface EventFacts {
  readonly id: string
  readonly state: string
  readonly places: readonly { readonly place: number; readonly state: string; readonly data: string }[]
}

/** The events of a function's inbox. */
export function eventsOf(facts: Facts, name: string): readonly EventFacts[] {
  const events = new Map<string, EventFacts>()
  for (const [place, { partition, sort, data }] of facts.of('stored')) {
    if (partition !== `inbox/${name}/entries` || data === '') continue
    const state = /"state":"([A-Z]+)"/.exec(data)?.[1] ?? ''
    const known = events.get(sort)
    events.set(sort, { id: sort, state, places: [...(known?.places ?? []), { place, state, data }] })
  }
  return [...events.values()]
}

/** Events that were never finished. Of what nobody was told that it has been taken in the sender says it again. */
export function unfinishedEvents(facts: Facts, events: readonly EventFacts[]): readonly EventFacts[] {
  const promised = new Set(facts.of('hook-answered').flatMap(([, { status, ids }]) => (status === 202 ? ids : [])))
  return events.filter(({ id, state }) => state !== 'DONE' && (state !== 'RECEIVED' || promised.has(id)))
}
