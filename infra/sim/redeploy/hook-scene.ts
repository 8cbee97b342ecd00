import type { Chance } from '../chance.ts'

/** What is in a world beside machines and faults when the redeploy-hook lives in it: plain JSON. */
export interface HookScene {
  readonly repositories: readonly string[]
  /** Oldest first; those before the beginning are there at the beginning. No two within one second. */
  readonly pushes: readonly SimPush[]
  readonly removals: readonly { readonly atMs: number; readonly repository: string; readonly tag: string }[]
  readonly rules: readonly SimHookRule[]
  readonly workloads: readonly SimHookWorkload[]
  readonly sends: readonly SimSend[]
  readonly deeds: readonly SimHookDeed[]
  readonly pollMs: number | undefined
  readonly reconcileMs: number
  /** Chance that the message that wakes a worker is lost. */
  readonly lostNudges: number
  /**
   * Nobody does anything but push, nothing that is pushed is bad, and nobody has to agree: then nothing but what was pushed may matter for
   * the end.
   */
  readonly isPlain: boolean
}

export interface SimPush {
  readonly atMs: number
  readonly repository: string
  readonly tag: string
  /** Equal for equal bits. */
  readonly content: string
  /** No node can ever run it. */
  readonly isBad: boolean
}

/** Which tags count, in a form from which anybody can work out the newest. */
export type SimTags =
  | { readonly kind: 'versions'; readonly least: number }
  | { readonly kind: 'list'; readonly names: readonly string[] }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'all' }

export interface SimHookRule {
  readonly name: string
  readonly repository: string
  readonly tags: SimTags
  readonly pin: 'tag' | 'digest'
  readonly approval: boolean
  /** One cluster after the other, when there are rings. */
  readonly rings: readonly (readonly string[])[]
  readonly soakMs: number
  readonly deadlineMs: number
  readonly rollsAtOnce: number | undefined
  readonly clonesJobs: boolean
}

export const hookKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job'] as const
export type HookKind = (typeof hookKinds)[number]

export interface SimHookWorkload {
  readonly cluster: string
  readonly kind: HookKind
  readonly name: string
  readonly rule: number
  readonly replicas: number
  /** The image that it begins with. */
  readonly tag: string
}

/** One request to a webhook. */
export interface SimSend {
  readonly atMs: number
  readonly machine: number
  readonly repository: string
  readonly tag: string
  /** Of the push that it tells of: when it says that was, and of what. */
  readonly saysMs: number
  readonly saysContent: string
  /** The sender does not know the secret. */
  readonly isForged: boolean
}

export type HookDeed =
  | 'set-image'
  | 'scale'
  | 'env'
  | 'opt-out'
  | 'opt-in'
  | 'garble'
  | 'forget'
  | 'recreate'
  | 'delete'
  | 'restart'
  | 'approve'
  | 'approve-old'

/** What somebody does to a workload. */
export interface SimHookDeed {
  readonly atMs: number
  readonly deed: HookDeed
  readonly workload: number
  /** Anything that the deed needs one of. */
  readonly pick: number
}

interface SceneFacts {
  readonly clusters: readonly string[]
  readonly machineCount: number
  readonly startMs: number
  readonly quietMs: number
  /** Another one sends the events in another order, and other ones of them twice. */
  readonly variant: string
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** Draws what the redeploy-hook lives in. */
export function drawHook(chance: Chance, facts: SceneFacts): HookScene {
  const { startMs, quietMs, clusters } = facts
  const isPlain = chance.of('plain').isTrue(0.3)
  const repositories = chance.of('repositories').isTrue(0.6) ? ['team/web'] : ['team/api', 'team/web']
  const rules = repositories.map((repository, index) => drawRule(chance.of(`rule ${index}`), { repository, index, clusters, isPlain }))
  const pushes = drawPushes(chance.of('pushes'), rules, { startMs, quietMs, isPlain })
  const workloads = rules.flatMap((rule, index) =>
    drawWorkloads(chance.of(`workloads ${index}`), { rule, index, pushes, startMs, clusters }),
  )
  const polls = chance.of('poll').isTrue(0.7)
  return {
    repositories,
    pushes,
    removals: isPlain ? [] : drawRemovals(chance.of('removals'), pushes, facts),
    rules,
    workloads,
    sends: drawSends(chance.of(`sends ${facts.variant}`), pushes, facts),
    deeds: isPlain ? [] : drawDeeds(chance.of('deeds'), workloads, rules, facts),
    pollMs: polls ? chance.of('poll').of('every').one([1, 1, 2, 5]) * minuteMs : undefined,
    reconcileMs: chance.of('reconcile').one([6, 10, 12]) * minuteMs,
    lostNudges: chance.of('nudges').one([0, 0.1, 0.5]),
    isPlain,
  }
}

export function drawRule(
  chance: Chance,
  facts: { readonly repository: string; readonly index: number; readonly clusters: readonly string[]; readonly isPlain: boolean },
): SimHookRule {
  const { clusters, repository, index } = facts
  const hasRings = clusters.length > 1 && chance.isTrue(0.6)
  const tags = chance.weighed<SimTags>([
    [5, { kind: 'versions', least: 1 }],
    [4, { kind: 'list', names: chance.isTrue(0.6) ? ['latest'] : ['latest', 'stable'] }],
    [2, { kind: 'prefix', prefix: 'dev-' }],
    [1, { kind: 'all' }],
  ])
  return {
    name: `r${index}`,
    repository,
    tags,
    pin: chance.isTrue(0.25) ? 'digest' : 'tag',
    approval: !facts.isPlain && chance.isTrue(0.25),
    rings: hasRings ? clusters.map((cluster) => [cluster]) : [],
    soakMs: chance.one([0, 30, 60, 150]) * 1000,
    deadlineMs: chance.one([4, 6]) * minuteMs,
    rollsAtOnce: chance.isTrue(0.2) ? chance.whole(1, 2) : undefined,
    clonesJobs: chance.isTrue(0.7),
  }
}

/** Names that one rule counts and some that it does not, as somebody's builds make them one after the other. */
export class TagNames {
  #major = 1
  #minor = 0
  #patch = 0
  #builds = 0

  next(chance: Chance, tags: SimTags, pushed: readonly string[]): string {
    this.#builds += 1
    if (chance.isTrue(0.12)) return chance.one([`tmp-${this.#builds}`, 'nightly', `pr-${this.#builds}`])
    switch (tags.kind) {
      case 'versions': {
        const own = pushed.filter((tag) => /^\d/.test(tag))
        // Pushed again, or mended where it is older.
        if (own.length > 0 && chance.isTrue(0.15)) return chance.one(own)
        if (chance.isTrue(0.12) && this.#minor > 0) return `${this.#major}.${this.#minor - 1}.${50 + this.#builds}`
        if (chance.isTrue(0.1)) return `0.9.${this.#builds}`
        if (chance.isTrue(0.3)) {
          this.#minor += chance.whole(1, 9)
          this.#patch = 0
        } else this.#patch += 1
        return `${this.#major}.${this.#minor}.${this.#patch}`
      }
      case 'list':
        return chance.one(tags.names)
      case 'prefix':
        return `${tags.prefix}${chance.isTrue(0.3) ? chance.whole(1, 3) : 100 + this.#builds}`
      case 'all':
        return chance.isTrue(0.5) ? `build-${chance.whole(1, 99)}` : 'edge'
    }
  }
}

function drawPushes(
  chance: Chance,
  rules: readonly SimHookRule[],
  { startMs, quietMs, isPlain }: { readonly startMs: number; readonly quietMs: number; readonly isPlain: boolean },
): SimPush[] {
  const seconds = new Set<number>()
  const free = (ms: number): number => {
    let second = Math.floor(ms / 1000)
    while (seconds.has(second)) second += 1
    seconds.add(second)
    return second * 1000 + chance.whole(0, 999)
  }
  const pushes: SimPush[] = []
  for (const [index, { repository, tags }] of rules.entries()) {
    const own = chance.of(`repository ${index}`)
    const names = new TagNames()
    const past = Array.from({ length: own.whole(2, 4) }, (_, place) => startMs - 40 * hourMs + place * 6 * hourMs + own.whole(0, hourMs))
    const count = own.weighed([
      [1, own.whole(1, 2)],
      [4, own.whole(2, 6)],
      [2, own.whole(5, 10)],
    ])
    // What comes in the last minutes is worked on when it is quiet already.
    const coming = Array.from({ length: count }, () => own.whole(startMs + 30_000, quietMs - 5_000)).toSorted((left, right) => left - right)
    let contents = 0
    for (const [place, atMs] of [...past, ...coming].entries()) {
      const known = pushes.filter((push) => push.repository === repository)
      const tag =
        place === 0
          ? firstTag(tags)
          : names.next(
              own,
              tags,
              known.map((push) => push.tag),
            )
      const again = place > 0 && own.isTrue(0.15) ? own.one(known) : undefined
      const isBad = again === undefined ? !isPlain && place >= past.length && own.isTrue(0.22) : again.isBad
      contents += 1
      const content = again?.content ?? `${repository}#${contents}`
      pushes.push({ atMs: free(atMs), repository, tag, content, isBad })
    }
  }
  return pushes.toSorted((left, right) => left.atMs - right.atMs)
}

/** One that the rule counts: something has to run at the beginning. */
export function firstTag(tags: SimTags): string {
  switch (tags.kind) {
    case 'versions':
      return '1.0.0'
    case 'list':
      return tags.names[0] ?? 'latest'
    case 'prefix':
      return `${tags.prefix}0`
    case 'all':
      return 'build-0'
  }
}

/** Somebody takes away a tag that was just pushed. */
function drawRemovals(chance: Chance, pushes: readonly SimPush[], { startMs, quietMs }: SceneFacts): HookScene['removals'] {
  const coming = pushes.filter(({ atMs }) => atMs > startMs)
  if (coming.length === 0 || !chance.isTrue(0.15)) return []
  const { repository, tag, atMs } = chance.one(coming)
  return [{ repository, tag, atMs: Math.min(quietMs - 2000, atMs + chance.magnitude(2_000, 400_000)) }]
}

export function drawWorkloads(
  chance: Chance,
  {
    rule,
    index,
    pushes,
    startMs,
    clusters,
  }: {
    readonly rule: SimHookRule
    readonly index: number
    readonly pushes: readonly SimPush[]
    readonly startMs: number
    readonly clusters: readonly string[]
  },
): SimHookWorkload[] {
  const own = pushes.filter((push) => push.repository === rule.repository && push.atMs < startMs && isCounted(rule.tags, push.tag))
  const all = rule.rings.length === 0 && chance.isTrue(0.3) ? clusters.slice(0, 1) : clusters
  const names = Array.from({ length: chance.whole(1, 2) }, (_, place) => `${rule.name}-w${place}`)
  return names.flatMap((name) => {
    const kind = chance.weighed<HookKind>([
      [6, 'Deployment'],
      [2, 'StatefulSet'],
      [1, 'DaemonSet'],
      [2, 'CronJob'],
      [1, 'Job'],
    ])
    const replicas = chance.weighed([
      [1, 0],
      [4, 1],
      [3, 2],
    ])
    return all.map((cluster) => ({
      cluster,
      kind,
      name,
      rule: index,
      replicas,
      tag: chance.isTrue(0.75) ? (newestOf(rule.tags, own)?.tag ?? '') : chance.one(own).tag,
    }))
  })
}

/** Whether a rule counts a tag. */
export function isCounted(tags: SimTags, tag: string): boolean {
  switch (tags.kind) {
    case 'versions':
      return (versionOf(tag)?.[0] ?? -1) >= tags.least
    case 'list':
      return tags.names.includes(tag)
    case 'prefix':
      return tag.startsWith(tags.prefix)
    case 'all':
      return true
  }
}

function versionOf(tag: string): readonly [number, number, number] | undefined {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)$/.exec(tag) ?? []
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)]
}

/** Which of two pushes is the newer one for a rule: positive when the left one is. */
export function comparePushes(tags: SimTags, left: TimedTag, right: TimedTag): number {
  const byTime = Math.floor(left.atMs / 1000) - Math.floor(right.atMs / 1000)
  const [one, other] = [versionOf(left.tag), versionOf(right.tag)]
  if (tags.kind !== 'versions' || one === undefined || other === undefined) return byTime
  return one[0] - other[0] || one[1] - other[1] || one[2] - other[2] || byTime
}

export interface TimedTag {
  readonly tag: string
  readonly atMs: number
}

/** The newest that counts. */
export function newestOf<Tag extends TimedTag>(tags: SimTags, all: readonly Tag[]): Tag | undefined {
  return all.filter(({ tag }) => isCounted(tags, tag)).toSorted((left, right) => comparePushes(tags, right, left))[0]
}

export function drawSends(chance: Chance, pushes: readonly SimPush[], facts: SceneFacts): SimSend[] {
  const { startMs, quietMs, machineCount } = facts
  const [lost, twice, late, forged] = [
    chance.one([0, 0.1, 0.4]),
    chance.one([0, 0.3, 0.8]),
    chance.one([0, 0.3, 0.8]),
    chance.one([0, 1, 4]),
  ]
  const sends: SimSend[] = []
  const send = (push: SimPush, atMs: number, more: Partial<SimSend> = {}): void => {
    const { repository, tag, content } = push
    const machine = chance.whole(0, machineCount - 1)
    sends.push({ atMs, machine, repository, tag, saysMs: push.atMs, saysContent: content, isForged: false, ...more })
  }
  const coming = pushes.filter(({ atMs }) => atMs > startMs)
  for (const push of coming) {
    const count = chance.isTrue(lost) ? 0 : chance.isTrue(twice) ? chance.whole(2, 4) : 1
    for (let copy = 0; copy < count; copy += 1) {
      const delayMs = chance.isTrue(late) ? chance.magnitude(2_000, 900_000) : chance.whole(50, 2_000)
      send(push, Math.min(push.atMs + delayMs, quietMs + 5 * minuteMs))
    }
  }
  // Somebody tells of what never was, or of what was long ago.
  for (let index = 0; index < forged; index += 1) {
    const push = chance.one(pushes)
    const atMs = chance.whole(startMs, quietMs)
    const more = chance.one<Partial<SimSend>>([
      { tag: '9.9.9' },
      { saysContent: 'nobody#1', tag: 'latest' },
      { saysMs: atMs },
      { saysMs: atMs + hourMs },
      { repository: 'team/other' },
      { isForged: true, saysMs: atMs },
    ])
    send(push, atMs, more)
  }
  return sends.toSorted((left, right) => left.atMs - right.atMs)
}

function drawDeeds(chance: Chance, workloads: readonly SimHookWorkload[], rules: readonly SimHookRule[], facts: SceneFacts): SimHookDeed[] {
  const { startMs, quietMs } = facts
  const count = chance.weighed([
    [3, 0],
    [4, chance.whole(1, 3)],
    [2, chance.whole(3, 7)],
  ])
  const deeds = Array.from({ length: count }, (): SimHookDeed => {
    const deed = drawDeed(chance)
    return { atMs: chance.whole(startMs, quietMs - 1), deed, workload: chance.whole(0, workloads.length - 1), pick: chance.whole(0, 9_999) }
  })
  // Who breaks a record mends it, mostly.
  const mended = deeds.flatMap(({ deed, atMs, workload, pick }): SimHookDeed[] =>
    (deed === 'garble' || deed === 'opt-out') && chance.isTrue(0.6)
      ? [
          {
            atMs: Math.min(quietMs - 1, atMs + chance.magnitude(5_000, 600_000)),
            deed: deed === 'garble' ? 'forget' : 'opt-in',
            workload,
            pick,
          },
        ]
      : [],
  )
  const agreed = workloads.flatMap(({ rule }, workload): SimHookDeed[] => {
    if (rules[rule]?.approval !== true) return []
    const own = Array.from({ length: chance.whole(0, 4) }, (): SimHookDeed => {
      const deed = chance.isTrue(0.75) ? 'approve' : 'approve-old'
      return { atMs: chance.whole(startMs, quietMs - 1), deed, workload, pick: chance.whole(0, 9_999) }
    })
    const last: SimHookDeed = { atMs: quietMs + chance.whole(20_000, 120_000), deed: 'approve', workload, pick: 0 }
    return chance.isTrue(0.7) ? [...own, last] : own
  })
  return [...deeds, ...mended, ...agreed].toSorted((left, right) => left.atMs - right.atMs)
}

/** What somebody does at any time, and right between a reading and its write. */
export function drawDeed(chance: Chance): HookDeed {
  return chance.weighed<HookDeed>([
    [5, 'set-image'],
    [5, 'scale'],
    [4, 'env'],
    [2, 'opt-out'],
    [2, 'opt-in'],
    [1, 'garble'],
    [1, 'forget'],
    [2, 'recreate'],
    [1, 'delete'],
    [2, 'restart'],
  ])
}
