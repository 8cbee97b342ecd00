import type { Decision } from '#shared/pure/step.ts'
import type { AlarmEffect, AlarmWrite } from './alarm/alarm-effect.ts'
import type { AlarmDeed } from './alarm/alarm-scene.ts'
import type { ImageDeedName } from './images/image-scene.ts'
import type { WrittenOverride } from './oracle.ts'
import type { HookDeed } from './redeploy/hook-scene.ts'

/** A step of a plan, as far as anybody can check it later. */
export interface PlannedStep {
  readonly key: string
  readonly target: string
  readonly before: string
  readonly after: string
  readonly code: string
  readonly verdict: string
  /** Of images: the tags that it is about. */
  readonly tags?: readonly PlannedTag[] | undefined
}

/** A tag of a step, with what the plan believed of it. */
export interface PlannedTag {
  readonly name: string
  readonly contentId: string
  /** As the registry tells it, to the second; undefined where that does not matter. */
  readonly pushedMs?: number | undefined
}

/** What a plan changes, told without the product's own digest: each change with its key, target and end. */
export function changesOf(steps: readonly PlannedStep[]): readonly string[] {
  return steps
    .filter(({ verdict }) => verdict === 'change')
    .map(({ key, target, after }) => `${key} ${target} ${after}`)
    .toSorted()
}

/** Who did something: a process, and the run it was at. */
export interface Doer {
  readonly process: string
  /** Empty outside of runs. */
  readonly owner: string
}

/** A writing call that the kernel let through, as the function made it. The client may send it several times. */
export interface WriteCall extends Doer {
  readonly id: number
  readonly method: string
  readonly path: string
  readonly body: string
  /** Key of the step it belongs to. */
  readonly key: string
  /** What the process's clock said, and how much time its platform had left for it. */
  readonly processNow: number
  readonly remainingMs: number
}

/** How a request on the wire looked to the process that sent it. `ambiguous`: it may have been carried out. */
export type WireOutcome = 'answered' | 'refused' | 'not-sent' | 'ambiguous'

/** A change that the platform carried out for the product. */
export interface Effect extends Doer {
  readonly callId: number
  readonly wireId: number
  readonly requestId: string
  readonly key: string
  readonly target: string
  /** Of the object; empty for one that this effect made. */
  readonly uid: string
  /** Sizes as plans write them. */
  readonly before: string
  readonly after: string
  /** The rule or the override that it is for. */
  readonly by: string
  /** Instant that the rule fired for. */
  readonly nominalMs: number
  /** Whether somebody had opted the object out, or was deleting it, right before. */
  readonly wasOptedOut: boolean
  readonly wasDeleting: boolean
  /** Of the cron-scaler: paths of what it changed that is none of its business. */
  readonly strays?: readonly string[] | undefined
  /** Of images: what was removed or brought back. */
  readonly images?: ImageEffect | undefined
  /** Of the redeploy-hook: what a write did to a workload. */
  readonly hook?: HookEffect | undefined
  /** Of the alarm-scaler: what a write did to a pool. */
  readonly alarm?: AlarmEffect | undefined
}

/** What one write of the redeploy-hook did to a workload: its one container's image, and what is on record of it. */
export interface HookEffect {
  readonly kind: 'set' | 'rollback' | 'settle' | 'approve'
  /** Index of the workload. */
  readonly workload: number
  readonly imageBefore: string
  /** Of a Job, what its copy runs. */
  readonly imageAfter: string
  readonly recordKey: string | undefined
  readonly recordImage: string | undefined
  /** What had been set before, by the record. */
  readonly setBefore: string | undefined
  readonly contentBefore: string | undefined
  readonly content: string | undefined
  readonly state: string | undefined
  readonly stateBefore: string | undefined
  readonly atBeforeMs: number
  /** The tag that was acted on. */
  readonly tag: string | undefined
  /** Contents that failed, by the record. */
  readonly bad: readonly string[]
  readonly approved: string | undefined
  /** Paths of what it changed that is none of its business. */
  readonly strays: readonly string[]
  readonly isRecorded: boolean
  /** Whether all that should run ran what is on record, right then. */
  readonly isComplete: boolean
  readonly shownBefore: string
  readonly shownAfter: string
}

/** A tag as it really is. */
export interface ImageTag {
  readonly name: string
  readonly digest: string
  readonly pushedMs: number
}

/** What a write did to the registry. */
export interface ImageEffect {
  /** Tags removed, copies removed whose time was over, or a tag brought back. */
  readonly kind: 'remove' | 'purge' | 'restore'
  readonly repository: string
  /** The tags it was about: as they were before they went, or as they are since they are back. */
  readonly removed: readonly ImageTag[]
  /** All tags of the repository right before. */
  readonly before: readonly ImageTag[]
  /** Names of those of which there was no copy in the quarantine right before. */
  readonly uncopied: readonly string[]
}

/** Anything that happened. */
export type Happening = { readonly at: number } & (
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'process'; readonly process: string; readonly text: string }
  | {
      readonly kind: 'run-began'
      readonly doer: Doer
      readonly runId: string
      readonly scheduledAt: number
      readonly processNow: number
      readonly remainingMs: number
      /** Which of the configurations it goes by, counted from 0. */
      readonly version: number
      /** The changes of the only plan that may be carried out; undefined when any may. */
      readonly approved: readonly string[] | undefined
    }
  | { readonly kind: 'planned'; readonly doer: Doer; readonly now: number; readonly steps: readonly PlannedStep[] }
  | { readonly kind: 'run-ended'; readonly doer: Doer; readonly decisions: readonly Decision[]; readonly failure: string | undefined }
  | { readonly kind: 'run-threw'; readonly doer: Doer; readonly text: string }
  | { readonly kind: 'write-began'; readonly call: WriteCall }
  | { readonly kind: 'write-ended'; readonly call: WriteCall; readonly outcome: string }
  | { readonly kind: 'sent'; readonly doer: Doer; readonly wireId: number; readonly callId: number; readonly text: string }
  | { readonly kind: 'came'; readonly wireId: number; readonly text: string }
  | {
      readonly kind: 'answered'
      readonly doer: Doer
      readonly wireId: number
      readonly callId: number
      readonly outcome: WireOutcome
      readonly text: string
    }
  | { readonly kind: 'read'; readonly doer: Doer; readonly path: string; readonly cluster?: string | undefined }
  /** A list that was read for the image-cleaner: of a cluster, or the tags of a repository. */
  | {
      readonly kind: 'looked'
      readonly doer: Doer
      /** When it was sent, and when the platform said what it says. */
      readonly sentAt: number
      readonly saidAt: number
      readonly list: 'cluster' | 'tags'
      /** The repository, or the cluster and what was listed: `cls-1 apps/deployments`. */
      readonly of: string
      /** Whether it asked for all, and the answer was whole and true. */
      readonly isTrue: boolean
      readonly isAll: boolean
    }
  | {
      readonly kind: 'image-deed'
      readonly deed: ImageDeedName
      readonly repository: string | undefined
      readonly tag: string | undefined
      readonly text: string
    }
  | { readonly kind: 'edited'; readonly version: number }
  /** What somebody did to a workload of the redeploy-hook. */
  | {
      readonly kind: 'hook-deed'
      readonly target: string
      readonly deed: HookDeed
      readonly text: string
      readonly isChanged: boolean
      /** The image and the object that are there since. */
      readonly image: string | undefined
      readonly uid: string | undefined
    }
  /** Somebody agrees to a content; `isTaken` once they were told that this has been taken in. */
  | {
      readonly kind: 'hook-approved'
      readonly target: string
      readonly uid: string
      readonly content: string
      readonly isTaken: boolean
    }
  /** A webhook was answered; undefined when no answer came. */
  | {
      readonly kind: 'hook-answered'
      readonly doer: Doer
      readonly what: string
      readonly status: number | undefined
      readonly ids: readonly string[]
    }
  /** A write of the alarm-scaler that goes with what a step brings about. */
  | {
      readonly kind: 'alarm-write'
      readonly doer: Doer
      readonly key: string
      readonly wireId: number
      readonly callId: number
      readonly write: AlarmWrite
    }
  /** What somebody did to a pool. `node`: the node that it was about. */
  | { readonly kind: 'alarm-deed'; readonly pool: string; readonly deed: AlarmDeed; readonly text: string; readonly node?: string }
  | { readonly kind: 'effect'; readonly effect: Effect }
  | {
      readonly kind: 'stored'
      readonly doer: Doer
      readonly processNow: number
      readonly partition: string
      readonly sort: string
      readonly version: number
      /** As the store keeps it; empty when it was deleted. */
      readonly data: string
    }
  | { readonly kind: 'store-failed'; readonly doer: Doer; readonly text: string }
  /** When the answer came; `saidAt` is when it was read. */
  | { readonly kind: 'switch-read'; readonly doer: Doer; readonly saidAt: number; readonly says: string }
  | { readonly kind: 'switch-set'; readonly to: 'run' | 'stop' | 'gone' }
  | {
      readonly kind: 'person'
      readonly target: string
      readonly what: PersonDeed
      readonly text: string
      readonly written?: WrittenOverride | undefined
    }
)

/** What people do to targets. `doom`: somebody deletes it, and something else keeps it from being gone. */
export type PersonDeed = 'scale' | 'opt-out' | 'opt-in' | 'hold' | 'override' | 'override-off' | 'doom' | 'delete' | 'recreate' | 'forget'

export type HappeningOf<Kind extends Happening['kind']> = Extract<Happening, { readonly kind: Kind }>

/** Everything that happened, in its order. Its text is the trace: the same seed gives the same text. */
export class History {
  readonly all: Happening[] = []
  readonly #startMs: number

  constructor(startMs: number) {
    this.#startMs = startMs
  }

  add(happening: Happening): void {
    this.all.push(happening)
  }

  of<Kind extends Happening['kind']>(kind: Kind): HappeningOf<Kind>[] {
    return this.all.filter((happening): happening is HappeningOf<Kind> => happening.kind === kind)
  }

  line(happening: Happening): string {
    return `${clock(happening.at - this.#startMs)} ${textOf(happening)}`
  }

  text(): string {
    return this.all.map((happening) => `${this.line(happening)}\n`).join('')
  }

  /** The lines about one matter: those that hold any of these words, the last `most` of them. */
  about(words: readonly string[], most: number): string[] {
    const lines = this.all.map((happening) => this.line(happening)).filter((line) => words.some((word) => line.includes(word)))
    return lines.slice(-most)
  }
}

/** `1:02:03.004` since the beginning. */
export function clock(ms: number): string {
  const sign = ms < 0 ? '-' : ''
  const left = Math.abs(ms)
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  return `${sign}${Math.floor(left / 3_600_000)}:${two((left / 60_000) % 60)}:${two((left / 1000) % 60)}.${String(left % 1000).padStart(3, '0')}`
}

function textOf(happening: Happening): string {
  switch (happening.kind) {
    case 'note':
      return happening.text
    case 'process':
      return `${happening.process} ${happening.text}`
    case 'run-began':
      return `${happening.doer.owner} begins ${happening.runId}, its clock says ${iso(happening.processNow)}, ${happening.remainingMs} ms left${happening.approved === undefined ? '' : `, for a plan of ${happening.approved.length} changes only`}`
    case 'planned':
      return `${happening.doer.owner} plans ${happening.steps.map(({ target, before, after, code, key, verdict }) => `${verdict} (${code}) ${target} ${before} -> ${after} [${short(key)}]`).join('; ') || 'nothing'}`
    case 'run-ended':
      return `${happening.doer.owner} ends: ${happening.failure ?? (happening.decisions.map(({ outcome, reason, target, key }) => `${outcome} (${reason.code}) ${target} [${short(key)}]`).join('; ') || 'nothing')}`
    case 'run-threw':
      return `${happening.doer.owner} throws ${happening.text}`
    case 'write-began': {
      const { call } = happening
      return `${call.owner} writes #${call.id} ${call.method} ${call.path} ${call.body} [${short(call.key)}]`
    }
    case 'write-ended':
      return `${happening.call.owner} has written #${happening.call.id}: ${happening.outcome} [${short(happening.call.key)}]`
    case 'sent':
      return `${happening.doer.owner || happening.doer.process} sends @${happening.wireId} ${happening.text}`
    case 'came':
      return `platform gets @${happening.wireId}: ${happening.text}`
    case 'answered':
      return `${happening.doer.owner || happening.doer.process} gets @${happening.wireId}: ${happening.outcome} ${happening.text}`
    case 'read':
      return `${happening.doer.owner || happening.doer.process} has read ${happening.path}`
    case 'effect': {
      const { effect } = happening
      if (effect.images !== undefined) {
        const names = effect.images.removed.map(({ name, digest }) => `${name} (${digest.slice(7, 13)})`).join(', ')
        return `EFFECT ${effect.images.kind} ${effect.target} ${names} by ${effect.owner} @${effect.wireId} [${short(effect.key)}]`
      }
      if (effect.alarm !== undefined) {
        const { kind, nodes, ids, mechanism } = effect.alarm
        return `EFFECT ${kind} ${effect.target} ${effect.after} (${nodes} nodes${mechanism === '' ? '' : ` by ${mechanism}`}: ${ids.join(', ')}) by ${effect.owner} @${effect.wireId} [${short(effect.key)}]`
      }
      return `EFFECT ${effect.target} ${effect.before} -> ${effect.after} for ${iso(effect.nominalMs)}${effect.by === '' ? '' : ` (${effect.by})`} by ${effect.owner} @${effect.wireId} [${short(effect.key)}]`
    }
    case 'looked':
      return `${happening.doer.owner || happening.doer.process} has listed ${happening.of}${happening.isTrue ? '' : ', and was not told the truth'}`
    case 'image-deed':
      return `PERSON ${happening.text}`
    case 'hook-deed':
      return `PERSON ${happening.text}`
    case 'alarm-deed':
      return `PERSON ${happening.text}`
    case 'alarm-write': {
      const { what, node, lease, change } = happening.write
      return `${happening.doer.owner} has done ${what} ${node} for ${change} of ${lease} @${happening.wireId} [${short(happening.key)}]`
    }
    case 'hook-approved':
      return `PERSON ${happening.isTaken ? 'is told that it has been taken in to agree' : 'agrees'} to ${happening.content.slice(0, 19)} for ${happening.target}`
    case 'hook-answered':
      return `${happening.doer.process} answers ${happening.status ?? 'nothing'} to ${happening.what}`
    case 'edited':
      return `PERSON edits the configuration, which is version ${happening.version} now`
    case 'stored':
      return `${happening.doer.owner || happening.doer.process} stores ${happening.partition} ${happening.sort} v${happening.version} ${happening.data}`
    case 'store-failed':
      return `${happening.doer.owner || happening.doer.process} store: ${happening.text}`
    case 'switch-read':
      return `${happening.doer.owner || happening.doer.process} knows that the switch said ${happening.says} at ${iso(happening.saidAt)}`
    case 'switch-set':
      return `SWITCH ${happening.to}`
    case 'person':
      return `PERSON ${happening.text}`
  }
}

/** A key as traces show it. */
export function short(key: string): string {
  return key.length <= 16 ? key : `${key.slice(key.indexOf(':') + 1).slice(0, 8)}`
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
