import { access, readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { parseArgs } from 'node:util'
import * as z from 'zod/mini'
import { type BackTest, backTest, safeTogether } from '#functions/image-cleaner/backtest.ts'
import { definition } from '#functions/image-cleaner/definition.ts'
import { type Policy, Settings } from '#functions/image-cleaner/event.ts'
import { recallHistories, recallHistory } from '#functions/image-cleaner/history.ts'
import { compilePatterns } from '#functions/image-cleaner/patterns.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { pathText } from '#shared/runtime/config-path.ts'
import { problemsOf } from '#shared/runtime/config-problems.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { dateText } from './date-text.ts'
import { type ImageWorld, withImages } from './image-world.ts'
import { functionNamed } from './with-platform.ts'
import { counted, parseWhole } from './words.ts'

export const backtest: Command = {
  summary: 'replay what was seen of the registry against a policy',
  help: `Usage: longshore backtest image-cleaner [--policy FILE|NAME]… [--days N] [--config FILE | --sandbox] [--json]

Every run of the image cleaner, in whatever mode, remembers for a year which tags there were and what of them was in use. This
replays that against a policy, day by day and without caps, and says which images it would have removed that were used later, and
the smallest keep.last or keep.days with which it would not have: one of the two is enough, the rest of the policy unchanged.
Nothing is read from the platform and nothing is changed.

  --policy NAME  a policy of the configuration; all of them when absent
  --policy FILE  a policy in a YAML file of its own, as it would stand under functions.image-cleaner.policies
  --days N       only so many days at the end of what was seen

Exit code 0: nothing that was used later. 2: something was. 1: nothing is known, or something went wrong.

Example: longshore backtest image-cleaner --policy services --days 90`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        sandbox: { type: 'boolean' },
        json: { type: 'boolean' },
        days: { type: 'string' },
        policy: { type: 'string', multiple: true },
      },
    })
    const fn = functionNamed(positionals[0])
    if (positionals.length > 1) throw new UsageError('name one function')
    if (fn.name !== definition.name) throw new UsageError(`${fn.name} keeps no history of policies; it is "${definition.name}" that does`)
    const days = values.days === undefined ? undefined : parseWhole(values.days, '--days', 1, 366)
    return await withImages(io, values, async (world) => {
      const { settings } = world.config
      const policies = values.policy === undefined ? settings.policies : await readPolicies(values.policy, settings, io.cwd)
      if (policies.length === 0) throw new UsageError('no policy is configured; name a file with --policy FILE')
      const tested: Tested[] = []
      const patterns = await compilePatterns(policies.flatMap(({ keep }) => (keep.pattern === undefined ? [] : [keep.pattern])))
      const names = await recallHistories(world.memory)
      const tests = new Map<Policy, BackTest[]>(policies.map((policy) => [policy, []]))
      for (const name of names) {
        io.signal.throwIfAborted()
        const history = await recallHistory(world.memory, name)
        if (history === undefined) continue
        for (const policy of policies) {
          const test = backTest({ history, policy, patterns, settings, ...(days === undefined ? {} : { days }) })
          if (test !== undefined) tests.get(policy)?.push(test)
        }
      }
      for (const [policy, own] of tests) tested.push({ policy, tests: own, safe: safeTogether(own) })
      if (values.json === true) world.print(JSON.stringify(testedJson(tested, days, world), null, 2))
      else for (const one of tested) for (const line of testedLines(one, days)) world.print(line)
      const isKnown = tested.some(({ tests: own }) => own.length > 0)
      if (!isKnown) {
        const text =
          names.length === 0
            ? 'nothing has been seen of this registry yet: runs of the image cleaner remember what they see, in every mode'
            : 'no repository that was seen is one of these policies'
        io.err(`longshore backtest: ${text}.`)
        return 1
      }
      return tested.some(({ tests: own }) => own.some(({ regrets }) => regrets.length > 0)) ? 2 : 0
    })
  },
}

interface Tested {
  readonly policy: Policy
  readonly tests: readonly BackTest[]
  readonly safe: BackTest['safe']
}

/** The policies that words name: those of the configuration by name, else files. Throws UsageError. */
async function readPolicies(words: readonly string[], settings: Settings, folder: string): Promise<readonly Policy[]> {
  const found: Policy[] = []
  for (const word of words) {
    const named = settings.policies.find(({ name }) => name === word)
    if (named !== undefined) found.push(named)
    else found.push(...(await readPolicyFile(word, settings, folder)))
  }
  return found
}

async function readPolicyFile(word: string, settings: Settings, folder: string): Promise<readonly Policy[]> {
  const path = isAbsolute(word) ? word : join(folder, word)
  try {
    await access(path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    const names = settings.policies.map(({ name }) => name)
    const near = nearest(word, names)
    const known = near === undefined ? `policies are ${names.join(', ') || 'none'}` : `did you mean "${near}"?`
    throw new UsageError(`"${word}" is no policy of the configuration and no file; ${known}`)
  }
  const { parse, YAMLParseError } = await import('yaml')
  let value: unknown
  try {
    value = parse(await readFile(path, 'utf8'))
  } catch (error) {
    if (error instanceof YAMLParseError) throw new UsageError(`${word}: ${error.message}`)
    throw error
  }
  const policies = { policies: Array.isArray(value) ? value : [value] }
  const parsed = z.safeParse(Settings, policies)
  if (parsed.success) return parsed.data.policies
  const faults = problemsOf(Settings, policies).map(
    ({ path: at, text }) => `${at.length < 3 ? 'the policy' : pathText(at.slice(2))}: ${text}`,
  )
  throw new UsageError(`${word} holds no policy: ${faults.join('; ')}`)
}

const mostRegrets = 50

/** A history shorter than this is not relied on. */
const fewDays = 30

function testedLines({ policy, tests, safe }: Tested, days: number | undefined): readonly string[] {
  const regrets = tests.flatMap((test) => test.regrets)
  if (tests.length === 0) return [`${policy.name}: nothing was seen of any repository that it is for.`, '']
  const from = Math.min(...tests.map(({ fromDay }) => fromDay))
  const to = Math.max(...tests.map(({ toDay }) => toDay))
  const sum = (of: (test: BackTest) => number): number => tests.reduce((total, test) => total + of(test), 0)
  const span = to - from + 1
  const short = days !== undefined && span < days ? `; no more than ${counted(span, 'day')} of the ${days} asked for were seen` : ''
  const lines = [
    `${policy.name}, ${counted(span, 'day')} from ${dateText(from)} to ${dateText(to)}${short}: ${counted(tests.length, 'repository', 'repositories')}, ${counted(
      sum(({ seen }) => seen),
      'tag',
    )} seen.`,
  ]
  if (regrets.length === 0) lines.push('It would have removed nothing that was used later.')
  else {
    lines.push(`It would have removed ${counted(regrets.length, 'image')} that ${regrets.length === 1 ? 'was' : 'were'} used later:`)
    const rows = regrets
      .slice(0, mostRegrets)
      .map(({ repository, tags, removedDay, usedDay, by }) => [
        `${repository}:${tags.join(' = ')}`,
        dateText(removedDay),
        dateText(usedDay),
        by,
      ])
    lines.push(...columns(['image', 'removed on', 'used again on', 'by'], rows))
    if (regrets.length > rows.length) lines.push(`and ${regrets.length - rows.length} more; --json has all of them`)
  }
  lines.push(
    `Smallest safe value: keep.last ${safe.last} (${now(policy.keep.last)}), or keep.days ${safe.days} (${now(policy.keep.days)}).`,
    ...(span < fewDays
      ? [`${counted(span, 'day')} of history say${span === 1 ? 's' : ''} little: there may have been no rollback yet.`]
      : []),
    `By the end it would have removed ${sum(({ removedAtEnd }) => removedAtEnd)} of ${counted(
      sum(({ presentAtEnd }) => presentAtEnd),
      'tag',
    )}.`,
    '',
  )
  return lines
}

function now(value: number | undefined): string {
  return value === undefined ? 'it has none now' : `it is ${value} now`
}

function testedJson(tested: readonly Tested[], days: number | undefined, { now: at }: ImageWorld): object {
  return {
    at: new Date(at).toISOString(),
    ...(days === undefined ? {} : { days }),
    policies: tested.map(({ policy, tests, safe }) => ({
      policy: policy.name,
      keep: { ...policy.keep, tags: policy.keep.tags.map(({ pattern }) => pattern) },
      safe,
      repositories: tests.map(({ fromDay, toDay, regrets, ...test }) => ({
        ...test,
        from: dateText(fromDay),
        to: dateText(toDay),
        usedLater: regrets.map(({ tags, removedDay, usedDay, by }) => ({
          tags,
          removedOn: dateText(removedDay),
          usedOn: dateText(usedDay),
          by,
        })),
      })),
    })),
  }
}
