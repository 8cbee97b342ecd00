import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { coverageText } from '#infra/report/licence-text.ts'
import { sumsOf } from '#shared/licence/metric.ts'
import { verifyChain } from '#shared/licence/record.ts'
import { RecordError } from '#shared/licence/record-error.ts'
import { readEntries, readSpan } from '#shared/licence/record-store.ts'
import { hourNumber, hourOf } from '#shared/licence/sample.ts'
import type { SnapshotSummary } from '#shared/licence/snapshot.ts'
import { readPublicKey, type SigningKey } from '#shared/licence/snapshot-key.ts'
import { verifySnapshot } from '#shared/licence/snapshot-verify.ts'
import { columns } from './columns.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { RolledDays } from './license-rolled.ts'
import type { LicenceWorld } from './license-world.ts'
import { counted, fileTrouble } from './words.ts'

/** `longshore license verify FILE`: needs the file and the public key, and nothing else. */
export async function verifyFile(io: CommandIo, file: string, keyPath: string | undefined): Promise<number> {
  const key = await publicKey(io, keyPath)
  const path = resolve(io.cwd, file)
  const verdict = await readable(path, async () => await verifySnapshot(createReadStream(path, { signal: io.signal }), key))
  if (!verdict.ok) {
    io.err(`${path} is NOT as it was made: ${verdict.problem.text}.`)
    return 1
  }
  const { facts, summary, rows } = verdict
  io.out(`${path} is as it was made: ${counted(rows, 'row')}, signed with the key ${verdict.key}.`)
  io.out(`Made at ${facts.madeAt} by ${facts.madeBy}, of ${facts.from} until ${facts.until}, months of ${facts.zone}.`)
  const notes = facts.conditions.notes
  if (Array.isArray(notes)) for (const note of notes) io.out(String(note))
  for (const line of summaryLines(summary)) io.out(line)
  return 0
}

function* summaryLines({ regions }: SnapshotSummary): Generator<string> {
  for (const { region, measured, hours, gaps, months, end } of regions) {
    yield ''
    yield `${region}: ${coverageText({ measured, hours })}, ${counted(gaps.length, 'gap')}; the last entry is ${end.seq}, digest ${end.digest}`
    const rows = months.flatMap((month) =>
      month.high.map(({ metric, unit, usage, hour }) => [
        month.month,
        metric,
        `${usage}${unit === '' ? '' : ` ${unit}`}`,
        hour,
        `${month.measured} of ${month.hours} h`,
      ]),
    )
    yield* columns(['month', 'what', 'highest', 'first at', 'measured'], rows).map((line) => `  ${line}`)
  }
}

async function publicKey(io: CommandIo, given: string | undefined): Promise<SigningKey> {
  if (given === undefined || given === '')
    throw new UsageError('give the public key that it is to be checked with: --key licence-public.pem')
  const path = resolve(io.cwd, given.replace(/^file:/, ''))
  const key = readPublicKey(await readable(path, async () => await readFile(path, 'utf8')))
  if (!key.ok) throw new UsageError(`${path}: ${key.error}`)
  return key.value
}

async function readable<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error
    throw new Error(`${path} cannot be read: ${fileTrouble(error)}`, { cause: error })
  }
}

/** `longshore license verify`: the record itself, link by link, and the high-water marks of the days against the samples. */
export async function verifyRecord({ memory, regions, settings, nowMs, print }: LicenceWorld): Promise<number> {
  let isWhole = true
  const bad = (text: string): void => {
    isWhole = false
    print(text)
  }
  for (const region of regions) {
    try {
      const span = await readSpan(memory, region)
      if (span === undefined) {
        print(`${region}: nothing was ever measured.`)
        continue
      }
      const rules = { zone: settings.timeZone, sums: sumsOf(settings.entitlements, region) }
      const rolled = new RolledDays(region, memory, { rules, nowMs })
      const { entries, end, broken } = await verifyChain(
        rolled.watch(readEntries(memory, region, 0, hourNumber(hourOf(nowMs)) + 1)),
        region,
        span.anchor,
      )
      if (broken !== undefined) {
        const before = `${counted(entries, 'entry', 'entries')} before that are in order; what comes after cannot be relied on`
        bad(`${region}: BROKEN at ${broken.text}. ${before}.`)
      } else if (end.digest !== span.last.digest) {
        bad(
          `${region}: BROKEN at its end: the chain leads to entry ${end.seq}, and the head is entry ${span.last.seq}: entries are missing.`,
        )
      } else
        print(`${region}: ${counted(entries, 'entry', 'entries')}, unbroken; the last is ${end.seq} (${end.hour}), digest ${end.digest}`)
      for (const text of rolled.differences) bad(`${region}: ${text}`)
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      bad(`${region}: ${error.message}`)
    }
  }
  return isWhole ? 0 : 1
}
