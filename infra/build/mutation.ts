import { parseArgs } from 'node:util'
import { Stryker } from '@stryker-mutator/core'
import { type MutationGroup, mutationGroups, mutationGroupVariable } from './mutation-groups.ts'
import { type GroupScore, scoreOf, scoreTable } from './mutation-score.ts'

const leastScore = 90

const help = `npm run mutation                      mutates every group and prints its score
npm run mutation -- --group signer    one group

Exit code 0 when every group reaches ${leastScore}, otherwise 1. The mutants that survived are printed; reports/mutation/<group>.json
holds all of them.

  --group <name>      ${mutationGroups.map(({ name }) => name).join(', ')}; may be given several times; all when absent
  --concurrency <n>   how many mutants are tried at the same time; 2 when absent
  --incremental       takes over what the last run found about mutants whose own lines and tests have not changed since
`

/** A mistake in the words of the command. */
class UsageError extends Error {
  override readonly name = 'UsageError'
}

function groupsOf(names: readonly string[]): readonly MutationGroup[] {
  for (const name of names) {
    if (!mutationGroups.some((group) => group.name === name))
      throw new UsageError(`--group takes ${mutationGroups.map((group) => group.name).join(', ')}, not "${name}".`)
  }
  return names.length === 0 ? mutationGroups : mutationGroups.filter(({ name }) => names.includes(name))
}

function concurrencyOf(word: string): number {
  if (!/^[1-9][0-9]?$/.test(word)) throw new UsageError(`--concurrency takes a whole number from 1 to 99, not "${word}".`)
  return Number(word)
}

async function mutate(group: MutationGroup, options: { readonly concurrency: number; readonly incremental: boolean }): Promise<GroupScore> {
  const started = performance.now()
  // The processes that run the tests inherit it.
  process.env[mutationGroupVariable] = group.name
  const results = await new Stryker({
    configFile: 'stryker.config.mjs',
    mutate: [...group.mutate],
    concurrency: options.concurrency,
    thresholds: { high: 95, low: leastScore, break: leastScore },
    incremental: options.incremental,
    reporters: ['clear-text', 'json', process.stdout.isTTY ? 'progress' : 'progress-append-only'],
    incrementalFile: `reports/mutation/${group.name}-incremental.json`,
    jsonReporter: { fileName: `reports/mutation/${group.name}.json` },
  }).runMutationTest()
  return scoreOf(
    group.name,
    results.map(({ status }) => status),
    performance.now() - started,
  )
}

/** Answers the exit code. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      group: { type: 'string', multiple: true, default: [] },
      concurrency: { type: 'string', default: '2' },
      incremental: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  const groups = groupsOf(values.group)
  const options = { concurrency: concurrencyOf(values.concurrency), incremental: values.incremental }
  const scores: GroupScore[] = []
  for (const group of groups) {
    process.stdout.write(`\n${group.name}: ${group.mutate.join(', ')}\n`)
    scores.push(await mutate(group, options))
  }
  process.stdout.write(`\n${scoreTable(scores)}\n`)
  const low = scores.filter(({ score }) => !(score >= leastScore))
  for (const { group, score } of low)
    process.stderr.write(`${group}: ${score.toFixed(2)} is less than ${leastScore}. Add tests for what survived, above.\n`)
  return low.length === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof TypeError && 'code' in error)) throw error
  process.stderr.write(`${error.message}\n\n${help}`)
  process.exitCode = 1
}
