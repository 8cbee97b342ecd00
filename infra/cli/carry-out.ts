import { randomUUID } from 'node:crypto'
import type { Step } from '#shared/pure/step.ts'
import type { AnyScheduled } from '#shared/runtime/definition.ts'
import { decisionLine, silentLog } from '#shared/runtime/log.ts'
import { hasFailed } from '#shared/runtime/report.ts'
import { runSteps } from '#shared/runtime/run.ts'
import type { CommandIo } from './command.ts'
import { planTable } from './plan.ts'
import type { Opened } from './with-platform.ts'

/**
 * Carries out steps that somebody asked for, by the rules of all changes: through guard, ledger and journal, and in mode `enforce` only.
 * Prints what became of each. Exit code 0: all of it is done; 2: the mode writes nothing; 1: something was not done.
 */
export async function carryOut<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  steps: readonly Step<Change>[],
  { platform, kernel, print }: Opened,
  io: CommandIo,
): Promise<number> {
  const { config, cloud } = platform
  if (config.mode !== 'enforce') {
    for (const line of planTable({ steps })) print(line)
    print(
      `Nothing was done: ${config.path ?? 'the configuration'} says mode ${config.mode}, and nothing is written unless it says \`mode: enforce\`.`,
    )
    return 2
  }
  const now = platform.now()
  const report = await runSteps(definition, steps, {
    config,
    cloud,
    kernel,
    owner: randomUUID(),
    now,
    scheduledAt: now,
    trigger: { kind: 'local', name: 'longshore' },
    log: silentLog,
    signal: io.signal,
  })
  for (const decision of report.decisions) print(decisionLine(decision))
  const isDone = report.decisions.every(({ outcome }) => outcome === 'Applied' || outcome === 'NoChange')
  return isDone && !hasFailed(report) ? 0 : 1
}
