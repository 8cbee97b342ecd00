import { createHash, sign } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { anchorOf, type Entry, entryDigest, genesis } from '#shared/licence/record.ts'
import { verifySnapshot } from '#shared/licence/snapshot-verify.ts'
import { canonicalJson } from '#shared/safety/canonical-json.ts'
import { factsOf, hoursFrom, keyPair, recordOf, textOf } from './snapshot-fixture.ts'

const { signer, verifier } = keyPair()

const facts = factsOf({
  from: '2026-11-01T00:00:00Z',
  until: '2026-11-01T06:00:00Z',
  regions: [
    { region: 'ap-guangzhou', after: genesis, sums: [], notes: [] },
    { region: 'ap-beijing', after: genesis, sums: [], notes: [] },
  ],
})
const entries = [
  ...recordOf('ap-guangzhou', hoursFrom('2026-11-01T00:00:00Z', [1, 2, 3, 4, 5, 6], [2])),
  ...recordOf('ap-beijing', hoursFrom('2026-11-01T01:00:00Z', [7, 8])),
]

let text: string
let bytes: Buffer

beforeAll(async () => {
  text = await textOf(facts, entries, signer)
  bytes = Buffer.from(text)
})

const verdictOf = async (content: string | Uint8Array) => await verifySnapshot([Buffer.from(content)], verifier)

/** The row of a byte, counted from 1. */
function rowAt(place: number): number {
  return bytes.subarray(0, place).filter((byte) => byte === 0x0a).length + 1
}

describe('a snapshot as it was made', () => {
  test('is verified with the file and the public key alone, and says what it holds', async () => {
    const verdict = await verdictOf(text)
    expect(verdict).toMatchObject({
      ok: true,
      facts: { zone: 'Asia/Shanghai', from: facts.from, until: facts.until },
      summary: {
        entries: 7,
        regions: [
          { region: 'ap-guangzhou', measured: 5, hours: 6 },
          { region: 'ap-beijing', measured: 2 },
        ],
      },
      rows: 10,
      key: signer.id,
    })
  })

  test('is verified however the file is cut into pieces while it is read', async () => {
    for (const size of [1, 7, 64, 1000]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
      expect((await verifySnapshot(pieces, verifier)).ok).toBe(true)
    }
  })

  test('goes on from an entry that is not in it any more, where it says so', async () => {
    const [first, ...rest] = entries.filter(({ sample }) => sample.region === 'ap-guangzhou')
    if (first === undefined) throw new Error('there is no entry')
    const later = { ...facts, regions: [{ region: 'ap-guangzhou', after: anchorOf(first), sums: [], notes: [] }] }
    expect((await verdictOf(await textOf(later, rest, signer))).ok).toBe(true)
  })
})

describe('a snapshot that was changed', () => {
  test('one flipped bit in any byte fails, and the first wrong row is named', async () => {
    const last = rowAt(bytes.length - 1)
    for (let place = 0; place < bytes.length; place += 1) {
      const changed = Buffer.from(bytes)
      changed[place] = (bytes[place] ?? 0) ^ (1 << (place % 8))
      const verdict = await verifySnapshot([changed], verifier)
      if (verdict.ok) expect.fail(`nothing was noticed at byte ${place}`)
      const { row, code } = verdict.problem
      // The name of the key and the value of the signature are wrong for all rows together.
      if (row === undefined) expect([rowAt(place), ['other-key', 'signature'].includes(code)]).toEqual([last, true])
      else expect(row).toBe(rowAt(place))
    }
  })

  test('any bits of any byte fail, as do bytes put in and left out', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom('flip', 'put', 'leave'),
        async (place, bits, how) => {
          const byte = bytes[place] ?? 0
          const middle = how === 'flip' ? [byte ^ bits] : how === 'put' ? [bits, byte] : []
          const changed = Buffer.concat([bytes.subarray(0, place), Buffer.from(middle), bytes.subarray(place + 1)])
          expect((await verifySnapshot([changed], verifier)).ok).toBe(false)
        },
      ),
      { seed: 8, numRuns: 1500 },
    )
  })

  test('cut off anywhere fails', async () => {
    for (let length = bytes.length - 1; length >= 0; length -= length > bytes.length - 200 ? 1 : 7) {
      const verdict = await verifySnapshot([bytes.subarray(0, length)], verifier)
      if (verdict.ok) expect.fail(`nothing was noticed of the cut after ${length} bytes`)
    }
    const rows = text.split('\n')
    expect(await verdictOf(`${rows.slice(0, 5).join('\n')}\n`)).toEqual({
      ok: false,
      problem: { code: 'cut-off', row: 6, text: 'row 6: the file ends after 5 rows, before its summary' },
    })
    expect(await verdictOf(text.trimEnd())).toMatchObject({
      problem: { code: 'cut-off', row: 10, text: 'row 10: the line break at its end is missing' },
    })
    expect(await verdictOf('')).toMatchObject({ problem: { code: 'no-snapshot', text: 'row 1: the file is empty' } })
  })

  test('rows left out, doubled, in another order, or after the end are named', async () => {
    const rows = text.trimEnd().split('\n')
    const put = async (changed: readonly string[]) => await verdictOf(`${changed.join('\n')}\n`)
    expect(await put(rows.toSpliced(3, 1))).toMatchObject({
      problem: {
        code: 'order',
        row: 4,
        text: expect.stringContaining('row 4: ap-guangzhou, entry 3 (2026-11-01T04:00:00Z): entry 4 stands where entry 3 belongs'),
      },
    })
    expect(await put(rows.toSpliced(3, 0, rows[2] ?? ''))).toMatchObject({ problem: { code: 'order', row: 4 } })
    expect(await put(rows.with(2, rows[3] ?? '').with(3, rows[2] ?? ''))).toMatchObject({ problem: { code: 'order', row: 3 } })
    expect(await put([...rows, rows[1] ?? ''])).toMatchObject({
      problem: { code: 'order', row: 11, text: 'row 11: something stands after the signature' },
    })
    // A whole region.
    expect(await put(rows.toSpliced(6, 2))).toMatchObject({
      problem: { code: 'row', row: 7, text: 'row 7: its entries is not what the rows before it come to' },
    })
    expect(await put(rows.toSpliced(8, 1))).toMatchObject({
      problem: { code: 'order', row: 9, text: 'row 9: the signature stands before the summary' },
    })
    expect(await put(rows.toSpliced(0, 1))).toMatchObject({ problem: { code: 'no-snapshot', row: 1 } })
  })

  test('a figure that was changed in an entry is told from one in the summary', async () => {
    expect(await verdictOf(text.replace('"UsageValue":"4"', '"UsageValue":"2"'))).toMatchObject({
      problem: {
        code: 'row',
        row: 2,
        text: 'row 2: ap-guangzhou, entry 1 (2026-11-01T00:00:00Z): its content is not what its digest was made from: it was changed',
      },
    })
    expect(await verdictOf(text.replace('"measured":5,"months"', '"measured":6,"months"'))).toMatchObject({
      problem: { code: 'row', row: 9, text: 'row 9: its regions.0.measured is not what the rows before it come to' },
    })
    expect(await verdictOf(text.replace('"tolerance":"5"', '"tolerance":"9"'))).toMatchObject({
      problem: { code: 'row', row: 1, text: 'row 1: its content is not what its digest was made from: it was changed' },
    })
    // With a digest that fits, it does not fit what stands at the end.
    const conditions = { tolerance: '9', passMeans: 'over' }
    const other = await textOf({ ...facts, conditions }, entries, signer)
    const [first] = other.split('\n')
    expect(await verdictOf(`${first}\n${text.slice(text.indexOf('\n') + 1)}`)).toMatchObject({
      problem: { code: 'row', row: 9, text: 'row 9: its facts is not what the rows before it come to' },
    })
  })
})

describe('a snapshot of somebody without the key', () => {
  /** Puts a changed record together again, with everything that needs no key. */
  async function forged(change: (entry: Entry) => Entry): Promise<string> {
    const remade = new Map<string, Entry>()
    const all = entries.map((entry) => {
      const { region } = entry.sample
      const before = remade.get(region)
      const changed = { ...change(structuredClone(entry)), prev: before === undefined ? ('genesis' as const) : before.digest }
      const whole = { ...changed, digest: entryDigest(changed) }
      remade.set(region, whole)
      return whole
    })
    return await textOf(facts, all, keyPair().signer)
  }

  const halved = (entry: Entry): Entry => ({
    ...entry,
    sample: { ...entry.sample, raw: { collectAllCore: { Data: [] }, queryOverage: {} } },
  })

  test('signed with a key of his own, or under the name of the real one, is not taken for one', async () => {
    const text = await forged(halved)
    expect(await verdictOf(text)).toMatchObject({ ok: false, problem: { code: 'other-key', text: expect.stringContaining(signer.id) } })
    const named = text.replace(/"key":"sha256:[0-9a-f]{64}"/, `"key":"${signer.id}"`)
    const verdict = await verdictOf(named)
    expect(verdict).toEqual({
      ok: false,
      problem: {
        code: 'signature',
        text: 'its rows fit together, but the signature is not of them: it was changed and put together again by somebody without the key',
      },
    })
  })

  test('a signature of something else by the real key is none of this', async () => {
    const other = await textOf({ ...facts, madeAt: '2026-12-02T00:00:00.000Z' }, entries, signer)
    const last = other.trimEnd().split('\n').at(-1)
    expect(await verdictOf(text.replace(/\{"signature".*\n$/, `${last}\n`))).toMatchObject({ ok: false, problem: { code: 'signature' } })
    // Not even of the bare digest: what is signed says what it is for.
    const digest = createHash('sha256')
      .update(text.replace(/\{"signature".*\n$/, ''))
      .digest()
    const value = sign(null, digest, signer.key).toString('base64')
    expect(await verdictOf(text.replace(/"value":"[^"]*"/, `"value":"${value}"`))).toMatchObject({
      ok: false,
      problem: { code: 'signature' },
    })
  })
})

function headOf(change: object): string {
  const snapshot = { ...facts, format: 'longshore-licence-snapshot/1', ...change }
  const digest = createHash('sha256').update(canonicalJson(snapshot)).digest('base64url')
  return `${canonicalJson({ digest, snapshot })}\n`
}

describe('something that is no snapshot', () => {
  test.each([
    ['a text', 'hello\n'],
    ['another JSON', '{"a":1}\n'],
    ['a snapshot of another format', headOf({ format: 'longshore-licence-snapshot/9' })],
    ['a zone that nobody knows', headOf({ zone: 'Nowhere/None' })],
    [
      'a period of thousands of years, which would take hours to go through',
      headOf({ from: '0001-01-01T00:00:00Z', until: '9999-01-01T00:00:00Z' }),
    ],
    ['bytes', Buffer.from([0xff, 0xfe, 0x00, 0x0a])],
    ['a deep list', `${'['.repeat(5000)}${']'.repeat(5000)}\n`],
  ])('%s is called so', async (_, content) => {
    expect(await verdictOf(content)).toMatchObject({ ok: false, problem: { code: 'no-snapshot', row: 1 } })
  })

  test('without a line break does not fill the memory', async () => {
    let given = 0
    function* endless(): Generator<Uint8Array> {
      const chunk = Buffer.alloc(1024 * 1024, 'a')
      for (;;) {
        given += chunk.length
        yield chunk
      }
    }
    const verdict = await verifySnapshot(endless(), verifier)
    expect(verdict).toMatchObject({
      ok: false,
      problem: { code: 'no-snapshot', text: expect.stringContaining('longer than any row can be') },
    })
    expect(given).toBeLessThan(16 * 1024 * 1024)
  })
})

describe('a large snapshot', () => {
  test('with one random byte changed anywhere fails', async () => {
    const hours = hoursFrom(
      '2026-01-01T00:00:00Z',
      Array.from({ length: 1500 }, (_, index) => 90 + (index % 37)),
    )
    const all = recordOf('ap-guangzhou', hours)
    const big = await textOf(factsOf({ from: '2026-01-01T00:00:00Z', until: '2026-03-15T00:00:00Z' }), all, signer)
    const whole = Buffer.from(big)
    expect((await verifySnapshot([whole], verifier)).ok).toBe(true)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), async (place, bits) => {
        const before = whole[place] ?? 0
        whole[place] = before ^ bits
        const verdict = await verifySnapshot([whole], verifier)
        whole[place] = before
        expect(verdict.ok).toBe(false)
      }),
      { seed: 9, numRuns: 25 },
    )
  })
})
