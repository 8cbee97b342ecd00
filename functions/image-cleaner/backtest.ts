import { dateOfDay, startOfDate } from '#shared/pure/civil.ts'
import type { Policy, Settings } from './event.ts'
import type { RepositoryHistory, SeenTag } from './history.ts'
import type { ObservedTag } from './image.ts'
import type { TagPattern } from './patterns.ts'
import { type ContentVerdict, isFor, judgeRepository, type RepositoryVerdict } from './policy.ts'
import type { ImageReference } from './references.ts'

export interface BackTestFacts {
  readonly history: RepositoryHistory
  readonly policy: Policy
  /** What the policy's pattern is compiled to, by its text. */
  readonly patterns: ReadonlyMap<string, TagPattern>
  readonly settings: Settings
  /** So many days at the end of the history are looked at; all of them when absent. */
  readonly days?: number | undefined
}

/** An image that the policy would have removed and that was used after that. */
export interface Regret {
  readonly repository: string
  readonly tags: readonly string[]
  /** On which day it would have gone; days are those since 1970 in the configured zone. */
  readonly removedDay: number
  /** On which day it was used next. */
  readonly usedDay: number
  readonly by: string
}

/** The smallest values with which nothing that was used later is removed, the rest of the policy unchanged: one of the two is enough. */
export interface SafeValues {
  readonly last: number
  readonly days: number
}

export interface BackTest {
  readonly repository: string
  readonly fromDay: number
  readonly toDay: number
  /** Tags that were there at some time in between. */
  readonly seen: number
  /** Tags that it would have removed by the end, of those that were there. */
  readonly removedAtEnd: number
  readonly presentAtEnd: number
  /** In the order of the days. */
  readonly regrets: readonly Regret[]
  readonly safe: SafeValues
}

const dayMs = 86_400_000

/**
 * Replays what was seen of a repository against a policy: on each day everything that was there is judged as a run would judge it,
 * with what was in use then, and without caps. What it would have removed and somebody used on a later day is what the policy
 * does wrong. What this function did remove in the meantime counts as still there, as another policy might have kept it; what
 * the policy would have removed on an earlier day counts as there, too, so that values come out too large rather than too small.
 *
 * Undefined when the policy is not for the repository. Pure.
 */
export function backTest(facts: BackTestFacts): BackTest | undefined {
  const { history, policy, settings, days } = facts
  if (!isFor(policy, history.repository)) return undefined
  const toDay = history.lastDay
  const fromDay = days === undefined ? history.firstDay : Math.max(history.firstDay, toDay - days + 1)
  const rows = presencesOf(history)
  const regrets = new Map<string, Regret>()
  const safe = { last: 1, days: 1 }
  for (const day of endangeredDays(rows, fromDay, toDay)) {
    const there = rows.filter((one) => isThere(one, day))
    const byName = new Map(there.map(({ row }) => [row.name, row]))
    const nowMs = endOf(day, settings.timeZone)
    const actual = judge(facts, there, policy, day, nowMs)
    for (const { content, keeps } of actual.contents) {
      if (keeps.length > 0) continue
      const next = nextUse(content.tags, byName, day)
      if (next === undefined) continue
      const key = `${next.row.name} ${next.row.content} ${next.row.pushedMs} ${next.day}`
      if (regrets.has(key)) continue
      const tags = content.tags.map(({ name }) => name)
      regrets.set(key, { repository: history.repository, tags, removedDay: day, usedDay: next.day, by: next.row.by })
    }
    const needed = neededOn(facts, { there, byName, actual, day, nowMs })
    safe.last = Math.max(safe.last, needed.last)
    safe.days = Math.max(safe.days, needed.days)
  }
  const atEnd = rows.filter((one) => isThere(one, toDay))
  const end = judge(facts, atEnd, policy, toDay, endOf(toDay, settings.timeZone))
  return {
    repository: history.repository,
    fromDay,
    toDay,
    seen: rows.filter(({ row, endDay }) => row.seenDay <= toDay && (endDay ?? Number.POSITIVE_INFINITY) > fromDay).length,
    removedAtEnd: end.contents.reduce((sum, { keeps, content }) => sum + (keeps.length === 0 ? content.tags.length : 0), 0),
    presentAtEnd: atEnd.length,
    regrets: [...regrets.values()],
    safe,
  }
}

/** What several repositories need together. */
export function safeTogether(tests: readonly Pick<BackTest, 'safe'>[]): SafeValues {
  return {
    last: tests.reduce((most, { safe }) => Math.max(most, safe.last), 1),
    days: tests.reduce((most, { safe }) => Math.max(most, safe.days), 1),
  }
}

/** A tag and until when it counts as there. */
interface Presence {
  readonly row: SeenTag
  /** The first day on which it does not; absent when it does to the end. */
  readonly endDay: number | undefined
}

/** What this function removed is there until its name belongs to something else; what anybody else removed is gone. */
function presencesOf({ tags }: RepositoryHistory): readonly Presence[] {
  return [...Map.groupBy(tags, ({ name }) => name).values()].flatMap((own) => {
    const sorted = own.toSorted((left, right) => left.seenDay - right.seenDay || left.pushedMs - right.pushedMs)
    return sorted.map((row, index): Presence => {
      const next = sorted[index + 1]
      return { row, endDay: row.removedDay === undefined ? row.goneDay : next?.seenDay }
    })
  })
}

function isThere({ row, endDay }: Presence, day: number): boolean {
  return row.seenDay <= day && (endDay === undefined || day < endDay)
}

/** The days on which something was not in use that was used later. Only on these can a policy do wrong. */
function endangeredDays(rows: readonly Presence[], fromDay: number, toDay: number): readonly number[] {
  const days = new Set<number>()
  for (const { row, endDay } of rows) {
    let idleFrom = row.seenDay
    for (const [from, to] of row.uses) {
      const until = Math.min(from - 1, toDay, (endDay ?? Number.POSITIVE_INFINITY) - 1)
      for (let day = Math.max(idleFrom, fromDay); day <= until; day += 1) days.add(day)
      idleFrom = to + 1
    }
  }
  return [...days].toSorted((left, right) => left - right)
}

/** The last millisecond of a day: a run at any time of it saw no more. */
function endOf(day: number, zone: string): number {
  return startOfDate(dateOfDay(day + 1), zone) - 1
}

function judge(
  { history, settings, patterns }: BackTestFacts,
  there: readonly Presence[],
  policy: Policy,
  day: number,
  now: number,
): RepositoryVerdict {
  const { pattern } = policy.keep
  const matches = pattern === undefined ? undefined : patterns.get(pattern)
  const tags = there.map(
    ({ row }): ObservedTag => ({
      name: row.name,
      contentId: row.content,
      // What a run takes as one for another reason than its content.
      ...(row.group === undefined ? {} : { parts: [row.group] }),
      sizeBytes: 0,
      pushedMs: row.pushedMs,
      patterns: pattern !== undefined && matches?.(row.name) === true ? [pattern] : [],
    }),
  )
  const references = there.flatMap(({ row }) => referencesOn(row, history.repository, day, now, settings.timeZone))
  return judgeRepository({
    repository: { name: history.repository, tags },
    references,
    settings: { ...settings, policies: [{ ...policy, paused: false }] },
    now,
  })
}

/** What asked for a tag on a day, or had done so last before it. */
function referencesOn(row: SeenTag, repository: string, day: number, now: number, zone: string): readonly ImageReference[] {
  const use = row.uses.findLast(([from]) => from <= day)
  if (use === undefined) return []
  const seenMs = use[1] >= day ? now : endOf(use[1], zone)
  return [{ repository, tag: row.name, via: 'workload', cluster: '', object: row.by, seenMs }]
}

/** When, after a day, something of a content was used next. */
function nextUse(
  tags: readonly ObservedTag[],
  byName: ReadonlyMap<string, SeenTag>,
  day: number,
): { readonly day: number; readonly row: SeenTag } | undefined {
  let next: { day: number; row: SeenTag } | undefined
  for (const { name } of tags) {
    const row = byName.get(name)
    const from = row?.uses.find(([first]) => first > day)?.[0]
    if (row !== undefined && from !== undefined && (next === undefined || from < next.day)) next = { day: from, row }
  }
  return next
}

/** A repository on one day. */
interface OneDay {
  readonly there: readonly Presence[]
  readonly byName: ReadonlyMap<string, SeenTag>
  /** What the policy says of it. */
  readonly actual: RepositoryVerdict
  readonly day: number
  readonly nowMs: number
}

/** The values that would have kept, on one day, everything that was used later and that nothing but them keeps. */
function neededOn(facts: BackTestFacts, { there, byName, actual, day, nowMs }: OneDay): SafeValues {
  const { keep } = facts.policy
  // With a rule that keeps the newest at least, the others are seen apart from what a policy without a match does.
  const verdict = keep.last === undefined ? judge(facts, there, { ...facts.policy, keep: { ...keep, last: 1 } }, day, nowMs) : actual
  const [newest] = verdict.contents
  if (newest === undefined) return { last: 1, days: 1 }
  const isRule = (code: string): boolean =>
    code.startsWith('kept-') && code !== 'kept-days' && (code !== 'kept-last' || keep.last !== undefined)
  // Where no rule matches anything, everything is kept: so few days then do no harm.
  const fewest = verdict.contents.some(({ keeps }) => keeps.some(({ code }) => isRule(code))) ? 1 : ageDays(newest, nowMs)
  let [last, days] = [1, 1]
  for (const [index, one] of verdict.contents.entries()) {
    if (nextUse(one.content.tags, byName, day) === undefined) continue
    const codes = new Set<string>(one.keeps.map(({ code }) => code))
    if (keep.last === undefined) codes.delete('kept-last')
    if ([...codes].every((code) => code === 'kept-last')) last = Math.max(last, index + 1)
    const need = ageDays(one, nowMs)
    if (need > fewest && [...codes].every((code) => code === 'kept-days')) days = Math.max(days, need)
  }
  return { last, days }
}

/** The fewest whole days within which a content was pushed. */
function ageDays({ content }: ContentVerdict, now: number): number {
  return Math.max(1, Math.ceil((now - content.pushedMs) / dayMs))
}
