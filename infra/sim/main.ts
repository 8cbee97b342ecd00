import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { coverageText } from './coverage.ts'
import { runManySeeds } from './many-seeds.ts'
import { findPlanted, mostSeeds } from './planted/find-planted.ts'
import { plantedBugs } from './planted/planted-bugs.ts'
import { keepPlantedSeeds } from './planted/planted-seeds.ts'
import { keepPlantedTable } from './planted/planted-table.ts'
import { runSeed, violationText } from './seed-run.ts'
import { daysText } from './week/week-days.ts'
import { help, type Order, readWords, UsageError } from './words.ts'

type OrderOf<Kind extends Order['kind']> = Extract<Order, { readonly kind: Kind }>

/** One seed again. Answers whether all is well. */
async function replay({ seed, of, withTrace }: OrderOf<'replay'>): Promise<boolean> {
  const run = await runSeed(seed, of)
  const trace = run.history.text()
  if (withTrace) process.stdout.write(trace)
  for (const violation of run.violations) process.stdout.write(violationText(run, violation))
  if (run.days !== undefined) process.stdout.write(`${daysText(run.days)}\n`)
  process.stdout.write(
    `${coverageText(run.coverage)}\ntrace of ${run.history.all.length} lines, sha256 ${createHash('sha256').update(trace).digest('hex')}\n`,
  )
  return total(1, run.violations.length)
}

async function many({ first, count, of, threads = Math.min(4, availableParallelism()) }: OrderOf<'many'>): Promise<boolean> {
  const every = Math.max(1, Math.floor(count / 10))
  const onSeed = (done: number, violations: number): void => {
    if (process.stderr.isTTY && done % every === 0) process.stderr.write(`${done} of ${count} seeds, violations ${violations}\n`)
  }
  const { texts, coverage, days } = await runManySeeds({ first, count, of, threads, onSeed })
  for (const text of texts) process.stdout.write(text)
  if (days.length > 0) process.stdout.write(`${daysText(days)}\n`)
  process.stdout.write(`${coverageText(coverage)}\n`)
  return total(count, texts.length)
}

function total(seeds: number, violations: number): boolean {
  process.stdout.write(`seeds ${seeds} violations ${violations}\n`)
  return violations === 0
}

async function planted({ writes }: OrderOf<'planted'>): Promise<boolean> {
  const found = new Map<string, number>()
  for (const bug of plantedBugs) {
    const seed = await findPlanted(bug)
    if (seed !== undefined) found.set(bug.name, seed)
    const where = seed === undefined ? `not noticed in ${mostSeeds} seeds` : `noticed at seed ${seed}`
    process.stdout.write(`${bug.name} (${bug.function}): ${where}, by ${bug.noticedBy.join(' and ')}\n`)
  }
  if (writes) {
    keepPlantedSeeds(found)
    keepPlantedTable(found)
  }
  process.stdout.write(`planted ${plantedBugs.length} noticed ${found.size}\n`)
  return found.size === plantedBugs.length
}

/** Does what the words say. Answers whether all is well. */
async function main(words: readonly string[]): Promise<boolean> {
  const order = readWords(words)
  switch (order.kind) {
    case 'help':
      process.stdout.write(help)
      return words.length > 0
    case 'replay':
      return await replay(order)
    case 'many':
      return await many(order)
    case 'planted':
      return await planted(order)
  }
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n\n${help}`)
  process.exitCode = 1
}
