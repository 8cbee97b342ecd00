import * as z from 'zod/mini'
import type { OpenTools } from '#shared/runtime/define-queue.ts'
import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import type { Processed, QueueDefinition, QueuedEvent, Try } from '#shared/runtime/queue-definition.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { openRunForEvent } from '#shared/runtime/run-for-event.ts'
import { announce } from './announce.ts'
import { apply } from './apply.ts'
import { planApproval } from './approvals.ts'
import { RedeployChange } from './change.ts'
import { configProblems } from './config-problems.ts'
import { Settings } from './event.ts'
import { type ApprovalEvent, HookEvent } from './hook-event.ts'
import { notices } from './notices.ts'
import { observe, observeHints, type Seen } from './observe.ts'
import { nextLook, plan } from './plan.ts'
import type { PushHint } from './push-hint.ts'
import { remember, rememberSteps } from './remember.ts'
import { settle } from './settle.ts'

type Definition = ScheduleDefinition<Settings, Seen, RedeployChange>

const everyMs = 60_000

/** The redeploy hook as its schedule starts it: rollouts on their way, waves, the poll, and from time to time everything. */
export const definition: Definition = {
  name: 'redeploy-hook',
  settings: Settings,
  problems: configProblems,
  observe,
  plan,
  change: RedeployChange,
  settle,
  announce,
  apply,
  remember,
  rememberSteps,
  notices,
  everyMs,
  ahead: (observed, config, now, untilMs) => {
    const next = nextLook(observed, config, now)
    return next === undefined || next > untilMs ? [] : [next]
  },
}

/** The runs that one try may make: they are different owners of what they hold. */
export type Part = 'agree' | 'look'

/** What events are worked on with. */
export interface Tools {
  /** Runs one look as the runtime runs a tick: through the kernel, with memory and notices. */
  readonly run: (look: Definition, event: QueuedEvent, attempt: Try, part: Part) => Promise<RunReport>
}

/** Makes the tools once per process. */
export const openTools: OpenTools<Settings, Tools> = async (sources) => ({ run: await openRunForEvent(sources) })

/** What works on events: a push makes one look at its repository, an approval writes itself down and then makes one. */
export const queue: QueueDefinition<Settings, Tools> = {
  name: 'redeploy-hook',
  settings: Settings,
  process: async (event, tools, attempt) => {
    const parsed = z.safeParse(HookEvent, event.payload)
    if (!parsed.success) {
      return { kind: 'dead', code: 'event-unreadable', text: `the event ${event.id} is not as this version of redeploy-hook writes it` }
    }
    const { data } = parsed
    if (data.kind === 'push') return ended(await tools.run(lookAtPush(data.hints), event, attempt, 'look'))
    const keys = new Set<string>()
    const agreed = agreedIn(await tools.run(lookAtApproval(data, keys), event, attempt, 'agree'), keys, attempt.now)
    if (agreed.kind !== 'done') return agreed
    return ended(await tools.run(lookAtPush([{ source: 'approval', repository: data.request.repository }]), event, attempt, 'look'))
  },
}

/** The same function, looking at nothing but the repositories that somebody said something was pushed to. */
export function lookAtPush(hints: readonly PushHint[]): Definition {
  const { ahead: _ahead, ...rest } = definition
  return { ...rest, observe: async (cloud, config, now, around) => await observeHints(cloud, config, now, around, hints) }
}

/** The same, writing down that somebody agreed to one content in one container. The keys of its steps are put into `keys`. */
function lookAtApproval({ request, by }: ApprovalEvent, keys: Set<string>): Definition {
  const { repository, contentId: content, uid, container } = request
  const approval = { repository, content, uid, container, by: by ?? 'somebody with the link' }
  return {
    ...lookAtPush([{ source: 'approval', repository }]),
    plan: (observed, config) => {
      const steps = planApproval(observed, config, approval)
      for (const { key } of steps) keys.add(key)
      return steps
    },
  }
}

/** Codes of decisions after which the same look may come to something else. */
const worthAnother: ReadonlySet<string> = new Set(['registry-unreadable', 'cluster-unreadable'])

/** How soon an approval that could not be written down is looked at again. */
const agreeAgainMs = 60_000

/**
 * What became of an approval. Nobody says it twice: what a window, a cap or the kill switch holds is written down later, and what somebody
 * else's change came before is tried again. A run also reports on what earlier ones left open, which is no matter of this event.
 */
function agreedIn(report: RunReport, keys: ReadonlySet<string>, now: number): Processed {
  const { decisions, failure } = report
  const own = failure === undefined ? decisions.filter(({ key }) => keys.has(key)) : []
  const open = own.find(({ outcome, reason }) => outcome === 'Held' || movedCodes.has(reason.code))
  if (open === undefined || worthAnother.has(open.reason.code)) return ended(report)
  const facts = { code: open.reason.code, text: `${open.target}: ${open.reason.text}` }
  return open.outcome === 'Held' ? { kind: 'later', at: now + agreeAgainMs, ...facts } : { kind: 'failed', ...facts }
}

/** Codes of changes that came to nothing because their workload has changed since the plan. */
const movedCodes: ReadonlySet<string> = new Set(['world-changed', 'conflict'])

/** What a run says about the event that it was for. What waits for a time, a wave or a person is looked at again by the ticks. */
function ended({ failure, decisions }: RunReport): Processed {
  if (failure !== undefined) return { kind: 'failed', code: failure.code, text: failure.text }
  const failed = decisions.find(({ outcome, reason }) => outcome === 'Failed' || worthAnother.has(reason.code))
  if (failed === undefined) return { kind: 'done' }
  return { kind: 'failed', code: failed.reason.code, text: `${failed.target}: ${failed.reason.text}` }
}
