import { type HappeningOf, type ImageEffect, type ImageTag, short } from '../history.ts'
import type { CleanerSettings, ImageScene } from '../images/image-scene.ts'
import type { ImageWatch, Use } from '../images/image-watch.ts'
import type { CheckName } from './checks.ts'
import type { EffectFacts, Facts, RunFacts, Violation } from './facts.ts'

export interface Look extends HappeningOf<'looked'> {
  readonly place: number
}

/** An effect on images with what its run went by. */
export interface ImageAct {
  readonly one: EffectFacts
  /** Without what went because somebody had moved a name since the tags were read last: nobody could see that. */
  readonly images: ImageEffect
  /** When the tags were read last before the call; undefined when they were not, since the plan. */
  readonly knownMs: number | undefined
  readonly run: RunFacts
  readonly settings: CleanerSettings
  /** Where it was planned, and where its call began. */
  readonly planPlace: number
  readonly beganPlace: number
  readonly beganMs: number
}

/** When a run had kept what a cluster uses, for later runs. */
export interface Remembering {
  readonly cluster: string
  readonly owner: string
  readonly place: number
}

/** What there is to know about images in a history. */
export class ImageFacts {
  readonly facts: Facts
  readonly scene: ImageScene
  readonly watch: ImageWatch
  readonly acts: readonly ImageAct[]
  readonly rememberings: readonly Remembering[]
  readonly #looks: ReadonlyMap<string, readonly Look[]>

  constructor(facts: Facts, scene: ImageScene, watch: ImageWatch) {
    this.facts = facts
    this.scene = scene
    this.watch = watch
    const looks = facts.of('looked').map(([place, look]): Look => ({ ...look, place }))
    this.#looks = Map.groupBy(looks, ({ doer }) => doer.owner)
    this.acts = facts.effects.flatMap((one) => this.#actOf(one))
    this.rememberings = facts.of('stored').flatMap(([place, { partition, sort, doer, data }]) => {
      const cluster = partition === 'memory/image-cleaner' && data !== '' ? /^cluster%2F(.+)$/.exec(sort)?.[1] : undefined
      return cluster === undefined ? [] : [{ cluster, owner: doer.owner, place }]
    })
  }

  #actOf(one: EffectFacts): readonly ImageAct[] {
    const { images, owner, key } = one.effect
    const run = this.facts.runs.get(owner)
    const settings = run === undefined ? undefined : this.scene.versions[run.version]
    const planPlace = run?.placeOfStep.get(key)
    if (images === undefined || run === undefined || settings === undefined || planPlace === undefined) return []
    const beganPlace = one.from?.place ?? one.place
    const reread = this.lookBefore(owner, 'tags', images.repository, beganPlace, false)
    const knownMs = reread === undefined || reread.place < planPlace ? undefined : reread.saidAt
    const planned = new Set(this.facts.stepOf(owner, key)?.tags?.map(({ name }) => name))
    const named = images.removed.filter(({ name }) => planned.has(name))
    const isMoved = ({ pushedMs }: ImageTag): boolean => images.kind !== 'restore' && knownMs !== undefined && pushedMs > knownMs
    const rightly = new Set(named.filter((tag) => !isMoved(tag)).map(({ digest }) => digest))
    const wrongly = new Set(named.filter(isMoved).map(({ digest }) => digest))
    const isSeen = (tag: ImageTag): boolean => planned.has(tag.name) || !isMoved(tag)
    const removed = images.removed.filter((tag) => isSeen(tag) && (rightly.has(tag.digest) || !wrongly.has(tag.digest)))
    if (removed.length === 0) return []
    return [{ one, images: { ...images, removed }, knownMs, run, settings, planPlace, beganPlace, beganMs: one.from?.at ?? one.at }]
  }

  /** The last time before a place in the history that a run asked for a list, or for a part of it where that will do. */
  lookBefore(owner: string, list: Look['list'], of: string, place: number, isAll = true): Look | undefined {
    return this.#looks.get(owner)?.findLast((look) => look.place < place && look.list === list && look.of === of && (look.isAll || !isAll))
  }

  /** The time of the last look at what a use is in, before a place in the history; when the run began if it never looked. */
  lookAtUse(owner: string, { cluster, resource }: Use, place: number): { readonly at: number; readonly isTrue: boolean } {
    const look = this.lookBefore(owner, 'cluster', `${cluster} ${resource}`, place)
    if (look !== undefined) return { at: look.saidAt, isTrue: look.isTrue }
    return { at: this.facts.all[this.facts.runs.get(owner)?.place ?? 0]?.at ?? 0, isTrue: false }
  }

  /** Whether a run that had looked, and had kept what it saw before another one began, has seen a use. */
  isRemembered(use: Use, run: RunFacts): Remembering | undefined {
    return this.rememberings.findLast(({ cluster, owner, place }) => {
      if (cluster !== use.cluster || place > run.place) return false
      const { at, isTrue } = this.lookAtUse(owner, use, place)
      return isTrue && use.fromMs <= at && use.untilMs > at
    })
  }
}

/** The time at which a use was seen by the run that remembered it. */
export function seenAt(images: ImageFacts, use: Use, { owner, place }: Remembering): number {
  return images.lookAtUse(owner, use, place).at
}

/** What is wrong with an effect on images. */
export function imageViolation(check: CheckName, { one: { effect }, images }: ImageAct, text: string): Violation {
  const names = images.removed.map(({ name }) => name).join(', ')
  return {
    check,
    text: `effect @${effect.wireId} [${short(effect.key)}] of ${effect.owner} removed ${images.repository}:${names}: ${text}`,
    about: [short(effect.key), effect.key, `PERSON`, `${images.repository}`],
  }
}
