import * as z from 'zod/mini'
import type { Effect, Happening, HappeningOf, PersonDeed, PlannedStep, WireOutcome, WriteCall } from '../history.ts'
import type { WrittenOverride } from '../oracle.ts'
import type { SimRule } from '../scenario.ts'
import type { Simulated } from '../simulation.ts'
import { functionNameOf, targetNameOf } from '../stage-world.ts'
import type { CheckName } from './checks.ts'

/** How long after a deadline its owner is still believed to be at it. */
export const graceMs = 60_000

/** A promise that was broken. */
export interface Violation {
  readonly check: CheckName
  readonly text: string
  /** Words by which the lines of the history that belong to it are known. */
  readonly about: readonly string[]
}

/** A writing call with everything that became of it. Places are indices in the history. */
export interface CallFacts {
  readonly call: WriteCall
  readonly place: number
  readonly at: number
  /** Undefined when nobody was told: the process died first. */
  readonly ended: { readonly place: number; readonly outcome: string } | undefined
  readonly sends: readonly {
    readonly wireId: number
    readonly place: number
    readonly at: number
    readonly outcome: WireOutcome | undefined
  }[]
  /** Whether the process could not know whether it was carried out. */
  readonly isAmbiguous: boolean
}

export interface EffectFacts {
  readonly effect: Effect
  readonly place: number
  readonly at: number
  /** The call it came from; undefined when none is known. */
  readonly from: CallFacts | undefined
}

const LedgerData = z.looseObject({
  key: z.string(),
  state: z.enum(['STARTED', 'SUCCEEDED', 'FAILED_SAFE', 'UNKNOWN']),
  attempt: z.number(),
  changedAt: z.number(),
  holder: z.optional(z.looseObject({ id: z.string(), deadline: z.number() })),
  inFlightUntil: z.optional(z.number()),
})

/** One writing of a ledger entry. */
export interface LedgerWrite extends z.infer<typeof LedgerData> {
  readonly place: number
  readonly at: number
  readonly version: number
  readonly owner: string
  readonly process: string
}

const JournalData = z.looseObject({
  kind: z.enum(['intent', 'outcome', 'note']),
  seq: z.number(),
  stepKey: z.string(),
  target: z.string(),
  before: z.string(),
  after: z.string(),
  attempt: z.optional(z.number()),
  owner: z.optional(z.string()),
  state: z.optional(z.string()),
  outcome: z.optional(z.string()),
  requestId: z.optional(z.string()),
})

/** One writing of a journal entry. */
export interface JournalWrite extends z.infer<typeof JournalData> {
  readonly place: number
  readonly at: number
  readonly version: number
  readonly sort: string
}

export interface RunFacts {
  readonly owner: string
  readonly runId: string
  readonly place: number
  readonly plan: readonly PlannedStep[]
  readonly planPlace: number
  /** The time by its own clock that its plan is for. */
  readonly planNow: number
  /** Of a run that plans part by part: where each step was planned, by its key. */
  readonly placeOfStep: ReadonlyMap<string, number>
  /** Which of the configurations it went by. */
  readonly version: number
  /** The changes of the only plan that it may carry out. */
  readonly approved: readonly string[] | undefined
}

/** A history, put in order for those who check it. */
export class Facts {
  readonly simulated: Simulated
  readonly all: readonly Happening[]
  readonly calls: readonly CallFacts[]
  readonly effects: readonly EffectFacts[]
  readonly runs: ReadonlyMap<string, RunFacts>
  /** Of each key, in their order. */
  readonly ledger: ReadonlyMap<string, readonly LedgerWrite[]>
  /** In the order in which they were stored. */
  readonly journal: readonly JournalWrite[]
  /** Keys under which something was written that goes with an effect, or takes its place where there is nothing left to do. */
  readonly besides: ReadonlySet<string>
  readonly #placed = new Map<Happening['kind'], readonly (readonly [number, Happening])[]>()
  /** What people did to targets. */
  readonly deeds: readonly HappeningOf<'person'>[]

  constructor(simulated: Simulated) {
    this.simulated = simulated
    this.all = simulated.history.all
    this.calls = callsOf(this.all)
    const byId = new Map(this.calls.map((call) => [call.call.id, call]))
    this.effects = placed(this.all, 'effect').map(([place, { at, effect }]) => ({ effect, place, at, from: byId.get(effect.callId) }))
    this.runs = runsOf(this.all)
    this.besides = new Set(placed(this.all, 'alarm-write').map(([, { key }]) => key))
    this.deeds = placed(this.all, 'person').map(([, deed]) => deed)
    const name = functionNameOf(simulated.scenario)
    this.ledger = ledgerOf(this.all, `ledger/${name}`)
    this.journal = placed(this.all, 'stored').flatMap(([place, { at, partition, sort, version, data }]) => {
      const parsed = partition === `journal/${name}` && data !== '' ? z.safeParse(JournalData, JSON.parse(data)) : undefined
      return parsed?.success === true ? [{ ...parsed.data, place, at, version, sort }] : []
    })
  }

  of<Kind extends Happening['kind']>(kind: Kind): readonly (readonly [place: number, HappeningOf<Kind>])[] {
    // Who checks asks for the same again and again, and the history is long.
    const known = this.#placed.get(kind)
    if (known !== undefined) return known.flatMap(([place, happening]) => (isOf(happening, kind) ? [[place, happening] as const] : []))
    const found = placed(this.all, kind)
    this.#placed.set(kind, found)
    return found
  }

  /** The ledger's last word about a key before a place in the history. */
  ledgerAt(key: string, place: number): LedgerWrite | undefined {
    return this.ledger.get(key)?.findLast((write) => write.place < place)
  }

  /** Whether somebody did one of these to a target. */
  hasDeed(target: string, ...deeds: readonly PersonDeed[]): boolean {
    return this.deeds.some((deed) => deed.target === target && deeds.includes(deed.what))
  }

  /** The override that stands on a target at a place in the history, whether its time is over or not. */
  writtenAt(target: string, place: number): WrittenOverride | undefined {
    let written: WrittenOverride | undefined
    for (const [at, deed] of this.of('person')) {
      if (at >= place) break
      if (deed.target !== target) continue
      if (deed.what === 'override') written = deed.written ?? written
      // Another object of the same name has no annotations.
      else if (deed.what === 'override-off' || deed.what === 'delete' || deed.what === 'recreate') written = undefined
    }
    return written
  }

  /** The firing for which a rule that runs once has run, as far as is on record at a place in the history. */
  ranFor(target: string, rule: SimRule, place: number): number | undefined {
    let ran: number | undefined
    for (const [at, happening] of this.all.entries()) {
      if (at >= place) break
      if (happening.kind === 'person' && happening.target === target && forgets.has(happening.what)) ran = undefined
      if (happening.kind !== 'effect' || happening.effect.target !== target) continue
      if (isBy(happening.effect, rule)) ran ??= happening.effect.nominalMs
    }
    return ran
  }

  /** The rule that an effect is for; undefined for an override. */
  ruleOf(effect: Pick<Effect, 'by' | 'target'>): SimRule | undefined {
    const { rules, targets } = this.simulated.scenario
    return rules.find((rule) => {
      const target = targets[rule.target]
      return target !== undefined && targetNameOf(target) === effect.target && isBy(effect, rule)
    })
  }

  /** The plan's step that a run went by. */
  stepOf(owner: string, key: string): PlannedStep | undefined {
    return this.runs.get(owner)?.plan.find((step) => step.key === key && step.verdict === 'change')
  }
}

/** What takes the record off a target. */
const forgets: ReadonlySet<PersonDeed> = new Set<PersonDeed>(['delete', 'recreate', 'forget'])

/** Whether an effect is for the sake of a rule. */
export function isBy({ by, target }: Pick<Effect, 'by' | 'target'>, { name, source }: SimRule): boolean {
  const object = target.slice(target.lastIndexOf('/') + 1)
  return by === (source === 'hpc' ? `hpc/default/${object}-hpc/${name}` : `config/${object}-${name}`)
}

/** Whether a run was waited for within an earlier one. */
export function isFollowUp(owner: string): boolean {
  return owner.split('/').length > 2
}

/** The run that a claim belongs to. */
export function ownerOf(claimId: string): string {
  return claimId.slice(0, claimId.lastIndexOf('#'))
}

function placed<Kind extends Happening['kind']>(all: readonly Happening[], kind: Kind): (readonly [number, HappeningOf<Kind>])[] {
  const found: (readonly [number, HappeningOf<Kind>])[] = []
  for (const [place, happening] of all.entries()) if (isOf(happening, kind)) found.push([place, happening])
  return found
}

function isOf<Kind extends Happening['kind']>(happening: Happening, kind: Kind): happening is HappeningOf<Kind> {
  return happening.kind === kind
}

function callsOf(all: readonly Happening[]): CallFacts[] {
  const outcomes = new Map<number, WireOutcome>()
  const ends = new Map<number, { readonly place: number; readonly outcome: string }>()
  const sends = new Map<number, { readonly wireId: number; readonly place: number; readonly at: number }[]>()
  for (const [place, happening] of all.entries()) {
    if (happening.kind === 'answered') outcomes.set(happening.wireId, happening.outcome)
    else if (happening.kind === 'write-ended') ends.set(happening.call.id, { place, outcome: happening.outcome })
    else if (happening.kind === 'sent' && happening.callId !== 0) {
      const before = sends.get(happening.callId) ?? []
      sends.set(happening.callId, [...before, { wireId: happening.wireId, place, at: happening.at }])
    }
  }
  return placed(all, 'write-began').map(([place, { at, call }]): CallFacts => {
    const own = (sends.get(call.id) ?? []).map((send) => ({ ...send, outcome: outcomes.get(send.wireId) }))
    const isAmbiguous = own.some(({ outcome }) => outcome === 'ambiguous' || outcome === undefined)
    return { call, place, at, ended: ends.get(call.id), sends: own, isAmbiguous }
  })
}

function runsOf(all: readonly Happening[]): Map<string, RunFacts> {
  const runs = new Map<string, RunFacts>()
  for (const [place, happening] of all.entries()) {
    if (happening.kind === 'run-began') {
      const { doer, runId, approved } = happening
      runs.set(doer.owner, {
        owner: doer.owner,
        runId,
        place,
        plan: [],
        planPlace: Number.POSITIVE_INFINITY,
        planNow: Number.NaN,
        placeOfStep: new Map(),
        version: happening.version,
        approved,
      })
    } else if (happening.kind === 'planned') {
      const run = runs.get(happening.doer.owner)
      if (run === undefined) continue
      const { steps, now } = happening
      const placeOfStep = new Map([...run.placeOfStep, ...steps.map(({ key }) => [key, place] as const)])
      // The first part of a plan is where it began.
      const planPlace = Math.min(run.planPlace, place)
      runs.set(run.owner, { ...run, plan: [...run.plan, ...steps], planPlace, planNow: now, placeOfStep })
    }
  }
  return runs
}

function ledgerOf(all: readonly Happening[], partition: string): Map<string, readonly LedgerWrite[]> {
  const ledger = new Map<string, LedgerWrite[]>()
  for (const [place, stored] of placed(all, 'stored')) {
    if (stored.partition !== partition || stored.data === '') continue
    const parsed = z.safeParse(LedgerData, JSON.parse(stored.data))
    if (!parsed.success) continue
    const { at, version, doer } = stored
    const writes = ledger.get(parsed.data.key) ?? []
    writes.push({ ...parsed.data, place, at, version, owner: doer.owner, process: doer.process })
    ledger.set(parsed.data.key, writes)
  }
  return ledger
}
