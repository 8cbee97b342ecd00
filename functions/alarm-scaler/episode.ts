import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import type { Alert } from './alert.ts'

const Instant = z.number()

/**
 * One stretch of time in which something was wrong: what memory keeps of a series. There is at most one of a series; the ones before
 * it are in `previous`. Its times by the sender's clock are compared with each other only, never with ours.
 */
export const Episode = z.object({
  format: z.literal(1),
  /** Digest of source, series and the beginning: the same for everything that is said of one episode, and for no other. */
  id: z.string(),
  source: z.string(),
  kind: z.string(),
  /** The series; the same for all episodes of it. */
  key: z.string(),
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  state: z.enum(['firing', 'resolved', 'no-data']),
  /** When it began, by the sender's clock. */
  startedAtMs: Instant,
  /** The latest beginning that was told of this same episode; `startedAtMs` when absent. */
  latestStartMs: z.optional(Instant),
  /** Since when nobody knows, by the sender's clock; only without data. */
  noDataSinceMs: z.optional(Instant),
  /** When it ended, as the sender says; it may have said nothing. */
  endedAtMs: z.optional(Instant),
  firstHeardMs: Instant,
  /** When it was last said to be firing, by our clock. */
  lastHeardMs: Instant,
  /** When the sender last said that it fires, by its own clock, where it says when. */
  lastSaidMs: z.optional(Instant),
  /** When we heard that it is over, by our clock. Only when it is resolved. */
  resolvedAtMs: z.optional(Instant),
  /** As it was said last. */
  value: z.optional(z.number()),
  /** The worst that was said: the highest, or with `isBelow` the lowest. */
  peakValue: z.optional(z.number()),
  threshold: z.optional(z.number()),
  /** It is wrong when the value is below the threshold, such as free memory. */
  isBelow: z.optional(z.boolean()),
  unit: z.optional(z.string()),
  summary: z.optional(z.string()),
  /** Messages that were counted to it. */
  deliveries: z.number(),
  /**
   * The last few before it, newest last, by the sender's clock: what is told of them comes too late. Where nobody said that one was over,
   * it was when the next one began.
   */
  previous: z.optional(z.array(z.object({ startedAtMs: Instant, resolvedAtMs: Instant }))),
})

export type Episode = z.infer<typeof Episode>

/**
 * What a message was for its series.
 *
 * - `opened` the first that is heard of it, and it fires
 * - `reopened` it fires again: as a new episode with a later beginning, or as the same one after nobody knew
 * - `raised` it fires with a value that is worse than any before
 * - `repeated` it says what is known: it still fires, or is still over
 * - `resolved` it is over now
 * - `resolved-unknown` it is over, and nobody had heard that it fired
 * - `no-data` nobody knows any more
 * - `stale` it says that an episode fires of which it is known that it is over
 * - `out-of-order` it is about a time before what is known
 */
export type Came = 'opened' | 'reopened' | 'raised' | 'repeated' | 'resolved' | 'resolved-unknown' | 'no-data' | 'stale' | 'out-of-order'

export interface Folded {
  /** What is known now; the very same object when the message changes nothing, undefined when nothing is known still. */
  readonly episode: Episode | undefined
  readonly came: Came
}

/** Two beginnings that are no further apart are one that two watchers saw, unless it is said that one was over before the other. */
const sameStartMs = 60_000
const mostPrevious = 8

/**
 * Puts what a sender says to what is known of its series. It bears messages that come twice, late, out of order or not at all: what is
 * known to be over never fires again by what is said of it, and the same messages come to the same in whatever order.
 *
 * Who never says when something was over ends it by the next beginning that is more than a minute later.
 */
export function fold(known: Episode | undefined, alert: Alert, heardAtMs: number): Folded {
  switch (alert.state) {
    case 'firing':
      return fires(known, alert, heardAtMs)
    case 'resolved':
      return isOver(known, alert, heardAtMs)
    case 'no-data':
      return isUnknown(known, alert)
  }
}

type Said<State extends Alert['state']> = Extract<Alert, { state: State }>

function fires(known: Episode | undefined, alert: Said<'firing'>, heardAtMs: number): Folded {
  const { startedAtMs } = alert
  if (known === undefined) return { episode: begun(alert, startedAtMs, heardAtMs), came: 'opened' }
  if (known.previous?.some((one) => one.startedAtMs === startedAtMs) === true) return { episode: known, came: 'stale' }
  if (isBeforePrevious(known, startedAtMs)) return { episode: known, came: 'out-of-order' }
  if (known.state === 'resolved') {
    if (isLater(known, startedAtMs)) return { episode: next(known, begun(alert, startedAtMs, heardAtMs)), came: 'reopened' }
    return { episode: known, came: startedAtMs >= known.startedAtMs ? 'stale' : 'out-of-order' }
  }
  const saidMs = alert.saidAtMs ?? known.lastSaidMs ?? 0
  if (saidMs < (known.lastSaidMs ?? 0) || startedAtMs < known.startedAtMs - sameStartMs) return { episode: known, came: 'out-of-order' }
  if (known.state === 'no-data') {
    const { noDataSinceMs: since } = known
    if (since !== undefined && (alert.saidAtMs ?? startedAtMs) <= since) return { episode: known, came: 'out-of-order' }
    return { episode: heardAgain(known, alert, heardAtMs), came: 'reopened' }
  }
  if (alert.isStartUnsure !== true && isLater(known, startedAtMs))
    return { episode: next(known, begun(alert, startedAtMs, heardAtMs)), came: 'reopened' }
  const episode = heardAgain(known, alert, heardAtMs)
  return { episode, came: episode.peakValue === known.peakValue ? 'repeated' : 'raised' }
}

function isOver(known: Episode | undefined, alert: Said<'resolved'>, heardAtMs: number): Folded {
  const { startedAtMs, endedAtMs } = alert
  const endMs = endedAtMs ?? startedAtMs
  if (known === undefined) {
    const episode = over(begun(alert, startedAtMs ?? endedAtMs ?? heardAtMs, heardAtMs), alert, heardAtMs)
    return { episode, came: 'resolved-unknown' }
  }
  if (endMs !== undefined && endMs < surelyBegun(known)) return { episode: withPrevious(known, alert), came: 'out-of-order' }
  if (known.state !== 'resolved')
    return { episode: over({ ...known, deliveries: known.deliveries + 1 }, alert, heardAtMs), came: 'resolved' }
  // Two watchers see the end at two times, or one after it was not heard of: it was over for good only after the later one.
  const isNews = (endedAtMs ?? -1) > (known.endedAtMs ?? -1) || (startedAtMs ?? 0) > latestStart(known)
  return { episode: isNews ? over(known, alert, known.resolvedAtMs ?? heardAtMs) : known, came: 'repeated' }
}

/** The episode, over. One that began later and is over already, of which nobody heard, is counted to it: that is over as well. */
function over(episode: Episode, { startedAtMs = 0, endedAtMs }: Said<'resolved'>, resolvedAtMs: number): Episode {
  const { noDataSinceMs: _, ...rest } = episode
  const endMs = Math.max(endedAtMs ?? -1, episode.endedAtMs ?? -1)
  return {
    ...rest,
    state: 'resolved',
    resolvedAtMs,
    ...(endMs < 0 ? {} : { endedAtMs: endMs }),
    ...(startedAtMs > latestStart(episode) ? { latestStartMs: startedAtMs } : {}),
  }
}

function isUnknown(known: Episode | undefined, { startedAtMs, saidAtMs }: Said<'no-data'>): Folded {
  if (known === undefined || known.state === 'resolved') return { episode: known, came: 'no-data' }
  const sinceMs = startedAtMs ?? saidAtMs
  if (sinceMs !== undefined && sinceMs < latestStart(known)) return { episode: known, came: 'out-of-order' }
  if (known.state === 'no-data' && (sinceMs ?? 0) <= (known.noDataSinceMs ?? 0)) return { episode: known, came: 'no-data' }
  const { noDataSinceMs: _, ...rest } = known
  return {
    episode: { ...rest, state: 'no-data', deliveries: known.deliveries + 1, ...(sinceMs === undefined ? {} : { noDataSinceMs: sinceMs }) },
    came: 'no-data',
  }
}

function latestStart({ startedAtMs, latestStartMs }: Episode): number {
  return latestStartMs ?? startedAtMs
}

/** When it has begun for certain: a beginning that lies ahead of the moment at which it was heard of is a clock that is wrong. */
function surelyBegun({ startedAtMs, latestStartMs, firstHeardMs }: Episode): number {
  return latestStartMs ?? Math.min(startedAtMs, firstHeardMs)
}

/** Whether a beginning is one of another episode, after the one that is known. */
function isLater(known: Episode, startedAtMs: number): boolean {
  const latestMs = latestStart(known)
  if (known.state === 'resolved' && known.endedAtMs !== undefined) return startedAtMs >= known.endedAtMs && startedAtMs > latestMs
  return startedAtMs > latestMs + sameStartMs
}

function isBeforePrevious({ previous = [] }: Episode, startedAtMs: number): boolean {
  return previous.some(({ resolvedAtMs }) => startedAtMs < resolvedAtMs)
}

function begun(alert: Said<'firing' | 'resolved'>, startedAtMs: number, heardAtMs: number): Episode {
  const { source, kind, key, name, value, saidAtMs } = alert
  return {
    format: 1,
    id: digestOf([source, key, startedAtMs]),
    source,
    kind,
    key,
    name,
    state: 'firing',
    startedAtMs,
    firstHeardMs: heardAtMs,
    lastHeardMs: heardAtMs,
    ...(saidAtMs === undefined ? {} : { lastSaidMs: saidAtMs }),
    ...figuresOf(alert),
    ...(value === undefined ? {} : { peakValue: value }),
    deliveries: 1,
  }
}

/** The same episode, said again to fire. What was heard of it later than this keeps its figures. */
function heardAgain(known: Episode, alert: Said<'firing'>, heardAtMs: number): Episode {
  const { noDataSinceMs: _, ...rest } = known
  const { value, startedAtMs, saidAtMs } = alert
  const peakValue = worse(known, value)
  return {
    ...rest,
    ...(heardAtMs < known.lastHeardMs ? {} : figuresOf(alert)),
    state: 'firing',
    lastHeardMs: Math.max(known.lastHeardMs, heardAtMs),
    ...(saidAtMs === undefined ? {} : { lastSaidMs: saidAtMs }),
    ...(startedAtMs > latestStart(known) ? { latestStartMs: startedAtMs } : {}),
    ...(peakValue === undefined ? {} : { peakValue }),
    deliveries: known.deliveries + 1,
  }
}

function figuresOf({ labels, value, threshold, unit, isBelow, summary }: Alert): Pick<Episode, 'labels'> & Partial<Episode> {
  return {
    labels,
    ...(value === undefined ? {} : { value }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(unit === undefined ? {} : { unit }),
    ...(isBelow === undefined ? {} : { isBelow }),
    ...(summary === undefined ? {} : { summary }),
  }
}

function worse({ peakValue, isBelow = false }: Episode, value: number | undefined): number | undefined {
  if (peakValue === undefined || value === undefined) return peakValue ?? value
  return isBelow ? Math.min(peakValue, value) : Math.max(peakValue, value)
}

/** The next episode of a series, after the one that is known. */
function next(known: Episode, episode: Episode): Episode {
  const { startedAtMs, endedAtMs } = known
  const ended = { startedAtMs, resolvedAtMs: Math.min(endedAtMs ?? episode.startedAtMs, episode.startedAtMs) }
  return { ...episode, previous: [...(known.previous ?? []), ended].slice(-mostPrevious) }
}

/** Keeps that one before it is over, of which nothing else was heard, so that its beginning, still to come, is known to be late. */
function withPrevious(known: Episode, { startedAtMs, endedAtMs }: Said<'resolved'>): Episode {
  const resolvedAtMs = endedAtMs ?? startedAtMs
  if (resolvedAtMs === undefined) return known
  const began = startedAtMs ?? resolvedAtMs
  if (isBeforePrevious(known, resolvedAtMs)) return known
  const { previous = [] } = known
  if (previous.some((one) => one.startedAtMs === began && one.resolvedAtMs >= resolvedAtMs)) return known
  return { ...known, previous: [...previous, { startedAtMs: began, resolvedAtMs }].slice(-mostPrevious) }
}
