import type { ContentReport, Fate, RegistryBytes, ReportPart, RepositoryReport } from '#functions/image-cleaner/report.ts'
import { sizeText } from '#functions/image-cleaner/size-text.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { counted } from './words.ts'

/** Where a report goes, one part after another. */
export interface ReportSink {
  readonly add: (part: ReportPart) => void | Promise<void>
  readonly end: (totals: ReportTotals) => void | Promise<void>
  /** Leaves nothing half done behind. */
  readonly abandon?: () => Promise<void>
}

export interface ReportTotals {
  readonly repositories: number
  /** Tags by what becomes of them. */
  readonly counts: Readonly<Record<Fate, number>>
  readonly bytes: RegistryBytes
  /** What could not be read. */
  readonly problems: readonly string[]
  /** What the configuration says for nothing. */
  readonly hints: readonly string[]
}

/** What becomes of tags, in the order in which a person wants to see it. */
export const fates: readonly Fate[] = ['going', 'waiting', 'kept']

/** `12 repositories: 80 tags are kept, 5 go and free 1.2 GiB, 3 wait and will free 300.0 MiB`. */
export function totalsText(
  repositories: number,
  { kept, going, waiting }: ReportTotals['counts'],
  bytes: RegistryBytes,
  quarantineDays: number | undefined,
): string {
  const later = quarantineDays === undefined ? '' : ` once the copies in the quarantine are gone, after ${counted(quarantineDays, 'day')}`
  return [
    `${counted(repositories, 'repository', 'repositories')}: ${counted(kept, 'tag is', 'tags are')} kept`,
    `${going} ${going === 1 ? 'goes' : 'go'}${going === 0 ? '' : ` and ${going === 1 ? 'frees' : 'free'} ${sizeText(bytes.going)}${later}`}`,
    `${waiting} ${waiting === 1 ? 'waits' : 'wait'}${waiting === 0 ? '' : ` and will free ${sizeText(bytes.waiting)}`}`,
  ].join(', ')
}

/** Contents in the order in which a person wants to see them: what goes, what waits, what is kept, each newest first. */
export function inOrderOfFate(contents: readonly ContentReport[]): readonly ContentReport[] {
  return contents.toSorted((left, right) => fates.indexOf(left.fate) - fates.indexOf(right.fate))
}

export function reasonsText({ reasons }: Pick<ContentReport, 'reasons'>): string {
  return reasons.map(({ text }) => text).join('; ')
}

/** `2026-08-04 00:07`, for tables that say once which zone it is. */
export function minuteText(ms: number, zone: string): string {
  return /\d+-\d\d-\d\d \d\d:\d\d/.exec(formatInstant(ms, zone))?.[0] ?? ''
}

/** Only what a run removes, now or on a later day. Counts stay those of the whole repository. */
export function changesOf(report: RepositoryReport): RepositoryReport {
  return { ...report, contents: report.contents.filter(({ fate }) => fate !== 'kept') }
}

export function namesText({ tags }: ContentReport): string {
  return tags.map(({ name }) => name).join(' = ')
}

/** Bytes of what goes and waits in one repository; what others have as well counts here, too. */
export function bytesOf({ contents }: RepositoryReport, fate: Fate): number {
  return contents.reduce((sum, content) => sum + (content.fate === fate ? content.sizeBytes : 0), 0)
}

/** `60 tags: 18 kept, 5 going (645.5 MiB), 37 waiting (4.2 GiB)`. */
export function countsLine(report: RepositoryReport): string {
  const { kept, going, waiting } = report.counts
  const part = (count: number, fate: 'going' | 'waiting'): string =>
    `${count} ${fate}${count === 0 ? '' : ` (${sizeText(bytesOf(report, fate))})`}`
  return `${counted(kept + going + waiting, 'tag')}: ${kept} kept, ${part(going, 'going')}, ${part(waiting, 'waiting')}`
}
