import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { coverageText } from './coverage.ts'
import { runManySeeds } from './many-seeds.ts'
import { type SimFunction, simFunctions } from './scenario.ts'
import { runSeed, violationText } from './seed-run.ts'

const help = `npm run sim -- --seeds <n>            lives through n worlds and checks every promise in each
npm run sim -- --seed <k> [--trace]   lives through the k-th world again, byte for byte

  --seeds <n>       how many; with --seed, from that one on
  --seed <k>        which one
  --function <f>    ${simFunctions.join(' or ')}; cron-scaler when absent
  --trace           prints everything that happened, for one seed
  --threads <n>     how many worlds at the same time; up to 4, as many as there are cores, when absent
`

/** A mistake in the words of the command. */
class UsageError extends Error {
  override readonly name = 'UsageError'
}

function whole(word: string, option: string): number {
  const value = /^[0-9]{1,9}$/.test(word) ? Number(word) : 0
  if (value < 1) throw new UsageError(`${option} takes a whole number from 1, not "${word}".`)
  return value
}

function functionOf(word: string): SimFunction {
  const found = simFunctions.find((name) => name === word)
  if (found === undefined) throw new UsageError(`--function takes ${simFunctions.join(' or ')}, not "${word}".`)
  return found
}

/** One seed again. Answers the number of violations. */
async function replay(seed: number, of: SimFunction, withTrace: boolean): Promise<number> {
  const run = await runSeed(seed, of)
  const trace = run.history.text()
  if (withTrace) process.stdout.write(trace)
  for (const violation of run.violations) process.stdout.write(violationText(run, violation))
  process.stdout.write(
    `${coverageText(run.coverage)}\ntrace of ${run.history.all.length} lines, sha256 ${createHash('sha256').update(trace).digest('hex')}\n`,
  )
  return run.violations.length
}

async function many(first: number, count: number, of: SimFunction, threads: number): Promise<number> {
  const every = Math.max(1, Math.floor(count / 10))
  const onSeed = (done: number, violations: number): void => {
    if (process.stderr.isTTY && done % every === 0) process.stderr.write(`${done} of ${count} seeds, violations ${violations}\n`)
  }
  const { texts, coverage } = await runManySeeds({ first, count, of, threads, onSeed })
  for (const text of texts) process.stdout.write(text)
  process.stdout.write(`${coverageText(coverage)}\n`)
  return texts.length
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      function: { type: 'string', default: 'cron-scaler' },
      trace: { type: 'boolean', default: false },
      threads: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help || (values.seeds === undefined && values.seed === undefined)) {
    process.stdout.write(help)
    return values.help ? 0 : 1
  }
  const of = functionOf(values.function)
  const first = values.seed === undefined ? 1 : whole(values.seed, '--seed')
  const count = values.seeds === undefined ? 1 : whole(values.seeds, '--seeds')
  if (values.trace && count !== 1) throw new UsageError('--trace goes with one seed: give --seed alone.')
  const threads = values.threads === undefined ? Math.min(4, availableParallelism()) : whole(values.threads, '--threads')
  const violations = values.seeds === undefined ? await replay(first, of, values.trace) : await many(first, count, of, threads)
  process.stdout.write(`seeds ${count} violations ${violations}\n`)
  return violations === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof TypeError && 'code' in error)) throw error
  process.stderr.write(`${error.message}\n\n${help}`)
  process.exitCode = 1
}
