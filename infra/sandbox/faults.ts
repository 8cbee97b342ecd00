import type { Action, Effect } from '#cloud/action.ts'
import { createRandom } from './random.ts'

/** What can go wrong with a call. Each kind happens to the call as a whole; `latency` and `clock-skew` also go with another one. */
export type Fault =
  /** The call waits this long, in real time, before anything happens. */
  | { readonly kind: 'latency'; readonly latencyMs: number }
  /** The connection dies before anything happened. */
  | { readonly kind: 'drop-before' }
  /** The call is carried out, then the connection dies without an answer. */
  | { readonly kind: 'drop-after' }
  /** A gateway's HTML page instead of an envelope, before the call is carried out or after. */
  | { readonly kind: '5xx'; readonly status: 500 | 502 | 503 | 504; readonly when: 'before' | 'after' }
  /** An envelope with InternalError, before the call is carried out or after. */
  | { readonly kind: 'internal-error'; readonly when: 'before' | 'after' }
  /** An envelope with RequestLimitExceeded; nothing is carried out. */
  | { readonly kind: 'throttle' }
  /** The server's clock is this much ahead (negative: behind) for the signature and the Date header; the world's time stays. */
  | { readonly kind: 'clock-skew'; readonly skewMs: number }
  /** The call is carried out; the answer breaks off after half its announced length. */
  | { readonly kind: 'truncated-body' }
  /** The call is carried out; the second half of the answer comes this much later. */
  | { readonly kind: 'slow-body'; readonly pauseMs: number }
  /** A page of a list that is not true: its last row is its first again, or a row is missing, or the total is off by `by`. */
  | { readonly kind: 'lying-page'; readonly lie: 'repeat-row' | 'skip-row' | 'wrong-total'; readonly by?: number }
  /** The cluster answers 403: on ForwardRequest a Status in a successful envelope, as the platform does. */
  | { readonly kind: 'rbac-403' }
  /** ForwardRequest answers this as ResponseBody (empty, HTML, half a list); the cluster is not asked. */
  | { readonly kind: 'forward-body'; readonly body: string }

export type FaultKind = Fault['kind']

/** Which calls a rule is for: all that are named have to fit; nothing named fits every call. */
export interface FaultMatch {
  readonly service?: string
  /** Name of the action: `DescribeImagePersonal`. */
  readonly action?: string
  readonly effect?: Effect
  readonly clusterId?: string
  /** Part of the path of a request to a cluster: `/deployments/`. */
  readonly pathIncludes?: string
}

export interface FaultRule {
  readonly fault: Fault
  readonly match?: FaultMatch
  /** Chance per fitting call, 0 to 1; 1 when absent. Drawn from the rule's own seeded sequence. */
  readonly probability?: number
  /** How often it fires at most; without end when absent. */
  readonly count?: number
  /** How many fitting calls pass before the first chance. */
  readonly after?: number
  /** Seed of its sequence; by default the sandbox's, and the rule's number. */
  readonly seed?: number
}

/** What a rule can see of a call. */
export interface FaultSubject {
  readonly service: string
  readonly action: string
  readonly effect: Effect
  readonly clusterId?: string
  readonly path?: string
  /** Whether the call answers a page of a list: only then a page can lie. */
  readonly paged: boolean
  /** Whether the call goes to a cluster: only then RBAC can refuse. */
  readonly kubernetes: boolean
}

export interface FiredFault {
  readonly ruleId: number
  readonly kind: FaultKind
  readonly service: string
  readonly action: string
  readonly at: number
}

export interface FaultSwitches {
  /** Adds a rule, after those that are there, and answers its number. Throws TypeError when it makes no sense. */
  add(rule: FaultRule): number
  /** Forgets a rule. Answers whether there was one. */
  remove(ruleId: number): boolean
  /** Forgets all rules; `fired` stays. */
  clear(): void
  readonly rules: readonly { readonly id: number; readonly rule: FaultRule; readonly firedCount: number }[]
  /** Every fault that was fired, oldest first; the last 10,000. */
  readonly fired: readonly FiredFault[]
  /** The faults for one call, in the order of their rules: at most one of those that end a call, any number of the others. */
  draw(subject: FaultSubject, now: number): readonly Fault[]
}

interface LiveRule {
  readonly id: number
  readonly rule: FaultRule
  readonly random: () => number
  seen: number
  firedCount: number
}

const firedLimit = 10_000

/** Switches with no rule set. The same seed, rules and calls fire the same faults. */
export function createFaultSwitches(seed: number): FaultSwitches {
  const live: LiveRule[] = []
  const fired: FiredFault[] = []
  let lastId = 0
  return {
    add(rule) {
      checkRule(rule)
      lastId += 1
      live.push({ id: lastId, rule, random: createRandom(rule.seed ?? Math.imul(seed, 31) + lastId), seen: 0, firedCount: 0 })
      return lastId
    },
    remove(ruleId) {
      const index = live.findIndex(({ id }) => id === ruleId)
      if (index !== -1) {
        live.splice(index, 1)
      }
      return index !== -1
    },
    clear() {
      live.length = 0
    },
    get rules() {
      return live.map(({ id, rule, firedCount }) => ({ id, rule, firedCount }))
    },
    fired,
    draw(subject, now) {
      const drawn: Fault[] = []
      let ended = false
      for (const entry of live) {
        const { fault } = entry.rule
        const ends = fault.kind !== 'latency' && fault.kind !== 'clock-skew'
        if ((ends && ended) || !fits(entry.rule, subject) || !strikes(entry)) {
          continue
        }
        ended ||= ends
        entry.firedCount += 1
        drawn.push(fault)
        fired.push({ ruleId: entry.id, kind: fault.kind, service: subject.service, action: subject.action, at: now })
      }
      if (fired.length > firedLimit) {
        fired.splice(0, fired.length - firedLimit)
      }
      return drawn
    },
  }
}

function fits({ fault, match = {} }: FaultRule, subject: FaultSubject): boolean {
  if (fault.kind === 'lying-page' && !subject.paged) {
    return false
  }
  if ((fault.kind === 'rbac-403' || fault.kind === 'forward-body') && !subject.kubernetes) {
    return false
  }
  return (
    (match.service === undefined || match.service === subject.service) &&
    (match.action === undefined || match.action === subject.action) &&
    (match.effect === undefined || match.effect === subject.effect) &&
    (match.clusterId === undefined || match.clusterId === subject.clusterId) &&
    (match.pathIncludes === undefined || (subject.path?.includes(match.pathIncludes) ?? false))
  )
}

function strikes(entry: LiveRule): boolean {
  const { probability = 1, count = Number.POSITIVE_INFINITY, after = 0 } = entry.rule
  entry.seen += 1
  return entry.seen > after && entry.firedCount < count && (probability >= 1 || entry.random() < probability)
}

const kinds: Readonly<Record<FaultKind, true>> = {
  latency: true,
  'drop-before': true,
  'drop-after': true,
  '5xx': true,
  'internal-error': true,
  throttle: true,
  'clock-skew': true,
  'truncated-body': true,
  'slow-body': true,
  'lying-page': true,
  'rbac-403': true,
  'forward-body': true,
}

function checkRule({ fault, probability = 1, count = 1, after = 0 }: FaultRule): void {
  if (!Object.hasOwn(kinds, fault.kind)) {
    throw new TypeError(`There is no fault "${fault.kind}". Known: ${Object.keys(kinds).join(', ')}.`)
  }
  if (!(probability >= 0 && probability <= 1)) {
    throw new TypeError(`The probability of "${fault.kind}" is ${probability}; it has to be between 0 and 1.`)
  }
  for (const [name, value] of Object.entries({ count, after })) {
    if (!Number.isInteger(value) || value < 0) {
      throw new TypeError(`"${name}" of "${fault.kind}" is ${value}; it has to be a whole number, 0 or more.`)
    }
  }
}

/** The faults that `storm` draws from when none are named: everything that a network and a busy platform do by themselves. */
export const stormFaults: readonly Fault[] = [
  { kind: 'drop-before' },
  { kind: 'drop-after' },
  { kind: '5xx', status: 502, when: 'before' },
  { kind: '5xx', status: 504, when: 'after' },
  { kind: 'internal-error', when: 'before' },
  { kind: 'internal-error', when: 'after' },
  { kind: 'throttle' },
  { kind: 'truncated-body' },
]

/**
 * Adds one rule per fault, each with its share of `probability`, so that about that part of all fitting calls is hit.
 * Answers the numbers of the rules. The whole storm repeats with `seed`.
 */
export function storm(
  switches: FaultSwitches,
  options: { readonly seed: number; readonly probability: number; readonly match?: FaultMatch; readonly faults?: readonly Fault[] },
): number[] {
  const faults = options.faults ?? stormFaults
  return faults.map((fault, index) =>
    switches.add({
      fault,
      ...(options.match === undefined ? {} : { match: options.match }),
      probability: options.probability / faults.length,
      seed: options.seed * faults.length + index,
    }),
  )
}

/**
 * The answer with a lie in it, as a copy; the answer itself when it holds no such page. `repeat-row` needs two rows and
 * `skip-row` one, or the page stays true.
 */
export function lie(
  answer: Readonly<Record<string, unknown>>,
  action: Action,
  fault: Extract<Fault, { kind: 'lying-page' }>,
): Record<string, unknown> {
  const { paging } = action
  const copy: Record<string, unknown> = structuredClone(answer)
  if (paging === undefined) {
    return copy
  }
  if (fault.lie === 'wrong-total') {
    replaceAt(copy, paging.total, (total) => (typeof total === 'number' ? Math.max(0, total + (fault.by ?? 1)) : total))
    return copy
  }
  replaceAt(copy, paging.items, (rows) => {
    if (!Array.isArray(rows)) {
      return rows
    }
    return fault.lie === 'skip-row'
      ? rows.toSpliced(Math.floor(rows.length / 2), 1)
      : rows.length < 2
        ? rows
        : [...rows.slice(0, -1), rows[0]]
  })
  return copy
}

function replaceAt(holder: Record<string, unknown>, path: readonly string[], change: (value: unknown) => unknown): void {
  const [name, ...rest] = path
  if (name === undefined || !Object.hasOwn(holder, name)) {
    return
  }
  const value = holder[name]
  if (rest.length === 0) {
    holder[name] = change(value)
  } else if (isRecord(value)) {
    replaceAt(value, rest, change)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
