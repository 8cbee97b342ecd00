import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { Anchor, anchorOf, Entry, entryAfter, entryDigest, genesis, linkProblem, verifyChain } from '#shared/licence/record.ts'
import { hourNumber } from '#shared/licence/sample.ts'
import { region, sampleAt } from './licence-samples.ts'

const first = hourNumber('2026-11-24T00:00:00Z')

function chain(length: number, of = region): Entry[] {
  const entries: Entry[] = []
  let before: Anchor = genesis
  for (let index = 0; index < length; index += 1) {
    const entry = entryAfter(before, sampleAt(first + index, { x86: String(100 + index) }, { of }))
    entries.push(entry)
    before = anchorOf(entry)
  }
  return entries
}

/** The same with an entry that was changed by somebody who knows how digests are made. */
function rewritten(entry: Entry, usage: string): Entry {
  const changed = { ...entry, sample: sampleAt(entry.sample.hour, { x86: usage }) }
  return { ...changed, digest: entryDigest(changed) }
}

describe('a broken chain and a changed row are found by verify', () => {
  it('has nothing to say of a whole one', async () => {
    const entries = chain(30)
    expect(await verifyChain(entries, region)).toEqual({ entries: 30, end: anchorOf(entries[29]!) })
    expect(await verifyChain([], region)).toEqual({ entries: 0, end: genesis })
  })

  it('of the rest of a chain, too, from the place where it begins', async () => {
    const entries = chain(30)
    expect(await verifyChain(entries.slice(10), region, anchorOf(entries[9]!))).toMatchObject({ entries: 20 })
    expect((await verifyChain(entries.slice(10), region)).broken?.code).toBe('missing')
  })

  it('a changed value', async () => {
    const entries = chain(30)
    entries[7] = { ...entries[7]!, sample: sampleAt(first + 7, { x86: '1' }) }
    expect((await verifyChain(entries, region)).broken).toEqual({
      seq: 8,
      hour: '2026-11-24T07:00:00Z',
      code: 'changed',
      text: 'entry 8 (2026-11-24T07:00:00Z): its content is not what its digest was made from: it was changed',
    })
  })

  it('a changed value with its digest made again', async () => {
    const entries = chain(30)
    entries[7] = rewritten(entries[7]!, '1')
    expect((await verifyChain(entries, region)).broken).toMatchObject({
      seq: 9,
      code: 'not-linked',
      text: 'entry 9 (2026-11-24T08:00:00Z): it does not follow the entry before it: one of the two was replaced',
    })
    const last = chain(30)
    last[29] = rewritten(last[29]!, '1')
    // Nothing follows it: that the end is another one shows only against a head that somebody else keeps.
    expect((await verifyChain(last, region)).end.digest).not.toBe(chain(30)[29]!.digest)
  })

  it('a row that was taken out, put in, or changed over', async () => {
    const without = chain(30).filter(({ seq }) => seq !== 5)
    expect((await verifyChain(without, region)).broken).toMatchObject({
      seq: 5,
      code: 'missing',
      text: 'entry 5 (2026-11-24T05:00:00Z): entry 6 stands where entry 5 belongs: entries are missing or in another order',
    })
    const twice = chain(30).flatMap((entry) => (entry.seq === 5 ? [entry, entry] : [entry]))
    expect((await verifyChain(twice, region)).broken).toMatchObject({ seq: 6, code: 'missing' })
    const swapped = chain(30)
    ;[swapped[3], swapped[4]] = [swapped[4]!, swapped[3]!]
    expect((await verifyChain(swapped, region)).broken).toMatchObject({ seq: 4, code: 'missing' })
  })

  it('the record of another region, and hours that go back', async () => {
    expect((await verifyChain(chain(3, 'ap-beijing'), region)).broken).toMatchObject({
      seq: 1,
      code: 'other-region',
      text: 'entry 1 (2026-11-24T00:00:00Z): it is of ap-beijing, not of ap-guangzhou',
    })
    const entries = chain(3)
    const again = entryAfter(anchorOf(entries[2]!), sampleAt(first + 2, { x86: '9' }))
    expect((await verifyChain([...entries, again], region)).broken).toMatchObject({
      seq: 4,
      code: 'hours-disordered',
      text: 'entry 4 (2026-11-24T02:00:00Z): its hour is not after 2026-11-24T02:00:00Z',
    })
  })

  it('what is no digest is no entry, and no anchor', () => {
    const [entry] = chain(1)
    const digest = entry?.digest ?? ''
    expect(z.safeParse(Entry, entry).success).toBe(true)
    for (const bad of [`${digest}A`, `A${digest}`, digest.slice(1), `${digest.slice(1)}=`, '', 'genesis']) {
      expect(z.safeParse(Entry, { ...entry, digest: bad }).success, bad).toBe(false)
    }
    expect(z.safeParse(Anchor, genesis).success).toBe(true)
    expect(z.safeParse(Anchor, anchorOf(entry!)).success).toBe(true)
    expect(z.safeParse(Anchor, { ...genesis, digest: '' }).success).toBe(false)
    expect(z.safeParse(Anchor, { ...genesis, seq: -1 }).success).toBe(false)
    expect(z.safeParse(Entry, { ...entry, more: 1 }).success).toBe(false)
  })

  it('any change of any part of any row', () => {
    const entries = chain(12)
    fc.assert(
      fc.property(fc.nat(11), fc.nat(), fc.integer({ min: 1, max: 255 }), (index, place, mask) => {
        const text = JSON.stringify(entries[index]!)
        const at = place % text.length
        const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ mask) + text.slice(at + 1)
        let entry: Entry
        try {
          entry = JSON.parse(changed) as Entry
        } catch {
          return
        }
        if (typeof entry.sample !== 'object' || entry.sample === null) return
        const before = index === 0 ? genesis : anchorOf(entries[index - 1]!)
        const own = linkProblem(before, entry, region)
        const next = entries[index + 1]
        const following = next === undefined ? undefined : linkProblem(anchorOf(entry), next, region)
        expect(own ?? following).toBeDefined()
      }),
      { seed: 8, numRuns: 2000 },
    )
  })
})
