import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { nearest } from '#shared/pure/nearest.ts'
import { runBench, sections } from './bench.ts'
import { benchTable, withBenchTable } from './readme-table.ts'
import type { Section } from './section.ts'
import { table } from './table.ts'

/**
 * `npm run bench -- [--quick] [--json] [--readme] [--only rules,store]`: see `sections` in bench.ts for what there is. With --readme the
 * table of the README becomes what was measured now.
 */
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    readme: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
  },
})
if (values.readme && (values.quick || values.only.length > 0)) {
  process.stderr.write('--readme wants everything measured: leave out --quick and --only.\n')
  process.exit(1)
}
const names = values.only.flatMap((text) => text.split(','))
const report = await runBench(names.length === 0 ? sections : names.map(sectionNamed), {
  root: fileURLToPath(new URL('../../', import.meta.url)),
  quick: values.quick,
})

if (values.json) process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
else {
  const { machine } = report
  process.stdout.write(
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}, Node ${machine.node}, undici ${machine.undici}, official SDK ${machine.sdk}, load ${machine.load}\n`,
  )
  for (const { name, title } of sections) {
    const rows = report.sections[name]
    if (rows !== undefined) process.stdout.write(`\n${title}\n${table(rows)}`)
  }
  if (report.compared.length > 0) process.stdout.write(`\nAgainst peers:\n${table(report.compared)}`)
  if (report.goals.length > 0) process.stdout.write(`\nWhat was promised:\n${table(report.goals)}`)
}

if (values.readme) {
  const path = fileURLToPath(new URL('../../README.md', import.meta.url))
  writeFileSync(path, withBenchTable(readFileSync(path, 'utf8'), benchTable(report, new Date().toISOString().slice(0, 10))))
}

function sectionNamed(name: string): Section {
  const found = sections.find((section) => section.name === name)
  if (found !== undefined) return found
  const known = sections.map((section) => section.name)
  const near = nearest(name, known)
  process.stderr.write(`There is no section "${name}"; ${near === undefined ? `known: ${known.join(', ')}` : `did you mean "${near}"?`}\n`)
  process.exit(1)
}
