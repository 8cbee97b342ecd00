import type { CheckName } from '../check/checks.ts'
import { type EffectFacts, Facts, type RunFacts, type Violation } from '../check/facts.ts'
import type { HappeningOf, HookEffect } from '../history.ts'
import type { HookScene, SimHookRule, SimHookWorkload } from './hook-scene.ts'
import type { SimulatedHook } from './hook-simulation.ts'
import type { HookWorld, TagSpan } from './hook-world.ts'

/** An effect of the redeploy-hook with what belongs to it. */
export interface HookStep extends EffectFacts {
  readonly hook: HookEffect
  readonly workload: SimHookWorkload
  readonly rule: SimHookRule
  readonly run: RunFacts | undefined
  /** When its run began and when it had planned; when it was written, where that is not known. */
  readonly beganMs: number
  readonly plannedMs: number
}

/** A history of the redeploy-hook, put in order. */
export class HookFacts extends Facts {
  readonly world: HookWorld
  readonly scene: HookScene
  readonly steps: readonly HookStep[]
  readonly hookDeeds: readonly (readonly [place: number, HappeningOf<'hook-deed'>])[]
  readonly agreed: readonly (readonly [place: number, HappeningOf<'hook-approved'>])[]

  constructor(simulated: SimulatedHook) {
    super(simulated)
    this.world = simulated.world
    this.scene = simulated.scene
    this.hookDeeds = this.of('hook-deed')
    this.agreed = this.of('hook-approved')
    this.steps = this.effects.flatMap((effect) => this.#stepOf(effect))
  }

  #stepOf(effect: EffectFacts): readonly HookStep[] {
    const { hook } = effect.effect
    const workload = this.scene.workloads[hook?.workload ?? -1]
    const rule = this.scene.rules[workload?.rule ?? -1]
    if (hook === undefined || workload === undefined || rule === undefined) return []
    const run = this.runs.get(effect.effect.owner)
    const atOf = (place: number | undefined): number => this.all[place ?? effect.place]?.at ?? effect.at
    const plannedMs = run !== undefined && Number.isFinite(run.planPlace) ? atOf(run.planPlace) : effect.at
    return [{ ...effect, hook, workload, rule, run, beganMs: atOf(run?.place), plannedMs }]
  }

  /** What a rule could have wanted of the registry at any instant between two. */
  newestBetween(rule: SimHookRule, fromMs: number, untilMs: number): readonly TagSpan[] {
    const instants = this.world.spans.flatMap((span) => [span.atMs, span.untilMs]).filter((ms) => ms > fromMs && ms <= untilMs)
    const found = [fromMs, ...instants].flatMap((ms) => this.world.newestAt(rule, ms) ?? [])
    return [...new Set(found)]
  }

  /** Whether somebody did anything to a workload from one place on. */
  isTouched(target: string, fromPlace: number, untilPlace: number): boolean {
    return this.hookDeeds.some(([place, deed]) => deed.target === target && place > fromPlace && place < untilPlace)
  }

  /** Its effects on one object, oldest first. */
  stepsOn(target: string, uid: string): readonly HookStep[] {
    return this.steps.filter(({ effect }) => effect.target === target && effect.uid === uid)
  }
}

export function problem(check: CheckName, text: string, about: readonly string[]): Violation {
  return { check, text, about }
}

/** Which ring a workload belongs to. */
export function ringOf({ rings }: SimHookRule, { cluster }: SimHookWorkload): number {
  return Math.max(
    0,
    rings.findIndex((clusters) => clusters.includes(cluster)),
  )
}
