import { describe, expect, it } from 'vitest'
import { type Deed, dayOfLife, type Scene } from '#infra/local/day-of-life.ts'

const start = Date.UTC(2026, 10, 24, 0, 30)
const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

function scenesUntil(ms: number, options: { readonly seed?: number; readonly isFast?: boolean } = {}): readonly Scene[] {
  const found: Scene[] = []
  for (const scene of dayOfLife(start, { seed: 1, isFast: false, ...options })) {
    if (scene.atMs >= start + ms) break
    found.push(scene)
  }
  return found
}

const kindsOf = (scenes: readonly Scene[]): ReadonlySet<string> => new Set(scenes.map(({ deed }) => deed.kind))

describe('the life of the sandbox', () => {
  it('begins with something to see within the first minute', () => {
    expect([...kindsOf(scenesUntil(minuteMs))]).toEqual(['release', 'rush', 'alarm'])
  })

  it('goes on in the order of time, for ever, and every day has all there is', () => {
    const scenes = scenesUntil(10 * dayMs)
    expect(scenes.map(({ atMs }) => atMs)).toEqual(scenes.map(({ atMs }) => atMs).toSorted((one, other) => one - other))
    for (let day = 1; day < 10; day += 1) {
      const own = scenes.filter(({ atMs }) => atMs >= start + day * dayMs && atMs < start + (day + 1) * dayMs)
      expect([...kindsOf(own)].toSorted()).toEqual(['alarm', 'approve', 'let-in', 'lock-out', 'release', 'rush', 'rush-over', 'scale'])
      expect(own.some(({ deed }) => deed.kind === 'release' && !deed.works)).toBe(true)
    }
  })

  it('ends what it begins: each rush, each alarm, each time that somebody is locked out', () => {
    const counts = new Map<string, number>()
    const count = (what: string, by: number): void => {
      const next = (counts.get(what) ?? 0) + by
      expect(next, what).toSatisfy((open: number) => open === 0 || open === 1)
      counts.set(what, next)
    }
    for (const { deed } of scenesUntil(5 * dayMs)) {
      const [what, by] = openedBy(deed)
      if (by !== 0) count(what, by)
    }
    expect([...counts].toSorted()).toEqual([
      ['alarm ClusterMemoryHigh', 0],
      ['alarm PodsWaitForCores', 0],
      ['locked out cls-m4t8x0be', 0],
      ['rush flash-sale', 0],
    ])
  })

  it('is the same for the same seed, and another one for another', () => {
    expect(scenesUntil(3 * dayMs)).toEqual(scenesUntil(3 * dayMs))
    expect(scenesUntil(3 * dayMs, { seed: 2 })).not.toEqual(scenesUntil(3 * dayMs))
  })

  it('begins no day in the middle of what belongs together, whenever it is started', () => {
    for (let hour = 0; hour < 24; hour += 1) {
      const from = start + hour * hourMs
      for (const { atMs, deed } of dayOfLife(from, { seed: 3, isFast: true })) {
        if (atMs > from + dayMs) break
        if (atMs < from + 2 * hourMs) continue
        if (deed.kind === 'let-in' || deed.kind === 'rush-over') throw new Error(`${deed.kind} comes first at hour ${hour}`)
        if (deed.kind === 'lock-out' || deed.kind === 'rush') break
      }
    }
  })

  it('gives schedules the hours of an office only where days pass in minutes', () => {
    expect(kindsOf(scenesUntil(hourMs, { isFast: true })).has('office-hours')).toBe(true)
    expect(kindsOf(scenesUntil(hourMs)).has('office-hours')).toBe(false)
  })
})

function openedBy(deed: Deed): readonly [string, number] {
  switch (deed.kind) {
    case 'rush':
      return [`rush ${deed.rush.name}`, 1]
    case 'rush-over':
      return [`rush ${deed.rush.name}`, -1]
    case 'alarm':
      return [`alarm ${deed.alarm.name}`, deed.state === 'firing' ? 1 : -1]
    case 'lock-out':
      return [`locked out ${deed.cluster}`, 1]
    case 'let-in':
      return [`locked out ${deed.cluster}`, -1]
    default:
      return ['', 0]
  }
}
