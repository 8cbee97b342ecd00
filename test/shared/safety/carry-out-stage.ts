import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import type { StepResult } from '#shared/pure/step.ts'
import { type CarryOutPorts, type ChangeStep, carryOut } from '#shared/safety/carry-out.ts'
import { createGuard } from '#shared/safety/guard.ts'
import type { GuardSettings } from '#shared/safety/guard-settings.ts'
import { createJournal, type Journal } from '#shared/safety/journal.ts'
import type { JournalEntry } from '#shared/safety/journal-entry.ts'
import type { KillSwitch } from '#shared/safety/kill-switch.ts'
import { storeKillSwitch } from '#shared/safety/kill-switch-store.ts'
import { createLedger, type Ledger } from '#shared/safety/ledger.ts'
import type { Settlement } from '#shared/safety/settle-claim.ts'
import type { Store } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

/** A write that does its thing again each time it arrives: nothing but the kernel keeps it from happening twice. */
export const AddNode: Action<'AddNode', 'write', { readonly Key: string }, { readonly RequestId: string }> = {
  service: 'test',
  version: '2026-01-01',
  name: 'AddNode',
  effect: 'write',
  repeat: 'relative',
  ratePerSecond: 20,
  regional: true,
  input: { Key: { type: 'string', required: true } },
}

export const CountNodes: Action<'CountNodes', 'read', { readonly Key: string }, { readonly Count: number; readonly RequestId: string }> = {
  service: 'test',
  version: '2026-01-01',
  name: 'CountNodes',
  effect: 'read',
  ratePerSecond: 20,
  regional: true,
  input: { Key: { type: 'string', required: true } },
}

export interface NodeChange {
  readonly key: string
}

export const start = 1_790_000_000_000
export const functionName = 'alarm-scaler'
export const graceMs = 60_000
const secret = 'the key of the journal'

/**
 * - `pass` carried out and answered
 * - `reject` refused for certain
 * - `lose-before` never carried out, and nobody can tell
 * - `lose-after` carried out, and nobody can tell
 * - `late` as `lose-before`, but carried out 40 seconds later all the same
 */
export type WriteFate = 'pass' | 'reject' | 'lose-before' | 'lose-after' | 'late'

export interface Effect {
  readonly key: string
  readonly at: number
  /** Whether an intent for it was in the journal by then. */
  readonly intended: boolean
}

/** The world outside: time, the store's disk, and a platform that adds nodes. */
export class World {
  now = start
  readonly disk = new MemoryDisk()
  readonly effects: Effect[] = []
  /** What becomes of the writes, in order; `pass` afterwards. */
  fates: WriteFate[] = []
  /** Whether the platform can be read. */
  readable = true
  /** Calls that reached the platform. */
  readonly calls: string[] = []
  readonly #late: { at: number; key: string }[] = []

  elapse(ms: number): void {
    this.now += ms
    this.#arrive()
  }

  /** A process's way to the platform. */
  get cloud(): CloudWriter {
    return {
      send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
        const { Key: key } = request as { Key: string }
        this.#arrive()
        this.calls.push(action.name)
        const requestId = `request-${this.calls.length}`
        const fail = (kind: 'cloud.unknown-outcome' | 'cloud.rejected' | 'cloud.timeout'): CloudError =>
          new CloudError(`test.${action.name}: ${kind}.`, { kind, code: kind, action: `test.${action.name}`, requestId, retryable: false })
        if (action.effect === 'read') {
          if (!this.readable) throw fail('cloud.timeout')
          const count = this.effects.filter((effect) => effect.key === key).length
          return { Count: count, RequestId: requestId } as unknown as ResponseOf<A>
        }
        // A transport cuts the call at its deadline; what was cut never gets here.
        if (this.now > (options?.deadline ?? Number.POSITIVE_INFINITY)) throw fail('cloud.unknown-outcome')
        const fate = this.fates.shift() ?? 'pass'
        if (fate === 'reject') throw fail('cloud.rejected')
        if (fate === 'late') this.#late.push({ at: this.now + 40_000, key })
        if (fate === 'lose-before' || fate === 'late') throw fail('cloud.unknown-outcome')
        this.#happen(key)
        if (fate === 'lose-after') throw fail('cloud.unknown-outcome')
        return { RequestId: requestId } as unknown as ResponseOf<A>
      },
    }
  }

  #arrive(): void {
    for (const one of this.#late.splice(0)) {
      if (one.at <= this.now) this.#happen(one.key)
      else this.#late.push(one)
    }
  }

  #happen(key: string): void {
    const intended = new RegExp(`"kind":"intent".*"stepKey":"${key}"`).test(this.disk.contents())
    this.effects.push({ key, at: this.now, intended })
  }

  ledger(store: Store = openMemoryStore(this.disk)): Ledger {
    return createLedger(store, { function: functionName, graceMs })
  }

  journal(store: Store = openMemoryStore(this.disk)): Journal {
    return createJournal(store, { chain: functionName, key: secret })
  }
}

export interface ProcessOptions {
  readonly owner: string
  /** How the process sees the store and the platform; as they are when absent. */
  readonly store?: Store | undefined
  readonly cloud?: CloudWriter | undefined
  readonly settings?: Partial<GuardSettings> | undefined
  readonly killSwitch?: KillSwitch | undefined
  /** How long the platform lets it live; 90 s when absent. */
  readonly lifeMs?: number | undefined
  readonly apply?: CarryOutPorts<NodeChange>['apply'] | undefined
  /** `null`: the function cannot settle. */
  readonly settle?: CarryOutPorts<NodeChange>['settle'] | null | undefined
  readonly more?: Partial<CarryOutPorts<NodeChange>> | undefined
}

export function stepOf(key = 'web-1'): ChangeStep<NodeChange> {
  return {
    key,
    target: `cls-1/nodes/${key}`,
    before: '0 nodes',
    after: '1 node',
    reason: { code: 'breach', text: 'the load is too high' },
    verdict: 'change',
    change: { key },
  }
}

/** Adds a node if there is none yet. */
export async function addNode(step: ChangeStep<NodeChange>, cloud: CloudWriter): Promise<StepResult> {
  const answer = await cloud.send(AddNode, { Key: step.change.key })
  return { outcome: 'Applied', requestId: answer.RequestId }
}

export async function countNodes(
  step: ChangeStep<NodeChange>,
  cloud: Parameters<NonNullable<CarryOutPorts<NodeChange>['settle']>>[1],
): Promise<Settlement> {
  const { Count: count } = await cloud.send(CountNodes, { Key: step.change.key })
  return count > 0 ? 'applied' : 'not-applied'
}

/** A process of a function in a world: it can carry out steps until its time is over. */
export function processIn(world: World, options: ProcessOptions): CarryOutPorts<NodeChange> {
  const store = options.store ?? openMemoryStore(world.disk)
  const settings: GuardSettings = { caps: [], freeze: [], overrides: [], protect: [], killSwitch: { kind: 'store' }, ...options.settings }
  const endsAt = world.now + (options.lifeMs ?? 90_000)
  const killSwitch = options.killSwitch ?? storeKillSwitch(store)
  return {
    function: functionName,
    runId: `${functionName}@${new Date(world.now).toISOString()}`,
    owner: options.owner,
    guard: createGuard({ settings, store, killSwitch, function: functionName, owner: options.owner }),
    mode: 'enforce',
    targetsInPlan: ['cls-1/nodes/web-1'],
    ledger: world.ledger(store),
    journal: world.journal(store),
    cloud: options.cloud ?? world.cloud,
    apply: options.apply ?? addNode,
    settle: options.settle === null ? undefined : (options.settle ?? countNodes),
    now: () => world.now,
    remainingMs: () => endsAt - world.now,
    ...options.more,
  }
}

export async function runIn(world: World, options: ProcessOptions, step = stepOf()): Promise<StepResult> {
  return await carryOut(step, processIn(world, options))
}

/** What is wrong with a world's history; nothing when all is well. */
export async function historyProblems(world: World, step = stepOf()): Promise<string[]> {
  const problems: string[] = []
  const count = world.effects.filter(({ key }) => key === step.key).length
  if (count > 1) problems.push(`${count} effects`)
  if (world.effects.some(({ intended }) => !intended)) problems.push('an effect without an intent before it')
  const journal = world.journal()
  const ledger = world.ledger()
  const check = await journal.verify({ now: world.now, marks: ledger.journalMarks(world.now) })
  problems.push(...check.problems.map(({ code, seq }) => `journal ${code} ${seq}`))
  const entry = await ledger.get(step.key, { now: world.now })
  if (entry?.state === 'SUCCEEDED' && count === 0) problems.push('succeeded without an effect')
  if (entry?.state === 'FAILED_SAFE' && count > 0) problems.push('failed safely with an effect')
  const entries = await journal.list({ now: world.now, limit: 10_000 })
  if (entry?.state === 'SUCCEEDED' || entry?.state === 'FAILED_SAFE') problems.push(...openOnes(entries, entry.attempt))
  return problems
}

/** Intents that nothing closes although the ledger is done with them. */
function openOnes(entries: readonly JournalEntry[], attempt: number): string[] {
  return entries
    .filter(({ kind, attempt: own }) => kind === 'intent' && own === attempt)
    .filter(
      ({ seq, stepKey }) =>
        !entries.some((later) => later.kind === 'outcome' && later.seq > seq && later.stepKey === stepKey && later.state !== 'UNKNOWN'),
    )
    .map(({ seq }) => `intent ${seq} is open`)
}
