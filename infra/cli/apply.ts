import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { decisionList, hiddenText } from '#infra/local/decision-list.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { countsText, hasFailed } from '#shared/runtime/report.ts'
import {
  loadPlan,
  matchPlan,
  type PlanDocument,
  PlanError,
  type PlanStep,
  type StepLike,
  selectSteps,
} from '#shared/safety/plan-document.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { type Opened, withStore } from './with-platform.ts'

export const apply: Command = {
  summary: 'carry out a plan that was reviewed',
  help: `Usage: longshore apply --plan DIGEST [--target GLOB]… [--config FILE] [--all] [--wide]

Carries out a plan that \`longshore plan\` made and somebody has read; the first 8 or more digits of its digest are enough.
The world is read again first: only changes that would be made exactly so now are made, each after its target was read once
more, at most once, within the guard, and journaled. Changes that are not the same any more are listed and left alone.
--target carries out only the steps about targets like that, --all also prints rules that were superseded, --wide whole reasons
on a narrow terminal. The configuration has to say \`mode: enforce\`.

Exit code 1 when the plan does not match, or something of it failed or was held, with nothing or only the rest left undone.

Example: longshore apply --plan 3f9a1c07 --target '*/shop/*'`,
  run: async (words, io) => {
    const { values } = parseArgs({
      args: [...words],
      options: {
        plan: { type: 'string' },
        target: { type: 'string', multiple: true },
        config: { type: 'string' },
        all: { type: 'boolean' },
        wide: { type: 'boolean' },
      },
    })
    const digest = values.plan
    if (digest === undefined) throw new UsageError('name the plan: --plan DIGEST')
    return await withStore(io, values.config, async (opened) => {
      const { platform, kernel, print } = opened
      const { config, cloud } = platform
      const document = await findPlan(opened, digest)
      const fn = localFunctions.find(({ name }) => name === document.function)
      if (fn === undefined) throw new UsageError(`the plan is one of ${document.function}, which is not here`)
      if (config.mode !== 'enforce') {
        throw new Error(`${config.path} says mode ${config.mode}; nothing is written unless it says \`mode: enforce\``)
      }
      const chosen = selectSteps(document.steps, { targets: values.target ?? [] })
      let gone: readonly PlanStep[] | undefined
      const review = (steps: readonly StepLike[]): ReadonlySet<StepLike> => {
        const matched = matchPlan({ ...document, steps: chosen }, steps, { redact: kernel.redact })
        // A run that goes part by part asks about each part; what no part has is gone.
        gone = gone === undefined ? matched.gone : gone.filter((step) => matched.gone.includes(step))
        return new Set(matched.approved)
      }
      const now = platform.now()
      const report = await fn.run({
        config,
        cloud,
        kernel,
        fetchText: cloud.fetchText,
        fresh: true,
        owner: randomUUID(),
        now,
        scheduledAt: document.createdAt,
        trigger: { kind: 'local', name: 'longshore apply' },
        log: silentLog,
        signal: io.signal,
        review,
      })
      const isWhole = chosen.length === document.steps.length
      const list = decisionList(
        report.decisions.filter(({ reason }) => isWhole || reason.code !== 'not-reviewed'),
        { all: values.all === true, columns: values.wide === true ? undefined : io.terminalColumns?.() },
      )
      const hidden = hiddenText(list)
      for (const line of list.lines) print(line)
      for (const { target } of gone ?? [])
        print(`${document.function}  ${target}  not done: it would not be done so any more; plan and review again`)
      if (report.failure !== undefined) io.err(`nothing was decided: ${kernel.redact(report.failure.text)}`)
      print(`${countsText(report.counts)}${hidden === '' ? '' : ` (${hidden})`}`)
      const keys = new Set(chosen.map(({ key }) => key))
      const isHeld = report.decisions.some(({ key, outcome }) => outcome === 'Held' && keys.has(key))
      return hasFailed(report) || isHeld || (gone ?? []).length > 0 ? 1 : 0
    })
  },
}

/** The plan with this digest, whichever function made it. */
async function findPlan({ kernel, platform }: Opened, digest: string): Promise<PlanDocument> {
  for (const { name } of localFunctions) {
    try {
      return await loadPlan(kernel.store, name, digest, { now: platform.now(), key: kernel.key })
    } catch (error) {
      if (!(error instanceof PlanError) || error.kind !== 'plan.unknown') throw error
    }
  }
  throw new Error(`there is no plan ${digest}. Plans are kept for a week; make a new one and review it.`)
}
