import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { Alert } from '#functions/alarm-scaler/alert.ts'
import { type Came, Episode, fold } from '#functions/alarm-scaler/episode.ts'
import { foldAlerts, recallEpisodes } from '#functions/alarm-scaler/episode-memory.ts'
import { HookEvent } from '#functions/alarm-scaler/hook-event.ts'
import { Sources } from '#functions/alarm-scaler/source-settings.ts'
import { contentOfRequest } from '#functions/alarm-scaler/webhook-sources.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { requestIn, senders, start } from './alarm-hook-stage.ts'

const second = 1000
const minute = 60 * second
/** When the episode of these tests begins, by the sender. */
const began = start - 2 * minute

const facts = { source: 'am', kind: 'alertmanager', key: 'fp', name: 'HighCPU', labels: { cluster: 'cls-1' } } as const

type More = Partial<Omit<Extract<Alert, { state: 'firing' }>, 'state'>>

const firing = (startedAtMs = began, more: More = {}): Alert => ({ ...facts, state: 'firing', startedAtMs, ...more })
const resolved = (more: { startedAtMs?: number; endedAtMs?: number; saidAtMs?: number } = {}): Alert => ({
  ...facts,
  state: 'resolved',
  ...more,
})
const unknown = (more: { startedAtMs?: number; saidAtMs?: number } = {}): Alert => ({ ...facts, state: 'no-data', ...more })

interface Told {
  readonly came: readonly Came[]
  readonly episode: Episode | undefined
  /** Ids of the episodes that began, in their order. */
  readonly begun: readonly string[]
}

/** Folds messages one after the other, each a minute after the last one. */
function tell(...alerts: readonly Alert[]): Told {
  let episode: Episode | undefined
  const came: Came[] = []
  const begun: string[] = []
  for (const [index, alert] of alerts.entries()) {
    const folded = fold(episode, z.parse(Alert, alert), start + index * minute)
    came.push(folded.came)
    if (folded.episode !== undefined && folded.episode.id !== begun.at(-1)) begun.push(folded.episode.id)
    // As the memory gives it back.
    episode = folded.episode === undefined ? undefined : z.parse(Episode, JSON.parse(JSON.stringify(folded.episode)))
  }
  return { came, episode, begun }
}

describe('an episode', () => {
  it('begins with the first message and is heard again with each of them', () => {
    const { came, episode, begun } = tell(
      firing(began, { value: 90, threshold: 80 }),
      firing(began, { value: 90, threshold: 80 }),
      firing(),
    )
    expect(came).toEqual(['opened', 'repeated', 'repeated'])
    expect(begun).toHaveLength(1)
    expect(episode).toEqual({
      format: 1,
      id: expect.stringMatching(/^[0-9a-f]{40}$/),
      ...facts,
      state: 'firing',
      startedAtMs: began,
      firstHeardMs: start,
      lastHeardMs: start + 2 * minute,
      value: 90,
      peakValue: 90,
      threshold: 80,
      deliveries: 3,
    })
  })

  it('five deliveries of one alarm are one episode that began once', () => {
    const { came, begun } = tell(firing(), firing(), firing(), firing(), firing())
    expect(came).toEqual(['opened', 'repeated', 'repeated', 'repeated', 'repeated'])
    expect(begun).toHaveLength(1)
  })

  it('firing re-sent after resolved adds none: it is stale, however often it comes', () => {
    const end = resolved({ startedAtMs: began, endedAtMs: start })
    expect(tell(firing(), end, firing(), firing())).toMatchObject({
      came: ['opened', 'resolved', 'stale', 'stale'],
      episode: { state: 'resolved', resolvedAtMs: start + minute, endedAtMs: start },
    })
    // Also by a sender that tells no ends, and where the end was heard first.
    expect(tell(firing(), resolved({ startedAtMs: began }), firing()).came).toEqual(['opened', 'resolved', 'stale'])
    expect(tell(end, firing()).came).toEqual(['resolved-unknown', 'stale'])
    expect(tell(resolved({ endedAtMs: start }), firing()).came).toEqual(['resolved-unknown', 'out-of-order'])
    expect(tell(resolved(), firing()).came).toEqual(['resolved-unknown', 'out-of-order'])
  })

  it('is another one when it begins after the end of the one before, if only seconds later', () => {
    const { came, begun, episode } = tell(firing(), resolved({ startedAtMs: began, endedAtMs: start }), firing(start + second))
    expect(came).toEqual(['opened', 'resolved', 'reopened'])
    expect(begun).toHaveLength(2)
    expect(episode).toMatchObject({
      state: 'firing',
      startedAtMs: start + second,
      previous: [{ startedAtMs: began, resolvedAtMs: start }],
    })
    expect(episode).not.toHaveProperty('resolvedAtMs')
  })

  it('resolved lost: a later beginning is a new episode, and the old one is over', () => {
    const later = began + 10 * minute
    const { came, begun, episode } = tell(
      firing(),
      firing(later),
      firing(),
      resolved({ startedAtMs: began, endedAtMs: began + minute }),
      firing(),
    )
    expect(came).toEqual(['opened', 'reopened', 'stale', 'out-of-order', 'stale'])
    expect(begun).toHaveLength(2)
    expect(episode).toMatchObject({ state: 'firing', startedAtMs: later })
  })

  it('goes on when its end and its next beginning were both not heard of, and only the next end is', () => {
    const { came, episode } = tell(
      firing(),
      resolved({ startedAtMs: began + 10 * minute, endedAtMs: began + 12 * minute }),
      firing(began + 10 * minute),
    )
    expect(came).toEqual(['opened', 'resolved', 'stale'])
    expect(episode?.state).toBe('resolved')
    // The same where no ends are told.
    expect(tell(firing(), resolved({ startedAtMs: began + 10 * minute }), firing(began + 10 * minute)).came).toEqual([
      'opened',
      'resolved',
      'stale',
    ])
  })

  it('is one when two watchers saw it begin seconds apart, in whatever order they tell of it', () => {
    const two = began + 3 * second
    expect(tell(firing(two), firing(began), firing(two), firing(began))).toMatchObject({
      came: ['opened', 'repeated', 'repeated', 'repeated'],
      episode: { startedAtMs: two },
    })
    const ends = [resolved({ startedAtMs: began, endedAtMs: start }), resolved({ startedAtMs: two, endedAtMs: start + 2 * second })]
    const { came, episode } = tell(firing(began), firing(two), ...ends, firing(began), firing(two))
    expect(came).toEqual(['opened', 'repeated', 'resolved', 'repeated', 'stale', 'stale'])
    expect(episode).toMatchObject({ state: 'resolved', endedAtMs: start + 2 * second, resolvedAtMs: start + 2 * minute })
    // A minute and more apart they are two.
    expect(tell(firing(began), firing(began + minute)).came).toEqual(['opened', 'repeated'])
    expect(tell(firing(began), firing(began + minute + 1)).came).toEqual(['opened', 'reopened'])
  })

  it('is not made worse, or fresher, by a message about a time before it', () => {
    const late = firing(began - 10 * minute, { value: 500 })
    expect(tell(firing(began, { value: 90 }), late)).toMatchObject({
      came: ['opened', 'out-of-order'],
      episode: { value: 90, peakValue: 90, lastHeardMs: start, deliveries: 1 },
    })
    const said = (saidAtMs: number, value: number): Alert => firing(began, { saidAtMs, value })
    expect(tell(said(start, 90), said(start - minute, 500), said(start, 90), said(start + minute, 91))).toMatchObject({
      came: ['opened', 'out-of-order', 'repeated', 'raised'],
      episode: { value: 91, peakValue: 91, lastHeardMs: start + 3 * minute },
    })
  })

  it('is raised by a value that is worse than any before, and by no other', () => {
    const of = (value?: number, isBelow?: boolean): Alert =>
      firing(began, { ...(value === undefined ? {} : { value }), ...(isBelow === undefined ? {} : { isBelow }) })
    expect(tell(of(90), of(95), of(92), of(95), of(), of(96))).toMatchObject({
      came: ['opened', 'raised', 'repeated', 'repeated', 'repeated', 'raised'],
      episode: { value: 96, peakValue: 96 },
    })
    expect(tell(of(10, true), of(12, true), of(8, true))).toMatchObject({
      came: ['opened', 'repeated', 'raised'],
      episode: { value: 8, peakValue: 8 },
    })
    expect(tell(of(), of(1)).came).toEqual(['opened', 'raised'])
  })

  it('keeps what was heard of it last, when an earlier message is worked on late', () => {
    const first = fold(undefined, firing(began, { value: 90, labels: { a: '2' } }), start + minute).episode
    const { episode } = fold(first, firing(began, { value: 95, labels: { a: '1' } }), start)
    expect(episode).toMatchObject({ value: 90, peakValue: 95, labels: { a: '2' }, lastHeardMs: start + minute })
  })

  it('of a sender that says since when only of its message goes on until it is said to be over', () => {
    const said = (atMs: number): Alert => firing(atMs, { saidAtMs: atMs, isStartUnsure: true })
    const later = began + 30 * minute
    const { came, begun } = tell(
      said(began),
      said(later),
      resolved({ endedAtMs: later - minute }),
      said(later),
      resolved({ endedAtMs: later + minute }),
    )
    expect(came).toEqual(['opened', 'repeated', 'out-of-order', 'repeated', 'resolved'])
    expect(begun).toHaveLength(1)
    expect(tell(said(began), resolved({ endedAtMs: start }), said(began), said(later)).came).toEqual([
      'opened',
      'resolved',
      'stale',
      'reopened',
    ])
  })

  it('ends although its beginning was said to lie ahead: a clock was wrong', () => {
    const ahead = start + 59 * second
    const { came, episode } = tell(firing(ahead), resolved({ endedAtMs: start + 18 * second }), firing(ahead))
    expect(came).toEqual(['opened', 'resolved', 'stale'])
    expect(episode?.state).toBe('resolved')
  })

  it('remembers the last few before it and no more', () => {
    const starts = Array.from({ length: 30 }, (_, index) => began + index * 10 * minute)
    const { episode, begun } = tell(...starts.map((ms) => firing(ms)))
    expect(begun).toHaveLength(30)
    expect(episode?.previous).toHaveLength(8)
    // What is older than all that is remembered is still older.
    expect(fold(episode, firing(starts[2]), start).came).toBe('out-of-order')
  })

  it('has an id that depends on its source, series and beginning alone', () => {
    const id = (alert: Alert): string | undefined => fold(undefined, alert, start).episode?.id
    expect(id(firing(began, { value: 5, name: 'other', labels: {} }))).toBe(id(firing()))
    expect(new Set([id(firing()), id(firing(began + 1)), id(firing(began, { key: 'x' })), id(firing(began, { source: 'x' }))]).size).toBe(4)
  })
})

describe('INSUFFICIENT_DATA and "no data"', () => {
  it('are not recovery, and not firing', () => {
    const { came, episode } = tell(firing(), unknown({ startedAtMs: start }), unknown({ startedAtMs: start }))
    expect(came).toEqual(['opened', 'no-data', 'no-data'])
    expect(episode).toMatchObject({ state: 'no-data', noDataSinceMs: start, lastHeardMs: start, deliveries: 2 })
    expect(episode).not.toHaveProperty('resolvedAtMs')
    expect(tell(unknown())).toEqual({ came: ['no-data'], episode: undefined, begun: [] })
    const over = tell(firing(), resolved({ endedAtMs: start }), unknown({ startedAtMs: start + minute }))
    expect([over.came.at(-1), over.episode?.state]).toEqual(['no-data', 'resolved'])
  })

  it('come before the same episode fires again, not before a new one', () => {
    const again = firing(start + 2 * minute)
    const { came, episode, begun } = tell(firing(), unknown({ startedAtMs: start }), again, resolved({ endedAtMs: start + minute }))
    expect(came).toEqual(['opened', 'no-data', 'reopened', 'out-of-order'])
    expect(begun).toHaveLength(1)
    expect(episode).toMatchObject({ state: 'firing', startedAtMs: began, latestStartMs: start + 2 * minute })
    expect(episode).not.toHaveProperty('noDataSinceMs')
    expect(tell(firing(), unknown({ startedAtMs: start }), again, resolved({ endedAtMs: start + 5 * minute })).episode?.state).toBe(
      'resolved',
    )
  })

  it('stand until something newer is said: a late copy of what was before does not fire', () => {
    expect(tell(firing(), unknown({ startedAtMs: start }), firing()).came).toEqual(['opened', 'no-data', 'out-of-order'])
    const said = (saidAtMs: number): Alert => firing(began, { saidAtMs })
    const { came } = tell(said(began), unknown({ saidAtMs: start }), said(start - second), said(start + second))
    expect(came).toEqual(['opened', 'no-data', 'out-of-order', 'reopened'])
    expect(tell(firing(), unknown({ startedAtMs: start }), firing(start)).came).toEqual(['opened', 'no-data', 'out-of-order'])
    // Who says no time fires again whenever it does.
    expect(tell(firing(), unknown(), firing()).came).toEqual(['opened', 'no-data', 'reopened'])
    expect(tell(firing(start), unknown({ startedAtMs: start - 1 })).came).toEqual(['opened', 'out-of-order'])
  })

  it('end with the end of the episode', () => {
    const { episode } = tell(firing(), unknown({ startedAtMs: start }), resolved({ startedAtMs: began, endedAtMs: start + minute }))
    expect(episode).toMatchObject({ state: 'resolved', endedAtMs: start + minute })
    expect(episode).not.toHaveProperty('noDataSinceMs')
  })
})

describe('what is recorded and documented', () => {
  /** Folds what requests come to, as the queue does. */
  async function hear(memory: MemoryWriter, body: Buffer, path: string, headers: Record<string, string>, atMs: number): Promise<string[]> {
    const found = contentOfRequest({ sources: z.parse(Sources, senders.sources), timeZone: 'Asia/Shanghai' }, { path, body, headers }, atMs)
    const events = found?.content.ok === true ? found.content.events : []
    const came: string[] = []
    for (const { payload } of events) {
      const event = z.parse(HookEvent, payload)
      const heard = event.kind === 'alerts' ? await foldAlerts(memory, event.alerts, atMs) : []
      came.push(...heard.map((one) => `${one.came} ${one.episode?.key.slice(0, 4)} ${one.episode?.state}`))
    }
    return came
  }

  const memoryAt = (now: () => number): MemoryWriter => createMemory(openMemoryStore(new MemoryDisk()), { function: 'alarm-scaler', now })

  it("Alertmanager's recorded group: each alert begins once and ends once", async () => {
    interface Recording {
      readonly steps: readonly { readonly deliveries: readonly { readonly receivedAt: string; readonly body: unknown }[] }[]
    }
    const path = new URL('../../payloads/alertmanager-webhook.json', import.meta.url)
    const recording: Recording = JSON.parse(readFileSync(path, 'utf8'))
    const memory = memoryAt(() => start)
    const all: string[][] = []
    for (const { receivedAt, body } of recording.steps.flatMap(({ deliveries }) => deliveries))
      all.push(await hear(memory, Buffer.from(JSON.stringify(body)), '/hooks/alarm-scaler/alerts', {}, Date.parse(receivedAt)))
    expect(all).toEqual([
      ['opened 7953 firing'],
      ['opened dacf firing', 'repeated 7953 firing'],
      ['resolved dacf resolved', 'repeated 7953 firing'],
      ['repeated 7953 firing'],
      ['resolved 7953 resolved'],
      ['opened 3d25 firing'],
      ['repeated 3d25 firing'],
      ['repeated 3d25 firing'],
    ])
  })

  it.each([
    ['tencent', ['tencent-metric', 'tencent-numbers', 'tencent-recovered', 'tencent-metric'], ['opened', 'raised', 'resolved', 'stale']],
    ['tencent without an end', ['tencent-metric', 'tencent-recovered-numbers', 'tencent-numbers'], ['opened', 'resolved', 'stale']],
    [
      'cloudwatch',
      ['cloudwatch', 'cloudwatch-insufficient-data', 'cloudwatch-ok', 'cloudwatch-sns'],
      ['opened', 'no-data', 'resolved', 'stale'],
    ],
    ['cloudwatch, reordered', ['cloudwatch-ok', 'cloudwatch-insufficient-data', 'cloudwatch'], ['resolved-unknown', 'no-data', 'stale']],
    ['grafana', ['grafana', 'grafana-missing-series', 'grafana', 'grafana-resolved'], ['opened', 'no-data', 'out-of-order', 'resolved']],
    ['signed', ['signed', 'signed', 'signed-resolved', 'signed'], ['opened', 'repeated', 'resolved', 'stale']],
  ])('%s: its messages are of one series, and fire once', async (_, names, expected) => {
    const memory = memoryAt(() => start)
    const came: string[] = []
    for (const [index, name] of names.entries()) {
      const { path, body, headers } = requestIn(name)
      came.push(...(await hear(memory, body, path, headers, start + index * minute)))
    }
    expect(came.map((one) => one.split(' ')[0])).toEqual(expected)
    expect(await recallEpisodes(memory)).toHaveLength(1)
  })
})

describe('the memory of episodes', () => {
  const memoryOf = (disk: MemoryDisk, now: () => number): MemoryWriter =>
    createMemory(openMemoryStore(disk), { function: 'alarm-scaler', now })

  it('keeps one entry for each series, and what is folded in one go in its order', async () => {
    const memory = memoryOf(new MemoryDisk(), () => start)
    const other = { key: 'other' }
    const heard = await foldAlerts(
      memory,
      [firing(), firing(began, other), resolved({ startedAtMs: began, endedAtMs: start }), firing(), firing(began, other)],
      start,
    )
    expect(heard.map(({ came, alert }) => `${came} ${alert.key}`)).toEqual([
      'opened fp',
      'opened other',
      'resolved fp',
      'stale fp',
      'repeated other',
    ])
    const episodes = await recallEpisodes(memory)
    expect(episodes.map(({ key, state }) => `${key} ${state}`).toSorted()).toEqual(['fp resolved', 'other firing'])
  })

  it('writes nothing for what changes nothing', async () => {
    const memory = memoryOf(new MemoryDisk(), () => start)
    await foldAlerts(memory, [firing(), resolved({ startedAtMs: began, endedAtMs: start })], start)
    const versions = async (): Promise<unknown> => (await memory.list('episode/')).map(({ version }) => version)
    const before = await versions()
    await foldAlerts(memory, [firing(), resolved({ startedAtMs: began, endedAtMs: start }), unknown()], start + minute)
    expect(await versions()).toEqual(before)
  })

  it('forgets what is long over, and what fires only after it was silent for much longer', async () => {
    let now = start
    const memory = memoryOf(new MemoryDisk(), () => now)
    await foldAlerts(memory, [firing(), firing(began, { key: 'over' }), { ...resolved({ endedAtMs: start }), key: 'over' }], start)
    const keys = async (): Promise<string[]> => (await recallEpisodes(memory)).map(({ key }) => key).toSorted()
    now = start + 6 * 24 * 60 * minute
    expect(await keys()).toEqual(['fp', 'over'])
    now = start + 8 * 24 * 60 * minute
    expect(await keys()).toEqual(['fp'])
    now = start + 31 * 24 * 60 * minute
    expect(await keys()).toEqual([])
  })

  it('takes what another version wrote and this one cannot read for nothing, and is not stopped by it', async () => {
    const memory = memoryOf(new MemoryDisk(), () => start)
    await foldAlerts(memory, [firing()], start)
    const [entry] = await memory.list('episode/')
    await memory.put(entry?.key ?? '', { format: 2, id: 'x' })
    expect(await recallEpisodes(memory)).toEqual([])
    expect((await foldAlerts(memory, [firing()], start)).map(({ came }) => came)).toEqual(['opened'])
    expect(await recallEpisodes(memory)).toHaveLength(1)
  })

  it('is tried again when somebody else was faster, and says so when it never gets its turn', async () => {
    const disk = new MemoryDisk()
    const memory = memoryOf(disk, () => start)
    let races = 3
    const racing: MemoryWriter = {
      ...memory,
      put: async (key, value, options) => {
        if (races > 0) {
          races -= 1
          await foldAlerts(
            memoryOf(disk, () => start),
            [firing(began, { value: 100 + races })],
            start,
          )
        }
        await memory.put(key, value, options)
      },
    }
    const heard = await foldAlerts(racing, [firing(began, { value: 90 })], start + minute)
    expect(heard.map(({ came }) => came)).toEqual(['repeated'])
    expect(await recallEpisodes(memory)).toMatchObject([{ deliveries: 4, value: 90, peakValue: 102 }])
    races = 1000
    await expect(foldAlerts(racing, [firing()], start)).rejects.toMatchObject({ kind: 'memory.conflict' })
  })
})
