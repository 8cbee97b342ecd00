import { describe, expect, test } from 'vitest'
import { anchorOf, genesis } from '#shared/licence/record.ts'
import { BrokenRecordError } from '#shared/licence/snapshot.ts'
import { readPublicKey, readSigningKey } from '#shared/licence/snapshot-key.ts'
import { factsOf, hoursFrom, keyPair, pemPair, recordOf, textOf } from './snapshot-fixture.ts'

const { signer } = keyPair()

const rowsOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('a snapshot', () => {
  test('says what it is of, has every entry whole, what they come to, and the signature at the end', async () => {
    // Five hours around the end of a month in Shanghai, which is 16:00 UTC; one of them was not measured.
    const entries = recordOf('ap-guangzhou', hoursFrom('2026-10-31T14:00:00Z', [10, 12, 30, 11, 9], [3]))
    const facts = factsOf({
      from: '2026-10-31T14:00:00Z',
      until: '2026-10-31T20:00:00Z',
      regions: [{ region: 'ap-guangzhou', after: genesis, sums: ['tke-*'], notes: [] }],
    })
    const [first, ...rest] = rowsOf(await textOf(facts, entries, signer))
    expect(first).toEqual({
      snapshot: { format: 'longshore-licence-snapshot/1', ...facts },
      digest: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    })
    expect(rest.slice(0, 4)).toEqual(entries.map((entry) => ({ entry })))
    const arm = (hour: string) => ({ metric: 'tke-managed-arm', unit: 'core', usage: '4', hour })
    expect(rest[4].summary).toEqual({
      facts: first.digest,
      entries: 4,
      regions: [
        {
          region: 'ap-guangzhou',
          entries: 4,
          end: anchorOf(entries[3] ?? expect.fail()),
          hours: 6,
          measured: 4,
          gaps: [
            { from: '2026-10-31T17:00:00Z', until: '2026-10-31T18:00:00Z' },
            { from: '2026-10-31T19:00:00Z', until: '2026-10-31T20:00:00Z' },
          ],
          months: [
            {
              month: '2026-10',
              hours: 2,
              measured: 2,
              high: [
                { metric: 'tke-*', unit: 'core', usage: '16', hour: '2026-10-31T15:00:00Z' },
                arm('2026-10-31T14:00:00Z'),
                { metric: 'tke-managed-x86', unit: 'core', usage: '12', hour: '2026-10-31T15:00:00Z' },
              ],
            },
            {
              month: '2026-11',
              hours: 4,
              measured: 2,
              high: [
                { metric: 'tke-*', unit: 'core', usage: '34', hour: '2026-10-31T16:00:00Z' },
                arm('2026-10-31T16:00:00Z'),
                { metric: 'tke-managed-x86', unit: 'core', usage: '30', hour: '2026-10-31T16:00:00Z' },
              ],
            },
          ],
        },
      ],
    })
    expect(rest[5].signature).toEqual({ algorithm: 'ed25519', key: signer.id, value: expect.stringMatching(/^[A-Za-z0-9+/]{86}==$/) })
    expect(rest).toHaveLength(6)
  })

  test('what cannot be read is in the entries as it came, and in no figure', async () => {
    const entries = recordOf('ap-guangzhou', [
      { hour: '2026-11-01T00:00:00Z', usage: { 'tke-managed-x86': 'N/A' } },
      { hour: '2026-11-01T01:00:00Z', usage: { 'tke-managed-x86': '1,024' } },
    ])
    const rows = rowsOf(await textOf(factsOf({ from: '2026-11-01T00:00:00Z', until: '2026-11-01T02:00:00Z' }), entries, signer))
    expect(rows[1].entry.sample.raw.collectAllCore.Data[0].UsageValue).toBe('N/A')
    expect(rows[3].summary.regions[0].months[0].high).toEqual([
      { metric: 'tke-managed-x86', unit: 'core', usage: '1024', hour: '2026-11-01T01:00:00Z' },
    ])
  })

  test('without an entry it is a snapshot of gaps', async () => {
    const rows = rowsOf(await textOf(factsOf({ from: '2026-11-01T00:00:00Z', until: '2026-11-02T00:00:00Z' }), [], signer))
    expect(rows[1].summary.regions[0]).toMatchObject({
      entries: 0,
      hours: 24,
      measured: 0,
      end: genesis,
      gaps: [{ from: '2026-11-01T00:00:00Z', until: '2026-11-02T00:00:00Z' }],
    })
  })

  test('is the same byte for byte when it is made again of the same', async () => {
    const entries = recordOf('ap-guangzhou', hoursFrom('2026-11-01T00:00:00Z', [1, 2, 3]))
    const facts = factsOf({ from: '2026-11-01T00:00:00Z', until: '2026-11-01T03:00:00Z' })
    expect(await textOf(facts, entries, signer)).toBe(await textOf(facts, entries, signer))
  })

  test('of a record that is broken is not made: a signature would say that it is in order', async () => {
    const entries = recordOf('ap-guangzhou', hoursFrom('2026-11-01T00:00:00Z', [1, 2, 3, 4]))
    const facts = factsOf({ from: '2026-11-01T00:00:00Z', until: '2026-11-01T04:00:00Z' })
    const changed = structuredClone(entries)
    Object.assign(changed[1]?.sample.raw ?? {}, { queryOverage: { Pass: 'true' } })
    const error = await textOf(facts, changed, signer).catch((one: unknown) => one)
    expect(error).toBeInstanceOf(BrokenRecordError)
    expect(String(error)).toContain(
      'the record of ap-guangzhou is broken at entry 2 (2026-11-01T01:00:00Z): its content is not what its digest was made from',
    )
    await expect(textOf(facts, entries.toSpliced(2, 1), signer)).rejects.toThrow('entry 4 stands where entry 3 belongs')
    await expect(textOf({ ...facts, until: '2026-11-01T03:00:00Z' }, entries, signer)).rejects.toThrow('its hour is not in the period')
  })
})

describe('the key of a snapshot', () => {
  test('is taken from PEM, also with line breaks written as \\n, and known by its public half', () => {
    const { privatePem, publicPem } = pemPair()
    const plain = readSigningKey(privatePem)
    const escaped = readSigningKey(privatePem.replaceAll('\n', '\\n'))
    const open = readPublicKey(publicPem)
    expect([plain.ok, escaped.ok, open.ok]).toEqual([true, true, true])
    if (plain.ok && escaped.ok && open.ok) expect([escaped.value.id, open.value.id]).toEqual([plain.value.id, plain.value.id])
  })

  test('that is none says what it is and how to make one, and never what stands there', () => {
    const { publicPem } = pemPair()
    expect(readSigningKey(publicPem)).toEqual({ ok: false, error: 'it is a public key: only the private one can sign' })
    for (const text of ['my-secret-text', '-----BEGIN PRIVATE KEY-----\nmy-secret-text\n-----END PRIVATE KEY-----\n']) {
      const answer = readSigningKey(text)
      expect(answer).toEqual({
        ok: false,
        error: 'it is no private key in PEM; make one with: openssl genpkey -algorithm ed25519 -out licence-key.pem',
      })
    }
    expect(readPublicKey('nothing')).toMatchObject({ ok: false, error: expect.stringContaining('no public key in PEM') })
  })

  test('for another algorithm is refused', async () => {
    const { generateKeyPairSync } = await import('node:crypto')
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(readSigningKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())).toMatchObject({
      ok: false,
      error: expect.stringContaining('it is a key for ec, not for ed25519'),
    })
    expect(readPublicKey(publicKey.export({ type: 'spki', format: 'pem' }).toString())).toMatchObject({ ok: false })
  })
})
