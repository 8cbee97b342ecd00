import { definition as redeployHook } from '#functions/redeploy-hook/definition.ts'
import type { Platform } from '#infra/local/platform.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import { digestOf } from '#shared/pure/digest.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import type { ApprovalsView } from '../api-schemas.ts'
import type { FeedLine } from '../status-feed.ts'
import type { StatusSources } from '../status-sources.ts'

type ShownApproval = ApprovalsView['approvals'][number]
type Asker = 'redeploy-hook' | 'alarm-scaler'

/** The codes by which functions say that they wait for somebody, and that somebody has agreed to what is done next. */
const states: Readonly<Record<Asker, Readonly<Record<string, ShownApproval['state']>>>> = {
  'redeploy-hook': { 'needs-approval': 'waiting', approved: 'agreed' },
  'alarm-scaler': { suggested: 'waiting' },
}

const minuteMs = 60_000

/**
 * What was not said again for so long is not waited for any more: its workload or its alarm is gone. redeploy-hook looks again only when
 * something is pushed, and at everything from time to time; alarm-scaler every minute for as long as an alarm lasts.
 */
async function staleAfter(config: Config): Promise<Readonly<Record<Asker, number>>> {
  const { settings } = await functionConfig(config, redeployHook)
  return { 'redeploy-hook': 2 * settings.reconcileEvery + 10 * minuteMs, 'alarm-scaler': 60 * minuteMs }
}

/**
 * What waits for somebody's word by the last look at it, and what was agreed to and is not done yet; the latest first. An agreement to
 * more nodes is acted on in the same moment, so that it does not show here.
 */
export async function approvalsView({
  feed,
  platform,
}: Pick<StatusSources, 'feed'> & { readonly platform: Pick<Platform, 'config' | 'now'> }): Promise<ApprovalsView> {
  const now = platform.now()
  const staleMs = await staleAfter(platform.config)
  const approvals = (['redeploy-hook', 'alarm-scaler'] as const).flatMap((name) =>
    feed.latest(name).flatMap((line) => {
      const state = states[name][line.decision.reason.code]
      return state === undefined || now - line.atMs > staleMs[name] ? [] : [shown(line, name, state)]
    }),
  )
  return { approvals: approvals.toSorted((one, other) => compareTexts(other.since ?? '', one.since ?? '')) }
}

function shown({ decision, sinceMs }: FeedLine, name: Asker, state: ShownApproval['state']): ShownApproval {
  const { target, before, after, reason } = decision
  const change = after === '' || after === before ? '' : `${before === '' ? '(nothing)' : before} -> ${after}: `
  return {
    id: digestOf([name, target, reason.code, after]).slice(0, 16),
    function: name,
    target,
    text: `${change}${reason.text}`,
    state,
    since: new Date(sinceMs).toISOString(),
  }
}
