import { describe, expect, it } from 'vitest'
import { noteGap, readGapNotes } from '#shared/licence/gap-store.ts'
import { hourNumber, hourText } from '#shared/licence/sample.ts'
import { region, testMemory } from './licence-samples.ts'

const first = hourNumber('2026-10-30T00:00:00Z')

describe('notes on gaps', () => {
  it('say why an hour has no sample, over the turn of months', async () => {
    const { memory } = testMemory()
    for (let hour = first; hour < first + 72; hour += 8)
      await noteGap(memory, region, hourText(hour), { code: 'cloud.timeout', text: `of ${hour}` })
    const notes = await readGapNotes(memory, region, first + 8, first + 64)
    expect([...notes.keys()]).toEqual([8, 16, 24, 32, 40, 48, 56].map((hours) => hourText(first + hours)))
    expect(notes.get(hourText(first + 48))).toEqual({ code: 'cloud.timeout', text: `of ${first + 48}` })
    expect((await memory.list('gap/')).map(({ key }) => key)).toEqual([`gap/${region}/2026-10/3`, `gap/${region}/2026-11/0`])
    expect((await readGapNotes(memory, region, first, first)).size).toBe(0)
    expect((await readGapNotes(memory, 'ap-beijing', first, first + 72)).size).toBe(0)
  })

  it('keep the first reason of an hour, and write nothing for the next', async () => {
    const { memory, disk } = testMemory()
    await noteGap(memory, region, hourText(first), { code: 'one', text: 'one' })
    const before = disk.contents()
    await noteGap(memory, region, hourText(first), { code: 'two', text: 'two' })
    expect(disk.contents()).toBe(before)
  })

  it('of two writers at once are all kept', async () => {
    const { memory, another } = testMemory()
    const pause = { before: () => new Promise<void>((resolve) => setImmediate(resolve)) }
    await Promise.all([0, 1, 2, 3, 4].map((hour) => noteGap(another(pause), region, hourText(first + hour), { code: 'x', text: 'x' })))
    expect((await readGapNotes(memory, region, first, first + 9)).size).toBe(5)
  })

  it('of ten days without any answer fit into one value, whatever the reasons are', async () => {
    const { memory } = testMemory()
    const october = hourNumber('2026-10-10T00:00:00Z')
    for (let hour = october; hour < october + 240; hour += 1)
      await noteGap(memory, region, hourText(hour), { code: '量'.repeat(500), text: '量'.repeat(500) })
    expect((await readGapNotes(memory, region, october, october + 240)).size).toBe(240)
    expect((await memory.list('gap/')).length).toBe(1)
  })
})
