import { digestOf } from '#shared/pure/digest.ts'
import type { GrowChange, NewLease } from './change.ts'
import { alarmText, byNeed, demandOf, type Want } from './demand.ts'
import { momentRooms, platformRooms, type Room, settingRooms, type Taken } from './gates.ts'
import type { Lease } from './lease.ts'
import { choose, type Offer, type Refusal } from './mechanisms.ts'
import { type AlarmStep, keyOf, stayStep } from './plan-step.ts'
import type { PoolContext } from './pool-context.ts'
import type { ReasonCode } from './reason.ts'
import { stockOf } from './sizing.ts'
import { type Suggestion, suggestionKey } from './suggestion.ts'
import { count } from './words.ts'

export interface Growth {
  readonly steps: readonly AlarmStep[]
  /** What somebody is asked to agree to. */
  readonly suggestions: readonly Suggestion[]
}

/**
 * Decides whether and by what a pool grows: of all that alarms want the largest, never the sum; within every limit, each of which says
 * with its figure why it lets nothing or not all through; by the first mechanism that has nodes to give. At most one growth in one plan.
 * While nobody knows what became of the last asking, that one goes on, and nothing else is asked for.
 *
 * One step for each alarm and policy. What is asked for is noted in `taken`.
 */
export function decideGrowth(context: PoolContext, taken: Taken): Growth {
  const steps: AlarmStep[] = []
  const suggestions: Suggestion[] = []
  const wants: Want[] = []
  for (const claim of context.claims) {
    const demand = demandOf(claim, context)
    if (demand === undefined) continue
    if ('want' in demand) wants.push(demand.want)
    else steps.push(demand.stay)
  }
  const asking = context.leases.find(({ state }) => state === 'asking')
  if (asking !== undefined) {
    const text = `whether the lease ${asking.id} was asked for is not known yet; nothing else is asked for before`
    return { steps: [...steps, ...wants.map((want) => stay(want, context, 'no-change', 'being-asked', text))], suggestions }
  }
  let grown: Want | undefined
  let suggested: Want | undefined
  for (const want of wants.toSorted(byNeed)) {
    const before = grown ?? (want.policy.mode === 'suggest' ? suggested : undefined)
    if (before !== undefined) {
      const text = `${alarmText(before)} wants ${count(before.need, 'node')}, and the largest counts, not the sum`
      steps.push(stay(want, context, 'no-change', 'smaller-than-another', text))
      continue
    }
    const outcome = grant(want, context, taken)
    if ('refused' in outcome) {
      const { code, text } = outcome.refused
      steps.push(stay(want, context, 'held', code, text))
      continue
    }
    const { lease, suggestion } = outcome
    const what = `${growthText(lease)}${outcome.text}`
    if (want.policy.mode === 'observe') {
      steps.push(stay(want, context, 'skipped', 'policy-observes', `would be added: ${what}; the policy only observes`))
      continue
    }
    const approval = context.approvals.find(({ key, untilMs }) => key === suggestion.key && untilMs > context.now)
    if (want.policy.mode === 'suggest' && approval === undefined) {
      suggested = want
      suggestions.push(suggestion)
      steps.push(stay(want, context, 'held', 'suggested', `would be added when somebody agrees: ${what}`))
      continue
    }
    grown = want
    note(taken, context, lease)
    const agreed = approval === undefined ? '' : `; ${approval.by ?? 'somebody with the link'} has agreed`
    const code = approval === undefined ? 'alarm-confirmed' : 'suggestion-agreed'
    steps.push(growStep(context, lease, want.policy, { code, text: `${want.text}${outcome.text}${agreed}` }))
  }
  return { steps, suggestions }
}

function stay(want: Want, { target }: PoolContext, verdict: 'no-change' | 'skipped' | 'held', code: ReasonCode, text: string): AlarmStep {
  const facts = { before: want.episode.name, after: `+${want.need}`, about: want.episode.id }
  return stayStep(`${target}/${want.policy.name}`, verdict, code, `${want.text}; ${text}`, facts)
}

type Grant =
  | { readonly refused: { readonly code: ReasonCode; readonly text: string } }
  | { readonly lease: NewLease; readonly suggestion: Suggestion; readonly text: string }

/** Asks every limit, in their order, and makes the lease of what they leave. */
function grant(want: Want, context: PoolContext, taken: Taken): Grant {
  const moment = momentRooms(want, context)
  const full = refusedBy(moment)
  if (full !== undefined) return { refused: full }
  const choice = choose(want.policy, context, taken.spares)
  if ('refusals' in choice && choice.refusals.at(-1)?.code === 'group-busy') return { refused: refusalOf(choice.refusals) }
  const own = settingRooms(want, context)
  const beyond = refusedBy(own)
  if (beyond !== undefined) return { refused: beyond }
  if ('refusals' in choice) return { refused: refusalOf(choice.refusals) }
  const { offer, passed } = choice
  const platform = platformRooms(want, offer, context, taken)
  const none = refusedBy(platform)
  if (none !== undefined) return { refused: none }
  const rooms = [...moment, ...own, ...platform]
  const nodes = Math.min(want.need, offer.room, ...rooms.map((room) => room.nodes))
  const tight = rooms.find((room) => room.nodes === nodes)
  const limit = tight === undefined ? offer.limit : `${tight.text} (${tight.code})`
  const partly = nodes < want.need ? `; only ${nodes} of ${want.need}: ${limit}` : ''
  const instead = passed.map(({ name, code, text }) => `; not by ${name} (${code}): ${text}`).join('')
  const lease = leaseFor(want, offer, nodes, context)
  return { lease, suggestion: suggestionFor(lease, context), text: `${partly}${instead}` }
}

function refusedBy(rooms: readonly Room[]): { readonly code: ReasonCode; readonly text: string } | undefined {
  return rooms.find(({ nodes }) => nodes < 1)
}

/** Of one mechanism its own reason; of several that none of them has any. */
function refusalOf(refusals: readonly Refusal[]): { readonly code: ReasonCode; readonly text: string } {
  const last = refusals.at(-1)
  const text = refusals.map((one) => `${one.name}: ${one.text}`).join('; ')
  if (last === undefined) return { code: 'no-mechanism-left', text: 'the policy has no mechanism' }
  return { code: refusals.length === 1 || last.wait ? last.code : 'no-mechanism-left', text }
}

const ordinalOf = ({ view }: PoolContext): number => view.record?.value.ordinal ?? 0

function leaseFor(want: Want, offer: Offer, nodes: number, context: PoolContext): NewLease {
  const { episode, policy, reached, need } = want
  const bounds = offer.bounds?.to(nodes)
  const level = reached.level - (need - nodes)
  const content = digestOf([
    context.view.cluster,
    context.view.pool,
    ordinalOf(context),
    policy.name,
    episode.id,
    reached.index,
    level,
    nodes,
    JSON.stringify(offer.forLease(nodes, '')),
    bounds?.min ?? -1,
    bounds?.max ?? -1,
  ])
  const id = `ls-${content.slice(0, 16)}`
  // Pure ASCII and a function of the decision alone: the same decision made twice buys once.
  const token = `longshore-${id}`
  const { id: episodeId, source, key, name, startedAtMs } = episode
  return {
    id,
    policy: policy.name,
    episode: { id: episodeId, source, key, name, startedAtMs },
    step: reached.index,
    level,
    wanted: nodes,
    ...(offer.cores === undefined ? {} : { cores: offer.cores }),
    mechanism: { ...offer.forLease(nodes, token) },
    before: { instanceIds: [...offer.before], ...(offer.bounds === undefined ? {} : { bounds: offer.bounds.from }) },
    ...(bounds === undefined ? {} : { bounds }),
    ...(offer.settings.kind === 'new-instances' ? { token } : {}),
  }
}

function suggestionFor(lease: NewLease, context: PoolContext): Suggestion {
  const { policy, episode, wanted, mechanism, level } = lease
  const { cluster, pool } = context.view
  const facts = { cluster, pool, policy, nodes: wanted, mechanism: mechanism.name }
  return {
    ...facts,
    key: suggestionKey({ ...facts, episodeId: episode.id, level, ordinal: ordinalOf(context) }),
    episode: { id: episode.id, name: episode.name },
  }
}

function note(taken: Taken, { view }: PoolContext, { wanted, cores = 0, mechanism }: NewLease): void {
  taken.nodes.set(view.cluster, (taken.nodes.get(view.cluster) ?? 0) + wanted)
  taken.cores.set(view.region, (taken.cores.get(view.region) ?? 0) + wanted * cores)
  for (const instanceId of mechanism.instanceIds ?? []) taken.spares.add(instanceId)
}

/** `2 nodes more by scaling-group asg-1, at least 5 and at most 10 machines`. */
function growthText({ wanted, mechanism, bounds }: Pick<NewLease, 'wanted' | 'mechanism' | 'bounds'>): string {
  const size = bounds === undefined ? '' : `, at least ${bounds.min} and at most ${bounds.max} machines`
  return `${count(wanted, 'node')} more by ${mechanism.name}${size}`
}

interface Durations {
  readonly provision: number
  readonly lease: number
}

function growStep(
  context: PoolContext,
  lease: NewLease,
  durations: Durations,
  reason: { readonly code: ReasonCode; readonly text: string },
  ordinal: number = ordinalOf(context),
): AlarmStep {
  const { view, arrivals, now, target } = context
  const { cluster, region, pool } = view
  const place = { cluster, region, pool }
  const { present, owed } = stockOf(view, arrivals, now)
  const change: GrowChange = {
    kind: 'grow',
    ...place,
    ordinal,
    lease,
    provisionMs: durations.provision,
    leaseMs: Math.max(durations.lease, durations.provision),
  }
  return {
    verdict: 'change',
    key: keyOf(['grow', cluster, pool, lease.id]),
    target,
    before: `${count(present, 'node')}, ${owed} on their way`,
    after: growthText(lease),
    reason,
    change,
    undo: { kind: 'release', ...place, leaseId: lease.id, keep: false, by: 'undo' },
  }
}

/** The same step again that has written a lease of which nobody knows whether its mechanism was asked. */
export function askAgain(context: PoolContext, lease: Lease): AlarmStep {
  const { id, policy, episode, step, level, wanted, cores, mechanism, before, bounds, token } = lease
  const { name, kind, group, nodePool, subnets, instanceIds, order } = mechanism
  const asked: NewLease = {
    id,
    policy,
    episode: { id: episode.id, source: episode.source, key: episode.key, name: episode.name, startedAtMs: episode.startedAtMs },
    step,
    level,
    wanted,
    ...(cores === undefined ? {} : { cores }),
    mechanism: {
      name,
      kind,
      ...(group === undefined ? {} : { group }),
      ...(nodePool === undefined ? {} : { nodePool }),
      ...(subnets === undefined ? {} : { subnets }),
      ...(instanceIds === undefined ? {} : { instanceIds }),
      ...(order === undefined ? {} : { order }),
    },
    before: {
      instanceIds: before.instanceIds,
      ...(before.bounds === undefined ? {} : { bounds: { min: before.bounds.min, max: before.bounds.max } }),
    },
    ...(bounds === undefined ? {} : { bounds: { min: bounds.min, max: bounds.max } }),
    ...(token === undefined ? {} : { token }),
  }
  const text = `${policy}, alarm ${episode.name}: whether ${growthText(asked)} were asked for is not known; the same is asked for again`
  const durations = { provision: lease.provisionUntilMs - lease.askedAtMs, lease: lease.expiresAtMs - lease.askedAtMs }
  return growStep(context, asked, durations, { code: 'asked-again', text }, lease.ordinal - 1)
}
