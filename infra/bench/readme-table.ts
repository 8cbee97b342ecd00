import type { BenchReport } from './bench.ts'

const marks = { begin: '<!-- bench: written by `npm run bench -- --readme` -->', end: '<!-- end of bench -->' }

/**
 * One table of all that a bench has measured, ratios first: against peers how many times better, against promises which part of the
 * limit (or how many times the least) was measured. `day` is when, `2026-11-24`.
 */
export function benchTable({ machine, compared, goals }: Pick<BenchReport, 'machine' | 'compared' | 'goals'>, day: string): string {
  const { cpu, cores, memoryGib, system, node, sdk, load } = machine
  const rows = [
    ...compared.map(({ what, times, ours, peer }) => [`**${times.toLocaleString('en-US')} ×**`, what, ours, peer]),
    ...goals.map(({ section, goal, promised, measured, met, ofPromised }) => [
      `${ofPromised === undefined ? '–' : ofPromised.toLocaleString('en-US')}${met === 'yes' ? '' : ' **missed**'}`,
      `${section}: ${goal}`,
      measured.toLocaleString('en-US'),
      promised,
    ]),
  ]
  return [
    `Measured ${day} on ${cpu}, ${cores} cores, ${memoryGib} GiB, ${system}, Node ${node.replace(/^v/, '')}, official SDK ${sdk}, at a load of ${load} before:`,
    '',
    '| ratio | what | measured | peer, or what was promised |',
    '| --- | --- | --- | --- |',
    ...rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`),
  ].join('\n')
}

/** The README with its table replaced. Throws when the marks are missing. */
export function withBenchTable(readme: string, table: string): string {
  const from = readme.indexOf(marks.begin)
  const to = readme.indexOf(marks.end)
  if (from < 0 || to < from) throw new Error(`README.md has lost the lines ${marks.begin} and ${marks.end}`)
  return `${readme.slice(0, from + marks.begin.length)}\n${table}\n${readme.slice(to)}`
}
