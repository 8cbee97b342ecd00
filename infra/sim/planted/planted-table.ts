import { readFileSync, writeFileSync } from 'node:fs'
import { type CheckName, checks } from '../check/checks.ts'
import type { PlantedBug } from './planted-bug.ts'
import { plantedBugs } from './planted-bugs.ts'

const readme = new URL('../README.md', import.meta.url)
const marks = { begin: '<!-- checks: written by `npm run sim -- --planted --write` -->', end: '<!-- end of checks -->' } as const

/** What is looked for, and for each the planted bugs that it has to notice, with the first seeds at which it did, as Markdown. */
export function plantedTable(seeds: ReadonlyMap<string, number>): string {
  const bugText = ({ name }: PlantedBug): string => `${name} (seed ${seeds.get(name) ?? 'unknown'})`
  const rowOf = (check: CheckName): string => {
    const { promise, what } = checks[check]
    const bugs = plantedBugs.filter(({ noticedBy }) => noticedBy.includes(check)).map(bugText)
    return `| ${promise} | \`${check}\` | ${what} | ${bugs.join('; ')} |`
  }
  const names = Object.keys(checks).filter((name): name is CheckName => name in checks)
  return ['| promise | check | what has to be so | planted bugs that it notices |', '| --- | --- | --- | --- |', ...names.map(rowOf)].join(
    '\n',
  )
}

/** The table that stands in the README. Throws when its marks are missing. */
export function writtenTable(): string {
  const text = readFileSync(readme, 'utf8')
  const [from, to] = placeOf(text)
  return text.slice(from, to).trim()
}

export function keepPlantedTable(seeds: ReadonlyMap<string, number>): void {
  const text = readFileSync(readme, 'utf8')
  const [from, to] = placeOf(text)
  writeFileSync(readme, `${text.slice(0, from)}\n${plantedTable(seeds)}\n${text.slice(to)}`)
}

function placeOf(text: string): readonly [from: number, to: number] {
  const begin = text.indexOf(marks.begin)
  const to = text.indexOf(marks.end)
  if (begin < 0 || to < begin) throw new Error(`infra/sim/README.md has lost the lines ${marks.begin} and ${marks.end}`)
  return [begin + marks.begin.length, to]
}
