import { resolve } from 'node:path'
import { hoursBegun } from '#infra/report/licence-report.ts'
import { formatDecimal } from '#shared/licence/decimal.ts'
import { readGapNotes } from '#shared/licence/gap-store.ts'
import { type RecordSpan, readEntries, readSpan } from '#shared/licence/record-store.ts'
import { hoursOfDay } from '#shared/licence/rollup.ts'
import { hourNumber, hourText, readSample } from '#shared/licence/sample.ts'
import type { MemoryReader } from '#shared/runtime/memory.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { csvRow, fileSize, writeWhole } from './license-file.ts'
import { type PeriodWords, periodOf } from './license-period.ts'
import type { LicenceWorld } from './license-world.ts'
import { counted } from './words.ts'

/** The hours (numbers since 1970) of a region from the first that is kept, or the period's beginning, to now or the period's end. */
export interface KeptHours {
  readonly region: string
  readonly span: RecordSpan
  readonly from: number
  readonly until: number
}

/** What is kept of each region in a period, all of it without one. Regions of which nothing was ever measured are left out. */
export async function keptHours({ memory, regions, settings, nowMs }: LicenceWorld, words: PeriodWords): Promise<readonly KeptHours[]> {
  const zone = settings.timeZone
  const period = periodOf(words, zone, nowMs)
  const kept: KeptHours[] = []
  for (const region of regions) {
    const span = await readSpan(memory, region)
    if (span === undefined) continue
    const firstKept = firstKeptHour(span)
    const from = period === undefined ? firstKept : hoursOfDay(period.fromDay, zone).firstHour
    const until = period === undefined ? Number.POSITIVE_INFINITY : hoursOfDay(period.untilDay + 1, zone).firstHour
    kept.push({ region, span, from, until: Math.max(from, Math.min(until, hoursBegun(span, nowMs))) })
  }
  return kept
}

/** The first hour of which samples are kept: the one after the last that was thrown away, or the very first. */
export function firstKeptHour({ anchor, firstHour }: RecordSpan): number {
  return anchor.hour === '' ? hourNumber(firstHour) : hourNumber(anchor.hour) + 1
}

/** `longshore license export`. */
export async function exportSamples(
  io: CommandIo,
  world: LicenceWorld,
  words: PeriodWords & { readonly csv?: string | undefined },
): Promise<number> {
  if (words.csv === undefined || words.csv === '') throw new UsageError('give the file to write: --csv samples.csv')
  const path = resolve(io.cwd, words.csv)
  const hours = await keptHours(world, words)
  if (hours.length === 0) {
    io.err(`Nothing was ever measured in ${world.regions.join(', ')}: there is nothing to export.`)
    return 1
  }
  const counts = { samples: 0, gaps: 0 }
  const bytes = await writeWhole(path, sampleRows(io, world.memory, hours, counts))
  world.print(`${path}: ${counted(counts.samples, 'sample')}, ${counted(counts.gaps, 'hour')} without one, ${fileSize(bytes)}.`)
  for (const { region, span, from } of hours) {
    if (from >= firstKeptHour(span)) continue
    io.err(
      `${region}: samples are kept from ${hourText(firstKeptHour(span))} on; hours before that are not in the file as samples, and not all of them were gaps.`,
    )
  }
  return 0
}

/** The samples as rows for a spreadsheet, hours in UTC. */
async function* sampleRows(
  io: CommandIo,
  memory: MemoryReader,
  hours: readonly KeptHours[],
  counts: { samples: number; gaps: number },
): AsyncGenerator<string> {
  yield csvRow([
    'region',
    'hour',
    'measured',
    'read_at',
    'product',
    'description',
    'unit',
    'usage',
    'usage_as_it_came',
    'pass_as_it_came',
    'why',
    'entry',
    'digest',
  ])
  for (const kept of hours) {
    const { region } = kept
    const from = Math.max(kept.from, firstKeptHour(kept.span))
    const notes = await readGapNotes(memory, region, from, kept.until)
    let next = from
    const gapsUntil = function* (hour: number): Generator<string> {
      for (; next < hour; next += 1) {
        counts.gaps += 1
        yield csvRow([region, hourText(next), 'no', '', '', '', '', '', '', '', notes.get(hourText(next))?.text ?? 'nothing was noted'])
      }
    }
    for await (const { sample, seq, digest } of readEntries(memory, region, from, kept.until)) {
      io.signal.throwIfAborted()
      yield* gapsUntil(hourNumber(sample.hour))
      next += 1
      counts.samples += 1
      const { products, pass } = readSample(sample)
      for (const { productId, description, unit, usage, raw, why } of products)
        yield csvRow([
          region,
          sample.hour,
          'yes',
          sample.at,
          productId,
          description,
          unit,
          usage === undefined ? '' : formatDecimal(usage),
          rawText(raw),
          rawText(pass.raw),
          why,
          seq,
          digest,
        ])
      if (products.length === 0)
        yield csvRow([
          region,
          sample.hour,
          'yes',
          sample.at,
          '',
          '',
          '',
          '',
          '',
          rawText(pass.raw),
          'the platform listed no product',
          seq,
          digest,
        ])
    }
    yield* gapsUntil(kept.until)
  }
}

function rawText(raw: unknown): string {
  return typeof raw === 'string' ? raw : raw === undefined ? '' : JSON.stringify(raw)
}
