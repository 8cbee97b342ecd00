import * as z from 'zod/mini'
import { isPlain, JsonError, membersOf } from '#cloud/json.ts'
import { matchesGlob, parseGlob } from '#shared/pure/glob.ts'
import type { StepFacts, Verdict } from '#shared/pure/step.ts'
import { canonicalJson, contentDigest, plainCopy, sealMethod, sealOf } from './canonical-json.ts'
import { allItems, type Store } from './store.ts'

/** A step as the document keeps it: plain JSON, secrets taken out. */
export interface PlanStep extends StepFacts {
  readonly verdict: Verdict
  /** The end state, for a `change`. */
  readonly change?: unknown
  readonly undo?: unknown
  /** A secret was taken out of it: what it would do cannot be told from the document, so it cannot be approved. */
  readonly redacted?: true | undefined
}

/**
 * A plan as it was shown to a person. Its `digest` names what would be changed, and is what a person approves; its `seal`
 * covers everything in it. Times are epoch milliseconds.
 */
export interface PlanDocument {
  readonly format: 1
  readonly function: string
  readonly createdAt: number
  readonly configHash: string
  readonly observedHash: string
  readonly digest: string
  readonly steps: readonly PlanStep[]
  readonly seal: string
}

export type PlanErrorKind = 'plan.unknown' | 'plan.ambiguous' | 'plan.tampered' | 'plan.other-digest' | 'plan.corrupt' | 'plan.invalid'

/**
 * A plan cannot be used. Nothing was written.
 *
 * - `plan.unknown` there is no such plan (any more)
 * - `plan.ambiguous` several plans begin with this digest
 * - `plan.tampered` the document does not fit its seal, or was sealed with another key
 * - `plan.other-digest` its steps are not those of its digest
 * - `plan.corrupt` what lies there is no plan, or parts of it are missing
 * - `plan.invalid` a plan or a digest is not allowed; a mistake of the caller
 */
export class PlanError extends Error {
  override readonly name = 'PlanError'
  readonly kind: PlanErrorKind

  constructor(kind: PlanErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

export interface PlanInputs {
  readonly function: string
  readonly createdAt: number
  /** Digest of the configuration the plan was made with: `contentDigest(config)`. */
  readonly configHash: string
  /** Digest of what was observed. */
  readonly observedHash: string
  readonly steps: readonly StepLike[]
}

/** A step as a function's plan makes it. */
export type StepLike = StepFacts & { readonly verdict: Verdict; readonly change?: unknown; readonly undo?: unknown }

export interface SealOptions {
  /** Takes secrets out of texts; leaves them as they are when absent. */
  readonly redact?: ((text: string) => string) | undefined
  /** Secret of the seal. Without one, whoever may write to the store can also seal what they have changed. */
  readonly key?: string | undefined
}

/** How long a plan can be applied: a week. */
export const planLifetimeMs = 7 * 86_400_000

/** Makes the document of a plan. The same steps in any order have the same digest. Throws PlanError of kind `plan.invalid`. */
export function createPlanDocument(inputs: PlanInputs, { redact = (text) => text, key }: SealOptions = {}): PlanDocument {
  const { function: name, createdAt, configHash, observedHash } = inputs
  const steps = inputs.steps.map((step) => plainStep(step, redact))
  const unsealed = { format: 1 as const, function: name, createdAt, configHash, observedHash, digest: digestOf(steps), steps }
  return { ...unsealed, seal: sealOf(unsealed, key) }
}

/**
 * Names what a plan would change: key, target, the texts before and after, and the whole change of every change step, in no
 * particular order. Reasons are left out, and so are steps that change nothing. Steps must be as a document keeps them.
 */
export function digestOf(steps: readonly PlanStep[]): string {
  return contentDigest(
    steps
      .filter(({ verdict }) => verdict === 'change')
      .map(identityOf)
      .sort(),
  )
}

/** One step's share of the digest: two steps have the same exactly when they do the same. */
function identityOf({ key, target, before, after, change, undo }: PlanStep): string {
  return canonicalJson({ key, target, before, after, change, undo })
}

function plainStep(step: StepLike, redact: (text: string) => string): PlanStep {
  const { key, target, before, after, reason, verdict } = step
  const copy = { key, target, before, after, change: plainOrNothing(step, step.change), undo: plainOrNothing(step, step.undo) }
  const clean = {
    key: redact(key),
    target: redact(target),
    before: redact(before),
    after: redact(after),
    change: redactedCopy(copy.change, redact),
    undo: redactedCopy(copy.undo, redact),
  }
  const kept = { ...clean, verdict, reason: { code: reason.code, text: redact(reason.text) } }
  return canonicalJson(clean) === canonicalJson(copy) ? kept : { ...kept, redacted: true }
}

function plainOrNothing({ target }: StepFacts, value: unknown): unknown {
  if (value === undefined) return undefined
  try {
    return plainCopy(value)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new PlanError('plan.invalid', `Plan: the step about ${target} cannot be kept: ${error.message}. Let changes be plain JSON.`)
  }
}

/** The value with every text in it redacted, names of members included. */
function redactedCopy(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value)
  if (Array.isArray(value)) return value.map((element) => redactedCopy(element, redact))
  if (!isPlain(value)) return value
  return Object.fromEntries(membersOf(value).map(([name, member]) => [redact(name), redactedCopy(member, redact)]))
}

/** Throws PlanError unless the document is as it was made: `plan.tampered` or `plan.other-digest`. */
export function verifyPlan(document: PlanDocument, { key }: Pick<SealOptions, 'key'> = {}): void {
  const { seal, ...unsealed } = document
  const name = `the plan ${document.digest.slice(0, 12)} of ${document.function}`
  if (sealOf(unsealed, key) !== seal) {
    const isOtherMethod = (sealMethod(seal) === 'hmac-sha256') !== (key !== undefined)
    const why = isOtherMethod
      ? `was sealed ${key === undefined ? 'with a key, which was not given' : 'without the key'}`
      : 'was changed after it was made, or sealed with another key'
    throw new PlanError('plan.tampered', `Plan: ${name} ${why}. Nothing was applied. Make a new plan and review it.`)
  }
  if (digestOf(document.steps) !== document.digest) {
    throw new PlanError(
      'plan.other-digest',
      `Plan: ${name} does not have the steps that its digest stands for. Nothing was applied. Make a new plan and review it.`,
    )
  }
}

export interface PlanSelection {
  /** Keys of steps. */
  readonly keys?: readonly string[] | undefined
  /** Globs over targets. */
  readonly targets?: readonly string[] | undefined
}

/**
 * The steps that a selection names, by key or by target, in their order; all of them when it names nothing at all. Throws
 * PlanError of kind `plan.invalid` for a key or a glob that fits no step: a misspelt one must not look like nothing to do.
 */
export function selectSteps<S extends StepFacts>(steps: readonly S[], { keys = [], targets = [] }: PlanSelection): readonly S[] {
  if (keys.length === 0 && targets.length === 0) return steps
  const wanted = new Set<S>()
  const take = (what: string, fits: (step: S) => boolean): void => {
    const found = steps.filter(fits)
    if (found.length === 0)
      throw new PlanError('plan.invalid', `Plan: no step of it has ${what}. Nothing was applied. Look at the plan for what there is.`)
    for (const step of found) wanted.add(step)
  }
  for (const key of keys) take(`the key "${key}"`, (step) => step.key === key)
  for (const pattern of targets) {
    const glob = parseGlob(pattern)
    if (!glob.ok) throw new PlanError('plan.invalid', `Plan: ${glob.error}.`)
    take(`a target like "${pattern}"`, (step) => matchesGlob(glob.value, step.target))
  }
  return steps.filter((step) => wanted.has(step))
}

/** A reviewed plan beside what would be done now. */
export interface MatchedPlan<S> {
  /** Steps of now that are exactly steps of the document: these may be carried out. */
  readonly approved: readonly S[]
  /** Changes of now that nobody has reviewed as they are. */
  readonly unreviewed: readonly S[]
  /** Changes of the document that would not be made as they are any more. */
  readonly gone: readonly PlanStep[]
}

/**
 * Compares a document with the steps that the function plans now, so that only what was reviewed is carried out, and only
 * where the world still is as it was then. A step that a secret was taken out of is never approved.
 */
export function matchPlan<S extends StepLike>(
  document: PlanDocument,
  steps: readonly S[],
  { redact = (text) => text }: SealOptions = {},
): MatchedPlan<S> {
  const reviewed = new Map(
    document.steps
      .filter(({ verdict, redacted }) => verdict === 'change' && redacted === undefined)
      .map((step) => [identityOf(step), step]),
  )
  const approved: S[] = []
  const unreviewed: S[] = []
  const found = new Set<string>()
  for (const step of steps) {
    if (step.verdict !== 'change') continue
    const plain = plainStep(step, redact)
    const identity = identityOf(plain)
    if (plain.redacted === undefined && reviewed.has(identity)) {
      approved.push(step)
      found.add(identity)
    } else unreviewed.push(step)
  }
  const gone = document.steps.filter((step) => step.verdict === 'change' && !found.has(identityOf(step)))
  return { approved, unreviewed, gone }
}

const PlanStepData = z.strictObject({
  key: z.string(),
  target: z.string(),
  before: z.string(),
  after: z.string(),
  change: z.optional(z.unknown()),
  undo: z.optional(z.unknown()),
  verdict: z.enum(['change', 'no-change', 'skipped', 'missed', 'held', 'invalid']),
  reason: z.strictObject({ code: z.string(), text: z.string() }),
  redacted: z.optional(z.literal(true)),
})

/** What lies under a plan's digest; its steps lie beside it, in parts. */
const PlanHead = z.strictObject({
  format: z.literal(1),
  function: z.string(),
  createdAt: z.number(),
  configHash: z.string(),
  observedHash: z.string(),
  digest: z.string(),
  seal: z.string(),
  parts: z.int(),
})
type PlanHead = z.infer<typeof PlanHead>

const PlanPart = z.strictObject({ steps: z.array(PlanStepData) })

/** Well under what a store takes as one item. */
const maxPartLength = 128 * 1024

/**
 * Keeps a plan for a week from when it was made. Saving it again changes nothing; another document with the same digest (made
 * later) takes its place. Its head is written last, so a plan that is only half there is not there. Throws StoreError.
 */
export async function savePlan(store: Store, document: PlanDocument, { now }: { readonly now: number }): Promise<void> {
  const { steps, ...facts } = document
  const partition = partitionOf(document.function)
  const expiresAt = document.createdAt + planLifetimeMs
  const parts = partsOf(steps)
  for (const [index, part] of parts.entries()) {
    await store.put({ partition, sort: partSort(document, index) }, { steps: part }, { when: 'any', now, expiresAt })
  }
  await store.put({ partition, sort: `plan/${document.digest}` }, { ...facts, parts: parts.length } satisfies PlanHead, {
    when: 'any',
    now,
    expiresAt,
  })
}

/**
 * Finds a plan by its digest or the first eight or more digits of it, and checks it. Throws PlanError: `plan.unknown`, `plan.ambiguous`,
 * `plan.corrupt`, and what `verifyPlan` throws; and StoreError.
 */
export async function loadPlan(
  store: Store,
  functionName: string,
  digest: string,
  { now, key }: { readonly now: number; readonly key?: string | undefined },
): Promise<PlanDocument> {
  if (!/^[0-9a-f]{8,64}$/.test(digest)) {
    throw new PlanError(
      'plan.invalid',
      `Plan: "${digest.slice(0, 80)}" is no digest of a plan. Give its first 8 or more digits, as \`longshore plan\` prints them.`,
    )
  }
  const partition = partitionOf(functionName)
  const { items } = await store.query({ partition, prefix: `plan/${digest}`, now, limit: 2 })
  const [item] = items
  if (item === undefined) {
    throw new PlanError(
      'plan.unknown',
      `Plan: ${functionName} has no plan ${digest}. Plans are kept for a week; make a new one and review it.`,
    )
  }
  if (items.length > 1) {
    throw new PlanError('plan.ambiguous', `Plan: several plans of ${functionName} begin with ${digest}. Give more digits.`)
  }
  const head = z.safeParse(PlanHead, item.data)
  if (!head.success) throw corrupt(functionName, digest)
  const steps: PlanStep[] = []
  for (let index = 0; index < head.data.parts; index += 1) {
    const part = await store.get({ partition, sort: partSort(head.data, index) }, { now })
    const parsed = z.safeParse(PlanPart, part?.data)
    if (!parsed.success) throw corrupt(functionName, digest)
    steps.push(...parsed.data.steps)
  }
  const { parts: _, ...facts } = head.data
  const document: PlanDocument = { ...facts, steps }
  if (`plan/${document.digest}` !== item.sort || document.function !== functionName) throw corrupt(functionName, digest)
  verifyPlan(document, { key })
  return document
}

/** The plans that can still be applied, by their digests. Throws StoreError, and PlanError of kind `plan.corrupt`. */
export async function listPlans(
  store: Store,
  functionName: string,
  { now }: { readonly now: number },
): Promise<readonly Pick<PlanDocument, 'digest' | 'createdAt'>[]> {
  const plans: Pick<PlanDocument, 'digest' | 'createdAt'>[] = []
  for await (const item of allItems(store, { partition: partitionOf(functionName), prefix: 'plan/', now })) {
    const head = z.safeParse(PlanHead, item.data)
    if (!head.success) throw corrupt(functionName, item.sort.slice('plan/'.length))
    plans.push({ digest: head.data.digest, createdAt: head.data.createdAt })
  }
  return plans
}

function partitionOf(functionName: string): string {
  return `plans/${functionName}`
}

/** Parts belong to one document, not to a digest: two documents of one digest never mix. */
function partSort({ digest, seal }: Pick<PlanDocument, 'digest' | 'seal'>, index: number): string {
  return `steps/${digest}/${seal.slice(-32)}/${String(index).padStart(6, '0')}`
}

function partsOf(steps: readonly PlanStep[]): readonly (readonly PlanStep[])[] {
  const parts: PlanStep[][] = []
  let length = maxPartLength
  for (const step of steps) {
    const stepLength = Buffer.byteLength(canonicalJson(step))
    if (length + stepLength > maxPartLength) {
      parts.push([])
      length = 0
    }
    parts.at(-1)?.push(step)
    length += stepLength
  }
  return parts
}

function corrupt(functionName: string, digest: string): PlanError {
  return new PlanError(
    'plan.corrupt',
    `Plan: the plan ${digest.slice(0, 64)} of ${functionName} is damaged. Nothing was applied. Make a new plan and review it.`,
  )
}
