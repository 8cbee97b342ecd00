import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RedeployConfig } from '#functions/redeploy-hook/event.ts'
import type { RegistryTag } from '#functions/redeploy-hook/image.ts'
import { type Observed, plan } from '#functions/redeploy-hook/plan.ts'
import type { PushHint } from '#functions/redeploy-hook/push-hint.ts'
import { recordFor } from '#functions/redeploy-hook/record.ts'
import type { ReadWorkload, SeenWorkload } from '#functions/redeploy-hook/workload.ts'
import {
  afterPlan,
  complete,
  config,
  failed,
  host,
  minute,
  noon,
  progressing,
  repository,
  rule,
  tag,
  webRef,
  workload,
} from '../functions/redeploy-hook/small-world.ts'

const clusters = ['cls-1', 'cls-2', 'cls-3'] as const
const letters = ['a', 'b', 'c', 'd', 'e'] as const
const names = ['1.0.0', '1.1.0', '1.2.0', 'latest', 'stable'] as const

/** The registry keeps of each tag what was pushed last by its time, in whatever order pushes become visible. */
interface Push {
  readonly name: string
  readonly letter: string
  readonly minutes: number
}

type Action =
  | { readonly kind: 'push'; readonly index: number }
  /** The tag of that push goes, whatever it stands for by then. */
  | { readonly kind: 'remove'; readonly index: number }
  | { readonly kind: 'look'; readonly hints: readonly number[]; readonly blind: readonly number[]; readonly isRegistryDown: boolean }
  | { readonly kind: 'finish'; readonly cluster: number }

const pushes = fc.uniqueArray(
  fc.record({ name: fc.constantFrom(...names), letter: fc.constantFrom(...letters), minutes: fc.integer({ min: 1, max: 8 }) }),
  {
    minLength: 1,
    maxLength: 6,
    // Two pushes of one tag in the same second are one: nobody could say which of the two it stands for.
    selector: ({ name, minutes }) => `${name} ${minutes}`,
  },
)

const actions = (count: number): fc.Arbitrary<readonly Action[]> =>
  fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('push' as const), index: fc.nat({ max: count - 1 }) }),
      fc.record({
        kind: fc.constant('look' as const),
        hints: fc.array(fc.nat({ max: count - 1 }), { maxLength: 3 }),
        blind: fc.subarray([0, 1, 2]),
        isRegistryDown: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('finish' as const), cluster: fc.nat({ max: 2 }) }),
    ),
    { maxLength: 25 },
  )

// Rollouts end when a history says so, and none by its deadline: that is for tests of its own.
const target = { targets: [{ kind: 'Deployment', name: 'web' }], rollout: { deadline: '1000h' } }
const rings = clusters.map((cluster) => ({ name: cluster, clusters: [cluster], soak: '5m' }))
const configs: readonly {
  readonly name: string
  readonly settings: RedeployConfig
  readonly isSemver: boolean
  readonly counts: (name: string) => boolean
}[] = [
  { name: 'all', settings: config([rule(target)]), isSemver: false, counts: () => true },
  { name: 'pinned', settings: config([rule({ ...target, pin: 'digest' })]), isSemver: false, counts: () => true },
  {
    name: 'list',
    settings: config([rule({ ...target, tags: { list: ['0.0.1', 'latest', '1.1.0'] } })]),
    isSemver: false,
    counts: (name) => ['0.0.1', 'latest', '1.1.0'].includes(name),
  },
  { name: 'semver', settings: config([rule({ ...target, tags: { semver: '*' } })]), isSemver: true, counts: (name) => /^\d/.test(name) },
  { name: 'rings', settings: config([rule({ ...target, rings })]), isSemver: false, counts: () => true },
  {
    name: 'one at a time',
    settings: config([rule({ ...target, rollout: { deadline: '1000h', maxConcurrent: 1 } })]),
    isSemver: false,
    counts: () => true,
  },
]

const first = tag('0.0.1', '0', -100)

function begin(): Observed {
  const workloads = clusters.map((cluster) =>
    workload(`${host}/team/web:0.0.1`, { ref: { ...webRef, cluster }, uid: `uid-${cluster}`, podsSinceMs: noon - 50 * minute }),
  )
  return { scope: 'all', repositories: [repository([first])], workloads, holds: [], hints: [] }
}

function withPush(tags: readonly RegistryTag[], { name, letter, minutes }: Push): readonly RegistryTag[] {
  const next = tag(name, letter, minutes)
  const before = tags.find((one) => one.name === name)
  if (before !== undefined && (before.pushedMs ?? 0) >= (next.pushedMs ?? 0)) return tags
  return [...tags.filter((one) => one.name !== name), next]
}

/** Written apart from the rules: sorts everything, where they look for a maximum. */
function newest(tags: readonly RegistryTag[], { isSemver, counts }: (typeof configs)[number]): RegistryTag | undefined {
  const rank = (name: string): string => (/^\d/.test(name) ? `1 ${name}` : '0')
  const key = ({ name, pushedMs = 0 }: RegistryTag): string => {
    const time = String(pushedMs).padStart(16, '0')
    return isSemver ? `${rank(name)} ${time}` : `${time} ${rank(name)} ${name}`
  }
  return tags.filter(({ name }) => counts(name)).toSorted((left, right) => (key(left) < key(right) ? 1 : -1))[0]
}

function finished(one: SeenWorkload, bad: ReadonlySet<string>): SeenWorkload {
  if ('problem' in one || one.rollout.kind !== 'progressing') return one
  const content = recordFor(one.record, 'app').set?.content ?? ''
  return { ...one, rollout: bad.has(content) ? failed : complete }
}

function contentOf(one: SeenWorkload | undefined): string {
  if (one === undefined || 'problem' in one) return ''
  return recordFor(one.record, 'app').set?.content ?? first.contentId
}

interface Run {
  readonly contents: readonly string[]
  readonly tags: readonly RegistryTag[]
  /** Every new image that was written: place of the cluster, content. */
  readonly rolled: readonly (readonly [number, string])[]
}

/** Three clusters one after the other, each with a rollout, a way back and a soak time, take a third of it. */
const mostRounds = 60

/** Plays a history, then lets everything come to rest. Fails where a change goes back in time by itself. */
function play(all: readonly Push[], history: readonly Action[], settings: RedeployConfig, bad: ReadonlySet<string>): Run {
  let world = begin()
  let now = noon + 20 * minute
  const rolled: (readonly [number, string])[] = []
  const look = (hints: readonly PushHint[], blind: readonly number[], isRegistryDown: boolean): void => {
    const seen: Observed = {
      ...world,
      hints,
      repositories: isRegistryDown ? [{ name: 'team/web', tags: [], problem: 'no answer' }] : world.repositories,
      workloads: world.workloads.map((one, place) =>
        blind.includes(place) ? { ref: one.ref, problem: { code: 'cluster-unreadable', text: 'no answer' } } : one,
      ),
    }
    const after = afterPlan(seen, settings, now)
    for (const step of after.steps) {
      if (step.verdict !== 'change' || step.change.kind !== 'set-images') continue
      const place = clusters.findIndex((cluster) => step.target.startsWith(cluster))
      const { content, pushedMs = 0 } = step.change.containers[0] ?? { content: '' }
      const before = world.workloads[place] as ReadWorkload
      const mark = recordFor(before.record, 'app').mark
      if (settings.settings.rules[0]?.tags.semver === undefined)
        expect(pushedMs).toBeGreaterThanOrEqual(mark?.pushedMs ?? first.pushedMs ?? 0)
      expect(content).not.toBe(contentOf(before))
      rolled.push([place, content])
    }
    world = {
      ...world,
      workloads: world.workloads.map((one, place) => (blind.includes(place) ? one : (after.world.workloads[place] ?? one))),
    }
  }
  const push = (index: number): void => {
    const one = all[index]
    if (one !== undefined) world = { ...world, repositories: [repository(withPush(world.repositories[0]?.tags ?? [], one))] }
  }
  for (const action of history) {
    now += minute
    if (action.kind === 'push') push(action.index)
    else if (action.kind === 'remove') {
      const left = (world.repositories[0]?.tags ?? []).filter(({ name }) => name !== all[action.index]?.name)
      world = { ...world, repositories: [repository(left)] }
    } else if (action.kind === 'finish') {
      world = { ...world, workloads: world.workloads.map((one, place) => (place === action.cluster ? finished(one, bad) : one)) }
    } else {
      const hints = action.hints.flatMap((index) => hintOf(all[index]))
      look(hints, action.blind, action.isRegistryDown)
    }
  }
  if (history.every(({ kind }) => kind !== 'remove')) for (const index of all.keys()) push(index)
  // A soak time is over within two looks.
  for (let quiet = 0, rounds = 0; quiet < 4; rounds += 1) {
    if (rounds > mostRounds) throw new Error(`it did not come to rest within ${mostRounds} looks`)
    now += 3 * minute
    const before = world.workloads
    look([], [], false)
    quiet = before.every((one, place) => one === world.workloads[place] && ('problem' in one || one.rollout.kind === 'complete'))
      ? quiet + 1
      : 0
    world = { ...world, workloads: world.workloads.map((one) => finished(one, bad)) }
  }
  expect(plan(world, settings, now + minute).filter(({ verdict }) => verdict === 'change')).toEqual([])
  return { contents: world.workloads.map(contentOf), tags: world.repositories[0]?.tags ?? [], rolled }
}

function hintOf(push: Push | undefined): readonly PushHint[] {
  if (push === undefined) return []
  const { name, letter, minutes } = push
  return [
    { source: 'test', repository: 'team/web', tag: name, digest: tag(name, letter, minutes).contentId, pushedMs: noon + minutes * minute },
  ]
}

const scenario = fc
  .tuple(pushes, fc.constantFrom(...configs))
  .chain(([all, one]) =>
    fc.record({ all: fc.constant(all), one: fc.constant(one), histories: fc.tuple(actions(all.length), actions(all.length)) }),
  )

describe('the same pushes', () => {
  it('in every order and however often, with looks and lost looks in between, end in the same contents: the newest', () => {
    fc.assert(
      fc.property(scenario, ({ all, one, histories }) => {
        for (const history of histories) {
          const { contents, tags } = play(all, history, one.settings, new Set())
          const wanted = newest(tags, one)?.contentId
          expect(contents).toEqual(clusters.map(() => wanted))
        }
      }),
      { seed: 6, numRuns: 250 },
    )
  })

  it('with contents that fail never end in one of them, and still in the newest where that one is good', () => {
    fc.assert(
      fc.property(scenario, fc.uniqueArray(fc.constantFrom(...letters), { maxLength: 3 }), ({ all, one, histories }, failing) => {
        const bad = new Set(failing.map((letter) => tag('x', letter, 0).contentId))
        for (const history of histories) {
          const { contents, tags, rolled } = play(all, history, one.settings, bad)
          const wanted = newest(tags, one)?.contentId ?? ''
          for (const content of contents) expect(bad.has(content)).toBe(false)
          if (!bad.has(wanted)) expect(contents).toEqual(clusters.map(() => wanted))
          // What failed in a place is not tried there again, and with rings nowhere else.
          const lost = rolled.filter(([, content]) => bad.has(content)).map(([place, content]) => `${place} ${content}`)
          expect(lost.length).toBe(new Set(lost).size)
          if (one.name === 'rings') expect(lost.every((text) => text.startsWith('0 '))).toBe(true)
        }
      }),
      { seed: 7, numRuns: 250 },
    )
  })

  it('of which tags are removed never bring an older one back, and what is removed takes nothing with it', () => {
    fc.assert(
      fc.property(scenario, fc.infiniteStream(fc.boolean()), ({ all, one, histories: [history] }, isRemoved) => {
        const removing = history.map((action) =>
          action.kind === 'push' && isRemoved.next().value === true ? ({ kind: 'remove', index: action.index } as const) : action,
        )
        // `play` refuses every change that goes back behind what was acted on.
        const { rolled } = play(all, [{ kind: 'remove', index: all.length }, ...removing], one.settings, new Set())
        for (const [place] of clusters.entries()) {
          const contents = rolled.flatMap(([at, content]) => (at === place ? [content] : []))
          expect(contents.every((content, index) => content !== contents[index - 1])).toBe(true)
        }
      }),
      { seed: 11, numRuns: 250 },
    )
  })

  it('told of in another order, more often, or not at all, make the same changes at every look', () => {
    fc.assert(
      fc.property(
        scenario,
        fc.uniqueArray(fc.constantFrom(...letters), { maxLength: 2 }),
        ({ all, one, histories: [history] }, failing) => {
          const bad = new Set(failing.map((letter) => tag('x', letter, 0).contentId))
          const silent = history.map((action) => (action.kind === 'look' ? { ...action, hints: [] } : action))
          const loud = history.map((action) =>
            action.kind === 'look' ? { ...action, hints: [...all.keys(), ...all.keys()].toReversed() } : action,
          )
          const told = play(all, history, one.settings, bad)
          expect(play(all, silent, one.settings, bad)).toEqual(told)
          expect(play(all, loud, one.settings, bad)).toEqual(told)
        },
      ),
      { seed: 8, numRuns: 120 },
    )
  })
})

describe('a plan', () => {
  const world = fc.record({
    tags: pushes.map((all) => all.reduce<readonly RegistryTag[]>(withPush, [first])),
    one: fc.constantFrom(...configs),
  })
  const state = fc.array(fc.constantFrom('fresh', 'rolling', 'lost', 'done', 'out', 'unread'), { minLength: 3, maxLength: 3 })

  it('says the same whatever the order of rules, workloads, tags and hints', () => {
    fc.assert(
      fc.property(world, state, fc.integer(), ({ tags, one }, states, seed) => {
        const other = rule({ name: 'api', repository: 'team/api', targets: [{ kind: 'Deployment', name: 'api' }] })
        const [own] = one.settings.settings.rules
        const [more] = config([other]).settings.rules
        if (own === undefined || more === undefined) throw new Error('there is no rule')
        const rules = [own, more]
        const seen = inStates(tags, states, one.settings)
        const hints = tags.flatMap(({ name }) => [{ source: 'a', repository: 'team/web', tag: name }])
        const withRules = (list: typeof rules): RedeployConfig => ({ ...one.settings, settings: { ...one.settings.settings, rules: list } })
        const expected = plan({ ...seen, hints }, withRules(rules), noon + 30 * minute)
        const turn = <T>(list: readonly T[]): readonly T[] => {
          const at = Math.abs(seed) % Math.max(1, list.length)
          return seed % 2 === 0 ? [...list.slice(at), ...list.slice(0, at)] : list.toReversed()
        }
        const turned = {
          ...seen,
          hints: turn(hints),
          workloads: turn(seen.workloads),
          repositories: turn(seen.repositories.map((read) => ({ ...read, tags: turn(read.tags) }))),
        }
        expect(plan(turned, withRules([...turn(rules)]), noon + 30 * minute)).toEqual(expected)
      }),
      { seed: 9, numRuns: 300 },
    )
  })

  it('of what a plan has made changes nothing more', () => {
    fc.assert(
      fc.property(world, state, ({ tags, one }, states) => {
        const seen = inStates(tags, states, one.settings)
        const now = noon + 30 * minute
        const after = afterPlan(seen, one.settings, now)
        const changed = new Map(
          after.steps.flatMap((step) => (step.verdict === 'change' ? [[step.target, step.change.kind] as const] : [])),
        )
        // What has come to its end may get the next one; what was just begun or put back is left alone.
        for (const step of plan(after.world, one.settings, now + 1)) {
          if (step.verdict === 'change' && changed.has(step.target)) expect(changed.get(step.target)).toBe('settle-record')
        }
      }),
      { seed: 10, numRuns: 300 },
    )
  })
})

/** Workloads as earlier plans may have left them. */
function inStates(tags: readonly RegistryTag[], states: readonly string[], settings: RedeployConfig): Observed {
  const begun = afterPlan(
    { ...begin(), repositories: [repository([first, tag('0.9.0', '9', 0), tag('latest', '9', 0)])] },
    settings,
    noon,
  ).world
  const workloads = begin().workloads.map((fresh, place): SeenWorkload => {
    const one = begun.workloads[place] as ReadWorkload
    switch (states[place]) {
      case 'fresh':
        return fresh
      case 'rolling':
        return { ...one, rollout: progressing }
      case 'lost':
        return { ...one, rollout: failed }
      case 'done':
        return { ...one, rollout: complete }
      case 'out':
        return { ...one, optOut: true }
      default:
        return { ref: one.ref, problem: { code: 'workload-unreadable', text: 'no answer' } }
    }
  })
  return { scope: 'all', repositories: [repository(tags)], workloads, holds: [], hints: [] }
}
