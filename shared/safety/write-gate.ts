import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError, type CloudErrorKind } from '#cloud/errors.ts'
import type { Reason } from '#shared/pure/step.ts'
import type { FreezeOverride } from './freeze-window.ts'
import type { Guard } from './guard.ts'
import type { Claim, Ledger } from './ledger.ts'
import { LedgerError } from './ledger-entry.ts'
import { StoreError } from './store.ts'

export interface WriteGateOptions {
  readonly cloud: CloudWriter
  /** Asked right before each write; it reads the kill switch. */
  readonly guard: Pick<Guard, 'whyNotNow' | 'whyFrozen'>
  /** Those that the journal tells of already: a write starts with the help of no other. */
  readonly overrides: readonly FreezeOverride[]
  readonly ledger: Ledger
  readonly claim: Claim
  /** The time at this moment, not the event's: epoch milliseconds. */
  readonly now: () => number
  /** Until the platform ends the process. */
  readonly remainingMs: () => number
  /** What must be left for a write to start: the longest that one call takes, and a margin. */
  readonly neededMs: number
  /** How far a renewed claim reaches. */
  readonly claimMs: number
  /** The first write must start by then, or the room that was taken for it under caps may be free for others again. */
  readonly beginsBy?: number | undefined
}

/**
 * One writing call that was let through. `refused`: it certainly changed nothing. `doubtful`: its answer was lost.
 * `done` says that the platform took the call, not that what it forwards to did.
 */
export interface WriteAttempt {
  readonly action: string
  readonly state: 'under-way' | 'done' | 'refused' | 'doubtful'
  readonly requestId?: string | undefined
}

/** Why the gate lets nothing through, beside the guard's own reasons. */
export type GateCode = 'guard.no-time-left' | 'claim-lost' | 'claim-not-renewed' | 'unknown-outcome' | 'step-over'

/**
 * The only way to a writing call for the function that carries out one step. Reads pass freely. Each write first has to
 * have enough time left, for itself and under the claim (which is renewed when it is short), and the guard is asked right
 * before it, which reads the kill switch; when its answer took longer than a call may (the process stood still), it is asked
 * again. Once a write is refused here, or its answer was lost, no other write of this step
 * goes out: an ambiguous write is settled by reading, never repeated. A refused call throws CloudError of kind
 * `cloud.not-allowed`.
 */
export class WriteGate implements CloudWriter {
  readonly #options: WriteGateOptions
  readonly #writes: WriteAttempt[] = []
  #claim: Claim
  #refusal: Reason | undefined
  #isClosed = false
  #hasReadSince = false
  #readsUnderWay = 0
  /** One write asks at a time, or two would renew the same claim and one of them find it lost. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: WriteGateOptions) {
    this.#options = options
    this.#claim = options.claim
  }

  /** The claim as it is now. */
  get claim(): Claim {
    return this.#claim
  }

  /** The first reason for which a write was not let through. */
  get refusal(): Reason | undefined {
    return this.#refusal
  }

  /** The writes that were let through, in their order. */
  get writes(): readonly WriteAttempt[] {
    return this.#writes
  }

  /**
   * Whether an error of the forwarded-to server can only be the answer to the one write there was: none other was taken, and
   * nothing was read since it began.
   */
  get isErrorOfOnlyWrite(): boolean {
    return !this.#hasReadSince && this.#writes.filter(({ state }) => state !== 'refused').length === 1
  }

  /** From now on no write gets through: what became of the step is being written down. */
  close(): void {
    this.#isClosed = true
  }

  async send<A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> {
    const { cloud } = this.#options
    if (action.effect === 'read') {
      this.#hasReadSince = true
      this.#readsUnderWay += 1
      try {
        return await cloud.send(action, request, options)
      } finally {
        this.#readsUnderWay -= 1
      }
    }
    const name = `${action.service}.${action.name}`
    const turn = this.#turn.then(() => this.#ask())
    this.#turn = turn
    await turn
    // From here to the call nothing else gets a chance to happen.
    if (this.#isClosed)
      throw refused(name, { code: 'step-over' satisfies GateCode, text: 'its step is over; wait for every write within apply' })
    this.#refusal ??= this.#late() ?? this.#doubt() ?? this.#options.guard.whyFrozen(this.#options.now(), this.#options.overrides)
    if (this.#refusal !== undefined) throw refused(name, this.#refusal)
    const index = this.#writes.push({ action: name, state: 'under-way' }) - 1
    this.#hasReadSince = this.#readsUnderWay > 0
    const deadline = Math.min(options?.deadline ?? Number.POSITIVE_INFINITY, this.#claim.deadline)
    try {
      const answer = await cloud.send(action, request, { ...options, deadline })
      this.#writes[index] = { action: name, state: 'done', requestId: requestIdOf(answer) }
      return answer
    } catch (error) {
      this.#writes[index] = { action: name, state: changedNothing(error) ? 'refused' : 'doubtful', requestId: requestIdOf(error) }
      throw error
    }
  }

  /** Everything that has to be asked before a write; the guard, and with it the kill switch, last. */
  async #ask(): Promise<void> {
    this.#refusal ??= this.#doubt()
    if (this.#refusal === undefined && this.#mayRenew()) this.#refusal = await this.#renew()
    this.#refusal ??= this.#late()
    const { guard, overrides, now, remainingMs, neededMs } = this.#options
    for (let isStale = true; isStale && this.#refusal === undefined; ) {
      const askedAt = now()
      this.#refusal = await guard.whyNotNow({ now: askedAt, remainingMs: remainingMs() }, overrides)
      // What was asked before the process stood still says what was, not what is.
      isStale = now() - askedAt > neededMs
      this.#refusal ??= this.#late()
    }
  }

  /** Whether only the claim is too short, not the time itself. */
  #mayRenew(): boolean {
    const { now, neededMs, remainingMs } = this.#options
    return now() + neededMs > this.#claim.deadline && remainingMs() >= neededMs
  }

  async #renew(): Promise<Reason | undefined> {
    const { ledger, now, remainingMs, claimMs } = this.#options
    const deadline = now() + Math.min(remainingMs(), claimMs)
    try {
      const renewed = await ledger.renew(this.#claim, { now: now(), deadline })
      if (renewed.ok) this.#claim = renewed.claim
      else
        return {
          code: 'claim-lost' satisfies GateCode,
          text: 'this run took so long that another one took the step over; nothing more is written',
        }
    } catch (error) {
      if (!(error instanceof StoreError) && !(error instanceof LedgerError)) throw error
      return { code: 'claim-not-renewed' satisfies GateCode, text: `the claim on this step could not be prolonged: ${error.message}` }
    }
    return undefined
  }

  #late(): Reason | undefined {
    const { remainingMs, neededMs, now, beginsBy = Number.POSITIVE_INFINITY } = this.#options
    if (this.#writes.length === 0 && now() > beginsBy) {
      const text = `its room under caps was taken for a change that begins by ${new Date(beginsBy).toISOString()}; the next run takes it up`
      return { code: 'guard.no-time-left' satisfies GateCode, text }
    }
    const leftMs = Math.min(remainingMs(), this.#claim.deadline - now())
    if (leftMs >= neededMs) return undefined
    const text = `${Math.max(0, Math.floor(leftMs))} ms are left and a write may need ${neededMs}; the next run takes it up`
    return { code: 'guard.no-time-left' satisfies GateCode, text }
  }

  #doubt(): Reason | undefined {
    const open = this.#writes.find(({ state }) => state === 'doubtful')
    if (open === undefined) return undefined
    return {
      code: 'unknown-outcome' satisfies GateCode,
      text: `the answer to ${open.action} was lost; nothing more is written before it is settled`,
    }
  }
}

function refused(action: string, reason: Reason): CloudError {
  return new CloudError(`${action} was not sent: ${reason.text}.`, {
    kind: 'cloud.not-allowed',
    code: reason.code,
    action,
    retryable: false,
  })
}

/** The platform's RequestId in an answer or an error. */
function requestIdOf(from: unknown): string | undefined {
  if (typeof from !== 'object' || from === null) return undefined
  const id: unknown = from instanceof Error ? Reflect.get(from, 'requestId') : Reflect.get(from, 'RequestId')
  return typeof id === 'string' && id !== '' ? id : undefined
}

/** Whether a write that failed with this has certainly changed nothing. What is not known has not. */
function changedNothing(error: unknown): boolean {
  return error instanceof CloudError && isCertain(error.kind)
}

function isCertain(kind: CloudErrorKind): boolean {
  switch (kind) {
    case 'cloud.unknown-outcome':
    case 'cloud.network':
    case 'cloud.timeout':
    case 'cloud.bad-answer':
    case 'cloud.unavailable':
      return false
    case 'cloud.invalid-request':
    case 'cloud.not-allowed':
    case 'cloud.aborted':
    case 'cloud.deadline':
    case 'cloud.retry-quota':
    case 'cloud.not-sent':
    case 'cloud.untrusted':
    case 'cloud.rate-limited':
    case 'cloud.clock-skew':
    case 'cloud.credentials':
    case 'cloud.forbidden':
    case 'cloud.not-found':
    case 'cloud.conflict':
    case 'cloud.limit-exceeded':
    case 'cloud.rejected':
      return true
  }
}
