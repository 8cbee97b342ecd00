import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Settings } from '#functions/license-meter/event.ts'
import { dayText } from '#infra/report/licence-text.ts'
import { formatUnits } from '#shared/licence/complete-units.ts'
import { formatDecimal } from '#shared/licence/decimal.ts'
import { readGapNotes } from '#shared/licence/gap-store.ts'
import { sumsOf } from '#shared/licence/metric.ts'
import { type Anchor, anchorOf } from '#shared/licence/record.ts'
import { readEntries } from '#shared/licence/record-store.ts'
import { hourText } from '#shared/licence/sample.ts'
import { type GapNote, snapshotRows } from '#shared/licence/snapshot.ts'
import { readSigningKey, type SigningKey } from '#shared/licence/snapshot-key.ts'
import type { MemoryReader } from '#shared/runtime/memory.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { firstKeptHour, type KeptHours, keptHours } from './license-export.ts'
import { fileSize, writeWhole } from './license-file.ts'
import type { PeriodWords } from './license-period.ts'
import type { LicenceWorld } from './license-world.ts'
import { counted } from './words.ts'

/** `longshore license snapshot`. */
export async function makeSnapshot(
  io: CommandIo,
  world: LicenceWorld,
  words: PeriodWords & { readonly out?: string | undefined; readonly key?: string | undefined },
): Promise<number> {
  const { settings, memory, nowMs, notes, print, redactor } = world
  if (words.out === undefined || words.out === '') throw new UsageError('give the file to write: --out usage.snapshot')
  const path = resolve(io.cwd, words.out)
  const signer = await signingKey(io, words.key, redactor)
  const hours = await keptHours(world, words)
  if (hours.length === 0) {
    io.err(`Nothing was ever measured in ${world.regions.join(', ')}: there is nothing to sign.`)
    return 1
  }
  const { from, until } = commonHours(hours)
  for (const { region, span, from: asked } of hours) {
    if (firstKeptHour(span) > asked && span.anchor.seq > 0)
      io.err(`${region}: samples are kept from ${hourText(firstKeptHour(span))} on. The snapshot begins with ${hourText(from)}.`)
  }
  if (until <= from) {
    io.err('No sample of that period is kept any more: there is nothing to sign.')
    return 1
  }
  const regions = []
  for (const { region, span } of hours) {
    regions.push({
      region,
      after: await placeBefore(memory, region, from, span.anchor),
      sums: sumsOf(settings.entitlements, region).map(({ id }) => id),
      notes: await gapNotes(memory, region, from, until),
    })
  }
  const facts = {
    madeAt: new Date(nowMs).toISOString(),
    madeBy: await programName(),
    zone: settings.timeZone,
    from: hourText(from),
    until: hourText(until),
    regions,
    conditions: conditionsOf(settings, notes),
  }
  let entries = -3
  const counting = async function* (rows: AsyncIterable<string>): AsyncGenerator<string> {
    for await (const row of rows) {
      io.signal.throwIfAborted()
      entries += 1
      yield row
    }
  }
  const rows = snapshotRows(facts, (region) => readEntries(memory, region, from, until), signer)
  const bytes = await writeWhole(path, counting(rows))
  print(
    `${path}: ${counted(entries, 'sample')} of ${counted(hours.length, 'region')} from ${facts.from} until ${facts.until}, ${fileSize(bytes)}, signed with the key ${signer.id}.`,
  )
  print('Whoever has the file and the public key can check it: longshore license verify FILE --key PUBLIC.pem')
  return 0
}

/** The key that a reference leads to; no part of it is ever shown. Throws UsageError when it is none. */
async function signingKey(io: CommandIo, reference: string | undefined, redactor: Redactor): Promise<SigningKey> {
  if (reference === undefined) throw new UsageError('say where the private key lies: --key env:NAME or --key file:licence-key.pem')
  if (!/^(env|file|ssm):/.test(reference))
    throw new UsageError('--key takes where the private key lies, env:NAME or file:licence-key.pem, never the key itself')
  const absolute = reference.startsWith('file:') ? `file:${resolve(io.cwd, reference.slice('file:'.length))}` : reference
  const pem = await createResolver({ env: io.env })(absolute)
  redactor.add(pem)
  for (const line of pem.split(/\\n|\n/)) if (line.length > 20 && !line.startsWith('-----')) redactor.add(line)
  const key = readSigningKey(pem)
  if (!key.ok) throw new UsageError(`--key: ${key.error}`)
  return key.value
}

/** One period for all regions: none of them may claim gaps in hours whose samples were thrown away. */
function commonHours(hours: readonly KeptHours[]): { readonly from: number; readonly until: number } {
  const from = Math.max(
    Math.min(...hours.map((kept) => kept.from)),
    ...hours.flatMap(({ span }) => (span.anchor.seq > 0 ? [firstKeptHour(span)] : [])),
  )
  return { from, until: Math.max(from, ...hours.map(({ until }) => until)) }
}

/** The last entry before an hour, which the first one of the snapshot follows. */
async function placeBefore(memory: MemoryReader, region: string, hour: number, anchor: Anchor): Promise<Anchor> {
  for (let days = 1; days < 100_000; days *= 2) {
    let last: Anchor | undefined
    for await (const entry of readEntries(memory, region, hour - days * 24, hour)) last = anchorOf(entry)
    if (last !== undefined) return last
  }
  return anchor
}

/** Why hours were not measured, hours with one reason in a row together. */
async function gapNotes(memory: MemoryReader, region: string, from: number, until: number): Promise<GapNote[]> {
  const found = await readGapNotes(memory, region, from, until)
  const notes: GapNote[] = []
  let end = from
  for (let hour = from; hour < until; hour += 1) {
    const reason = found.get(hourText(hour))
    if (reason === undefined) continue
    const last = notes.at(-1)
    if (last?.code === reason.code && end === hour) notes[notes.length - 1] = { ...last, until: hourText(hour + 1) }
    else notes.push({ from: hourText(hour), until: hourText(hour + 1), code: reason.code, text: reason.text })
    end = hour + 1
  }
  return notes
}

/** The settings that the figures are to be read by, as they are in force now. */
function conditionsOf({ entitlements, alerts, passMeans, keep }: Settings, notes: readonly string[]): Record<string, unknown> {
  return {
    entitlements: entitlements.map(({ product, region, cores, from, until, note }) => ({
      product: product.pattern,
      ...(region === undefined ? {} : { region: region.pattern }),
      cores: cores === 'unlimited' ? cores : formatDecimal(cores),
      ...(from === undefined ? {} : { from: dayText(from) }),
      ...(until === undefined ? {} : { until: dayText(until) }),
      ...(note === undefined ? {} : { note }),
    })),
    tolerancePercent: formatDecimal(alerts.tolerancePercent),
    passMeans: passMeans ?? 'not configured',
    keep: { hours: formatUnits(keep.hours), days: formatUnits(keep.days) },
    ...(notes.length === 0 ? {} : { notes }),
  }
}

async function programName(): Promise<string> {
  const file: unknown = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'))
  const version = typeof file === 'object' && file !== null && 'version' in file ? String(file.version) : 'of no version'
  return `longshore ${version}`
}
