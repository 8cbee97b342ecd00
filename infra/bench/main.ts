import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { nearest } from '#shared/pure/nearest.ts'
import { runBench, sections } from './bench.ts'
import type { Section } from './section.ts'
import { table } from './table.ts'

/** `npm run bench -- [--quick] [--json] [--only rules,store]`: see `sections` in bench.ts for what there is. */
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
  },
})
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
  if (report.goals.length > 0) process.stdout.write(`\nWhat was promised:\n${table(report.goals)}`)
}

function sectionNamed(name: string): Section {
  const found = sections.find((section) => section.name === name)
  if (found !== undefined) return found
  const known = sections.map((section) => section.name)
  const near = nearest(name, known)
  process.stderr.write(`There is no section "${name}"; ${near === undefined ? `known: ${known.join(', ')}` : `did you mean "${near}"?`}\n`)
  process.exit(1)
}
