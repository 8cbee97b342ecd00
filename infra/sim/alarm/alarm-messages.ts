import type { Chance } from '../chance.ts'
import type { SimPolicy, SimSource } from './alarm-policies.ts'
import { type SceneFacts, type SimEpisode, type SimSeries, threshold } from './alarm-scene.ts'

const minuteMs = 60_000

/** What is said of one series. The same content says the same, however often it is sent. */
export interface AlarmContent {
  readonly series: number
  readonly episode: number
  readonly state: 'firing' | 'resolved' | 'no-data'
  /** When the sender found that. */
  readonly saidMs: number
  readonly startedMs: number
  readonly endedMs?: number | undefined
  readonly value: number
}

/** One request to a webhook. */
export interface AlarmMessage {
  readonly atMs: number
  readonly machine: number
  readonly source: SimSource
  readonly contents: readonly AlarmContent[]
  /** The sender does not know the secret. */
  readonly isForged: boolean
}

/** By which a content is known again wherever it is kept. */
export function markOfContent({ series, episode, state, saidMs }: AlarmContent): string {
  return `content ${series}/${episode}/${state}/${saidMs};`
}

/** Whole seconds: some senders say no more. */
function second(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}

/** Of each episode what its sender says from its beginning to its end, with all that becomes of messages on the way. */
export function drawMessages(
  chance: Chance,
  facts: SceneFacts & { readonly series: readonly SimSeries[]; readonly policies: readonly SimPolicy[] },
): AlarmMessage[] {
  const { series, policies, quietMs, machineCount } = facts
  const [lost, twice, late, forged] = [
    chance.one([0, 0.1, 0.4]),
    chance.one([0, 0.3, 0.8]),
    chance.one([0, 0.2, 0.6]),
    chance.one([0, 1, 3]),
  ]
  const messages: AlarmMessage[] = []
  const deliver = (own: Chance, contents: readonly AlarmContent[], source: SimSource, saidMs: number): void => {
    const isQuiet = saidMs >= quietMs
    // What is said when it becomes quiet is said: somebody has to hear at last that it is over.
    const count = isQuiet ? 1 : own.isTrue(lost) ? 0 : own.isTrue(twice) ? own.whole(2, 5) : 1
    for (let copy = 0; copy < count; copy += 1) {
      const delayMs = !isQuiet && own.isTrue(late) ? own.magnitude(2_000, 12 * minuteMs) : own.whole(50, 2_000)
      messages.push({ atMs: saidMs + delayMs, machine: own.whole(0, machineCount - 1), source, contents, isForged: false })
    }
  }
  for (const one of series) {
    const source = policies[one.policy]?.source ?? 'alertmanager'
    const own = chance.of(`series ${one.index}`)
    const repeatMs = source === 'cloudwatch' ? Number.POSITIVE_INFINITY : own.one([1, 2, 4]) * minuteMs
    // Nobody ever hears of some ends.
    const losesEnds = own.isTrue(0.2)
    for (const [episode, facts] of one.episodes.entries()) {
      for (const content of contentsOf(own, { series: one.index, episode, facts, source, repeatMs })) {
        if (content.state === 'resolved' && losesEnds && !facts.isLast && own.isTrue(0.5)) continue
        deliver(own, withOthers(own, content, { series, policies, source }), source, content.saidMs)
      }
    }
  }
  const said = messages.filter(({ atMs }) => atMs < quietMs)
  for (let index = 0; index < forged && said.length > 0; index += 1) {
    const one = chance.one(said)
    messages.push({ ...one, atMs: chance.whole(one.atMs, quietMs), isForged: true })
  }
  // A sender that was started again says once more what it knows last, and what it knew before.
  if (chance.isTrue(0.4) && said.length > 0) {
    for (let count = chance.whole(1, 4); count > 0; count -= 1) {
      const one = chance.one(said)
      messages.push({ ...one, atMs: chance.whole(one.atMs, quietMs) })
    }
  }
  return messages.toSorted((left, right) => left.atMs - right.atMs)
}

interface EpisodeOf {
  readonly series: number
  readonly episode: number
  readonly facts: SimEpisode
  readonly source: SimSource
  readonly repeatMs: number
}

/** What is said of an episode: that it begins, again and again that it lasts, and that it is over. */
function contentsOf(chance: Chance, { series, episode, facts, source, repeatMs }: EpisodeOf): AlarmContent[] {
  const startedMs = second(facts.fromMs)
  const valueAt = (ms: number): number => facts.values.findLast(({ atMs }) => atMs <= ms)?.value ?? threshold + 1
  const firing = (saidMs: number): AlarmContent => ({ series, episode, state: 'firing', saidMs, startedMs, value: valueAt(saidMs) })
  const contents = [firing(facts.fromMs)]
  for (let atMs = facts.fromMs + repeatMs; atMs < facts.untilMs; atMs += repeatMs) contents.push(firing(atMs))
  if (source === 'alertmanager') {
    // A group that changes is sent at once.
    for (const { atMs } of facts.values.slice(1)) contents.push(firing(atMs))
  }
  if (source === 'cloudwatch' && !facts.isLast && chance.isTrue(0.3)) {
    const atMs = chance.whole(facts.fromMs + 1_000, facts.untilMs - 1_000)
    contents.push({ ...firing(atMs), state: 'no-data' })
  }
  const endedMs = second(facts.untilMs)
  contents.push({ ...firing(facts.untilMs), state: 'resolved', endedMs, saidMs: facts.untilMs })
  return contents.toSorted((left, right) => left.saidMs - right.saidMs)
}

/** Alertmanager sends a group: beside what has changed what else there is, also what was just over. */
function withOthers(
  chance: Chance,
  content: AlarmContent,
  facts: { readonly series: readonly SimSeries[]; readonly policies: readonly SimPolicy[]; readonly source: SimSource },
): readonly AlarmContent[] {
  if (facts.source !== 'alertmanager' || chance.isTrue(0.5)) return [content]
  const policy = facts.series[content.series]?.policy
  const others = facts.series.flatMap(({ index, policy: own, episodes }): AlarmContent[] => {
    if (own !== policy || index === content.series) return []
    const episode = episodes.findLastIndex(({ fromMs }) => fromMs <= content.saidMs)
    const found = episodes[episode]
    if (found === undefined) return []
    const isOver = found.untilMs <= content.saidMs
    if (isOver && content.saidMs - found.untilMs > 5 * minuteMs) return []
    const value = found.values.findLast(({ atMs }) => atMs <= content.saidMs)?.value ?? threshold + 1
    const base = { series: index, episode, saidMs: content.saidMs, startedMs: second(found.fromMs), value }
    return [isOver ? { ...base, state: 'resolved', endedMs: second(found.untilMs) } : { ...base, state: 'firing' }]
  })
  return [content, ...others]
}
