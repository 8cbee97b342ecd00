import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { compareTexts } from '#functions/image-cleaner/compare-texts.ts'
import { definition } from '#functions/image-cleaner/definition.ts'
import { type Copy, restoreStep } from '#functions/image-cleaner/plan-copies.ts'
import { recallCopies } from '#functions/image-cleaner/run-memory.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { matchesGlob, parseGlob } from '#shared/pure/glob.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { decisionLine, silentLog } from '#shared/runtime/log.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { hasFailed } from '#shared/runtime/report.ts'
import { runSteps } from '#shared/runtime/run.ts'
import type { Ask } from './ask.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { nearestOnes } from './nearest-ones.ts'
import { withStore } from './with-platform.ts'
import { counted } from './words.ts'

/** Makes the command with a way to ask a person. */
export function createRestoreCommand(ask: Ask): Command {
  return {
    summary: 'bring back a tag that the image cleaner removed',
    help: `Usage: longshore restore [<namespace/name:tag>…] [--yes] [--config FILE]

Brings removed tags back from the quarantine, each under its own name and only where that is free. Names may be globs:
'shop/*:v1.*'. Without a name it lists the copies that there are. It goes through guard, ledger and journal like every other
change, so it needs \`mode: enforce\`; in another mode it says what it would do. The policies that removed the tags start small
again, as after an automatic restore.

--yes does not ask. Exit code 0: all of it is there again. 2: it only said what it would do. 1: something was not brought back.

Example: longshore restore shop/web:v1 --yes`,
    run: async (words, io) => {
      const { values, positionals } = parseArgs({
        args: [...words],
        allowPositionals: true,
        options: { config: { type: 'string' }, yes: { type: 'boolean' } },
      })
      return await withStore(io, values.config, async ({ kernel, platform, print, redactor }) => {
        const { config, cloud } = platform
        const now = platform.now()
        const { settings } = await functionConfig(config, definition)
        const copies = await recallCopies(createMemory(kernel.store, { function: definition.name, now: () => now }))
        const tell = (line: string): void => io.err(redactor.text(line))
        if (positionals.length === 0) {
          for (const line of copyLines(copies, settings.timeZone)) print(line)
          return 0
        }
        const { chosen, unknown } = choose(positionals, copies, settings.hosts)
        if (unknown.length > 0) {
          for (const word of unknown) {
            const near = nearestOnes(word, copies.map(nameOf))
            tell(`No copy of ${word} is remembered.${near.length === 0 ? '' : ` Did you mean ${near.join(', ')}?`}`)
          }
          for (const line of copyLines(copies, settings.timeZone)) tell(line)
          tell('Nothing was brought back.')
          return 1
        }
        if (settings.quarantine === undefined) {
          tell(
            `${config.path ?? 'the configuration'} names no quarantine, so nobody knows where the copies are: set functions.image-cleaner.quarantine again`,
          )
          return 1
        }
        const policies = [...new Set(chosen.flatMap((copy) => copy.policies))]
        if (config.mode !== 'enforce') {
          for (const copy of chosen) print(`would bring back ${nameOf(copy)} from ${settings.quarantine.repository}:${copy.copy}`)
          print(`Nothing was done: ${config.path} says mode ${config.mode}, and nothing is written unless it says \`mode: enforce\`.`)
          return 2
        }
        if (values.yes !== true) {
          for (const copy of chosen) print(nameOf(copy))
          const answer = await ask(`Bring back ${counted(chosen.length, 'tag')}? [y/N] `, io.signal)
          if (answer === undefined) throw new UsageError('nobody is here to be asked; add --yes')
          if (!/^y(es)?$/i.test(answer.trim())) {
            tell('Nothing was brought back.')
            return 1
          }
        }
        // Each time somebody asks for it is another time: what was brought back may have been removed since.
        const steps = chosen.map((copy) => {
          const step = restoreStep(copy, 'somebody asked for it with longshore restore')
          return { ...step, key: `${step.key}/${now}`, reason: { ...step.reason, code: 'asked-for' } }
        })
        const report = await runSteps(definition, steps, {
          config,
          cloud,
          kernel,
          owner: randomUUID(),
          now,
          scheduledAt: now,
          trigger: { kind: 'local', name: 'longshore restore' },
          log: silentLog,
          signal: io.signal,
        })
        for (const decision of report.decisions) print(decisionLine(decision))
        const own = report.decisions.filter(({ key }) => steps.some((step) => step.key === key))
        if (own.some(({ outcome }) => outcome === 'Applied') && policies.length > 0 && settings.canary.enabled)
          print(`${policies.join(', ')} removed what was needed, and ${policies.length === 1 ? 'starts' : 'start'} small again.`)
        const isBack = own.every(({ outcome }) => outcome === 'Applied' || outcome === 'NoChange')
        return isBack && !hasFailed(report) ? 0 : 1
      })
    },
  }
}

function nameOf({ repository, name }: Copy): string {
  return `${repository}:${name}`
}

/** The copies that words name, and the words that name none. */
function choose(
  words: readonly string[],
  copies: readonly Copy[],
  hosts: readonly string[],
): { readonly chosen: readonly Copy[]; readonly unknown: readonly string[] } {
  const chosen = new Set<Copy>()
  const unknown: string[] = []
  for (const word of words) {
    const host = hosts.find((one) => word.toLowerCase().startsWith(`${one.toLowerCase()}/`))
    const name = host === undefined ? word : word.slice(host.length + 1)
    const glob = parseGlob(name)
    if (!glob.ok) throw new UsageError(glob.error)
    const own = copies.filter((copy) => matchesGlob(glob.value, nameOf(copy)))
    if (own.length === 0) unknown.push(name)
    for (const copy of own) chosen.add(copy)
  }
  return { chosen: [...chosen], unknown }
}

function copyLines(copies: readonly Copy[], timeZone: string): readonly string[] {
  if (copies.length === 0) return ['No copies of removed tags are remembered.']
  const rows = copies
    .toSorted((left, right) => left.untilMs - right.untilMs || compareTexts(nameOf(left), nameOf(right)))
    .map((copy) => [
      nameOf(copy),
      formatInstant(copy.untilMs, timeZone),
      copy.policies.join(', '),
      copy.backMs === undefined ? '' : formatInstant(copy.backMs, timeZone),
    ])
  const heading = ['removed tag', 'copy is kept until', 'removed by', 'brought back']
  if (copies.some(({ backMs }) => backMs !== undefined)) return columns(heading, rows)
  return columns(
    heading.slice(0, -1),
    rows.map((row) => row.slice(0, -1)),
  )
}
