import type { CloudReader } from '#cloud/cloud.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { Reason } from '#shared/pure/step.ts'
import type { ObserveAround } from '#shared/runtime/definition.ts'
import type { ObservedTag } from './image.ts'
import { observe } from './observe.ts'
import type { ObserveUsesConfig } from './observe-references.ts'
import { type ObservedClusters, type ObservedPart, plan } from './plan.ts'
import { decideRepository, type ImageStep, type ObservedImages } from './plan-repository.ts'
import { expiredTexts, usesOf } from './policy.ts'
import type { ImageReference } from './references.ts'

/** `going`: the next run removes it; `waiting`: nothing keeps it, and caps or a canary leave it for another day. */
export type Fate = 'kept' | 'going' | 'waiting'

/** A reason with the policy whose rule it is, where it is one's. */
export interface ReportReason extends Reason {
  readonly policy?: string | undefined
}

/** What becomes of tags that share content, and everything that says so. */
export interface ContentReport {
  /** Newest first. */
  readonly tags: readonly ObservedTag[]
  readonly fate: Fate
  /** Of what is kept everything that keeps it; of the rest why it goes, and why not now. */
  readonly reasons: readonly ReportReason[]
  /** Its place among the contents of the repository, newest first, from 1. */
  readonly place: number
  readonly pushedMs: number
  readonly sizeBytes: number
  /** Everything that asks for it, or did lately. */
  readonly uses: readonly ImageReference[]
}

export interface RepositoryReport {
  readonly repository: string
  /** The policies that speak about it. */
  readonly policies: readonly string[]
  /** Why nothing of it is removed, whatever its policies say. */
  readonly whole?: Reason | undefined
  /** Newest first. */
  readonly contents: readonly ContentReport[]
  /** Tags by what becomes of them. */
  readonly counts: Readonly<Record<Fate, number>>
}

export type ReportPart =
  | { readonly kind: 'clusters'; readonly clusters: ObservedClusters['clusters']; readonly all?: Reason | undefined }
  | { readonly kind: 'repository'; readonly report: RepositoryReport }
  /** Something could not be read, or is configured for nothing. */
  | { readonly kind: 'problem'; readonly target: string; readonly text: string }

/**
 * Says of everything in the registry what a run that began now would do with it, one repository after another, and does nothing.
 * Caps and canaries count over what was reported, so that with `only` some things go which in a whole run would wait. Throws as
 * observing does.
 */
export async function* reportImages(facts: {
  readonly cloud: CloudReader
  readonly config: ObserveUsesConfig
  readonly now: number
  readonly around: ObserveAround
  /** The repositories that are looked at; asked once about each that there is. */
  readonly only?: ((repository: string) => boolean) | undefined
}): AsyncGenerator<ReportPart, void, void> {
  const { cloud, config, now, around, only } = facts
  const parts = observe(cloud, config, now, { ...around, fresh: true }, only)
  try {
    for (let part = await parts.next(); part.done !== true; ) {
      const observed = part.value
      const report = reportOf(observed, config, now)
      if (report !== undefined) yield report
      const steps = plan(observed, config, now)
      part = await parts.next({ steps, decisions: steps.map(decisionOf), now })
    }
  } finally {
    await parts.return()
  }
}

function decisionOf(step: ImageStep) {
  const { key, target, before, after, reason, verdict } = step
  return { function: 'image-cleaner', key, target, before, after, reason, outcome: verdict === 'change' ? 'Planned' : 'NoChange' } as const
}

function reportOf(observed: ObservedPart, config: ObserveUsesConfig, now: number): ReportPart | undefined {
  switch (observed.kind) {
    case 'clusters':
      return { kind: 'clusters', clusters: observed.clusters, ...(observed.all === undefined ? {} : { all: observed.all }) }
    case 'repository':
      return { kind: 'repository', report: repositoryReport(observed, config, now) }
    case 'problem':
      return { kind: 'problem', target: observed.target, text: observed.text }
    case 'copies':
    case 'announcement':
    case 'server-policies':
    case 'idle':
      return undefined
  }
}

/** The verdicts over one repository, as a run would have them, with everything that asks for each content. Pure. */
export function repositoryReport(observed: ObservedImages, config: ObserveUsesConfig, now: number): RepositoryReport {
  const { verdict, going, notNow } = decideRepository(observed, config, now)
  const { repository, references } = observed
  const goesNow = new Set(going)
  const uses = usesOf(
    { repository, references, settings: config.settings },
    verdict.contents.map(({ content }) => content),
  )
  const counts = { kept: 0, going: 0, waiting: 0 }
  const active = config.settings.policies.filter(({ name, paused }) => !paused && verdict.policies.includes(name))
  const expiredText = expiredTexts(active, now)
  const contents = verdict.contents.map((one, place): ContentReport => {
    const { content, keeps } = one
    const fate = keeps.length > 0 ? 'kept' : goesNow.has(one) ? 'going' : 'waiting'
    counts[fate] += content.tags.length
    const waits = fate === 'waiting' && notNow !== undefined ? [notNow] : []
    const asking = (uses.byPlace.get(place) ?? []).filter(({ seenMs }) => now - seenMs <= config.settings.referenceMemory)
    return {
      tags: content.tags,
      fate,
      reasons: fate === 'kept' ? keeps : [{ code: 'expired', text: expiredText(content) }, ...waits],
      place: place + 1,
      pushedMs: content.pushedMs,
      sizeBytes: content.sizeBytes,
      uses: asking,
    }
  })
  const { whole, policies } = verdict
  return { repository: repository.name, policies, ...(whole === undefined ? {} : { whole }), contents, counts }
}

/** Bytes of contents, each counted once however many repositories have it. */
export interface RegistryBytes {
  /** Of contents that go wherever they are. Layers that they share with what stays are in it: a registry frees no more than this. */
  readonly going: number
  /** Of those that go in the end and wait somewhere. */
  readonly waiting: number
  readonly kept: number
}

const ranks: readonly Fate[] = ['kept', 'waiting', 'going']

/**
 * Counts the bytes of contents over a whole registry: a content that stays in one repository is not freed by its removal from
 * another. Of each content it keeps two numbers. Two contents are taken for one with a probability of 1 in 10,000 among a million.
 */
export class ByteCount {
  /** Size times three, and what becomes of it, by a part of its digest that fits into a number. */
  readonly #contents = new Map<number, number>()

  add({ contents }: Pick<RepositoryReport, 'contents'>): void {
    for (const { tags, fate } of contents) {
      for (const { contentId, sizeBytes } of tags) {
        const key = Number.parseInt(digestOf([contentId]).slice(0, 13), 16)
        const known = this.#contents.get(key)
        const rank = ranks.indexOf(fate)
        // What keeps it in one place keeps its bytes.
        if (known === undefined || rank < known % 3) this.#contents.set(key, sizeBytes * 3 + rank)
      }
    }
  }

  total(): RegistryBytes {
    const bytes = { kept: 0, waiting: 0, going: 0 }
    for (const value of this.#contents.values()) {
      const fate = ranks[value % 3]
      if (fate !== undefined) bytes[fate] += Math.floor(value / 3)
    }
    return bytes
  }
}
