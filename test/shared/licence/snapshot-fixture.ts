import { generateKeyPairSync } from 'node:crypto'
import { type Anchor, anchorOf, type Entry, entryAfter, genesis } from '#shared/licence/record.ts'
import { hourNumber, hourText } from '#shared/licence/sample.ts'
import { type SnapshotFacts, snapshotRows } from '#shared/licence/snapshot.ts'
import { readPublicKey, readSigningKey, type SigningKey } from '#shared/licence/snapshot-key.ts'

/** A pair of keys as PEM, made for the test that asks. */
export function pemPair(): { readonly privatePem: string; readonly publicPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  }
}

export function keyPair(): { readonly signer: SigningKey; readonly verifier: SigningKey } {
  const { privatePem, publicPem } = pemPair()
  const [signer, verifier] = [readSigningKey(privatePem), readPublicKey(publicPem)]
  if (!signer.ok || !verifier.ok) throw new Error('the keys of the test cannot be read')
  return { signer: signer.value, verifier: verifier.value }
}

export interface Reading {
  readonly hour: string
  /** By product; as the platform writes it. */
  readonly usage: Readonly<Record<string, unknown>>
}

/** The record of a region from the readings on, one entry each. */
export function recordOf(region: string, readings: readonly Reading[], after: Anchor = genesis): Entry[] {
  const entries: Entry[] = []
  let end = after
  for (const { hour, usage } of readings) {
    const entry = entryAfter(end, {
      region,
      hour,
      at: new Date(Date.parse(hour) + 185_000).toISOString(),
      raw: {
        collectAllCore: {
          ProductName: 'TKE',
          Version: '1.0',
          Data: Object.entries(usage).map(([id, value]) => ({
            ProductId: id,
            ProductIdDescribe: `of ${id}`,
            UsageUnit: 'core',
            UsageValue: value,
          })),
          RequestId: `collect-${hour}`,
        },
        queryOverage: { Pass: 'false', RequestId: `query-${hour}` },
      },
    })
    entries.push(entry)
    end = anchorOf(entry)
  }
  return entries
}

/** Readings of so many hours in a row; those at the given places are left out. */
export function hoursFrom(first: string, usages: readonly number[], without: readonly number[] = []): Reading[] {
  return usages.flatMap((value, index) =>
    without.includes(index)
      ? []
      : [{ hour: hourText(hourNumber(first) + index), usage: { 'tke-managed-x86': String(value), 'tke-managed-arm': '4' } }],
  )
}

export const factsOf = (facts: Partial<SnapshotFacts> & Pick<SnapshotFacts, 'from' | 'until'>): Omit<SnapshotFacts, 'format'> => ({
  madeAt: '2026-12-01T00:00:00.000Z',
  madeBy: 'longshore 0.1.0',
  zone: 'Asia/Shanghai',
  regions: [{ region: 'ap-guangzhou', after: genesis, sums: [], notes: [] }],
  conditions: { tolerance: '5', passMeans: 'over' },
  ...facts,
})

export async function textOf(facts: Omit<SnapshotFacts, 'format'>, entries: readonly Entry[], signer: SigningKey): Promise<string> {
  const rows: string[] = []
  for await (const row of snapshotRows(facts, (region) => entries.filter(({ sample }) => sample.region === region), signer)) rows.push(row)
  return rows.join('')
}
