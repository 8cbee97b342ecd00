import type { AlarmEffect } from './alarm/alarm-effect.ts'
import { type Facts, isFollowUp } from './check/facts.ts'
import type { HookEffect, ImageEffect } from './history.ts'

/** What there is to count, each with the words that say it. */
const counts = {
  runs: 'runs',
  followUps: 'runs that were waited for within an earlier one',
  effects: 'effects',
  lateEffects: 'effects that came when their process had stopped waiting',
  cuts: 'processes cut at a place where they waited, or ended because their time was over',
  freezes: 'processes that stood still',
  doubts: 'writes of which their process could not know what had become',
  contended: 'keys at which several processes have been',
  settled: 'keys that were found not to be done by reading, and were tried again',
  storeFaults: 'calls of the store that failed',
  cloudFaults: 'faults of the platform',
  rivals: 'steps that found their target changed since the plan',
  heldByCap: 'steps held by caps',
  heldBySwitch: 'steps held by the kill switch',
  heldByWindow: 'steps held by windows',
  reviewed: 'steps held because nobody had reviewed them',
  clocksApart: 'worlds whose clocks are more than a minute apart',
  clockChanges: 'worlds in which the clocks of a zone change',
  overridden: 'effects of overrides and of their ends',
  corrected: 'effects that put back what somebody changed',
  foughtOver: 'steps held because somebody fights for another size',
  waiting: 'steps that waited for their turn in a spread',
  unread: 'clusters that nobody looked at, because nothing was due there',
  excluded: 'firings that an excluded date took away',
  unreadCalendars: 'steps held because a calendar could not be read',
  ranOnce: 'effects of rules that run once',
  removedTags: 'tags that were removed',
  purgedCopies: 'copies of removed tags whose time was over',
  restoredTags: 'tags that were brought back because somebody waited for them',
  blind: 'clusters and repositories of which nothing was removed because something could not be read',
  roomless: 'repositories of which more could have gone than caps and new policies allowed',
  resumed: 'runs of the image-cleaner that went on in the middle of a night',
  uncounted: 'repositories of which nothing went because it could not be written down first',
  imageDeeds: 'deeds of people to images and to what uses them',
  setImages: 'images that were set because of a push',
  rolledBack: 'rollouts that were taken back',
  agreed: 'agreements that were written down',
  takenEvents: 'webhooks that were taken in',
  deniedEvents: 'webhooks of others that were turned away',
  waves: 'workloads that waited for a ring before theirs, or for its soak time',
  badImages: 'workloads that were kept from a content which had failed',
  keptImages: 'workloads on which somebody had gone back',
  hookDeeds: 'deeds of people to workloads',
  grownNodes: 'nodes that were added because of an alarm',
  givenBack: 'nodes that were given back',
  compensated: 'leases whose nodes never became ready in time',
  drainsStopped: 'leases whose nodes were to go, and that were kept after all',
  refusedNodes: 'leases of which their mechanism gave nothing',
  restoredBounds: 'bounds of groups that were lowered or put back',
  gated: 'alarms that a cap, a quota, a licence or the autoscaler kept from adding nodes',
  unconfirmed: 'alarms that nothing but themselves spoke for',
  staleAlarms: 'alarms that were heard too long ago',
  onItsWay: 'alarms that found all on its way that they wanted',
  alarmDeeds: 'deeds of people to pools',
  samples: 'samples of licence usage on record',
  gapHours: 'hours of licence usage that are gaps',
  readAgain: 'times that an hour was read which somebody else had read',
  unwritten: 'runs that failed because they could not put everything on record',
} as const

/** What befell a world, counted: a simulation in which nothing goes wrong shows nothing. */
export type Coverage = Readonly<Record<keyof typeof counts, number>>

export type CoverageName = keyof Coverage

export const coverageNames: readonly CoverageName[] = Object.keys(counts).filter((name): name is CoverageName => name in counts)

export const noCoverage: Coverage = filled(() => 0)

export function coverageOf(facts: Facts): Coverage {
  const { platform, scenario } = facts.simulated
  const lives = facts.of('process').map(([, { text }]) => text)
  const histories = [...facts.ledger.values()]
  const decisions = facts.of('run-ended').flatMap(([, { decisions: made }]) => made)
  const decided = (outcome: string, code: RegExp): number =>
    decisions.filter((decision) => decision.outcome === outcome && code.test(decision.reason.code)).length
  const by = (pattern: RegExp): number => facts.effects.filter(({ effect }) => pattern.test(effect.by)).length
  const tagsOf = (kind: ImageEffect['kind']): number =>
    facts.effects.reduce((sum, { effect: { images } }) => sum + (images?.kind === kind ? images.removed.length : 0), 0)
  const hook = (kind: HookEffect['kind']): number => facts.effects.filter(({ effect }) => effect.hook?.kind === kind).length
  const alarm = (isCounted: (effect: AlarmEffect) => boolean): number =>
    facts.effects.filter(({ effect }) => effect.alarm !== undefined && isCounted(effect.alarm)).length
  const nodes = (kind: AlarmEffect['kind']): number =>
    facts.effects.reduce((sum, { effect }) => sum + (effect.alarm?.kind === kind ? effect.alarm.nodes : 0), 0)
  return {
    runs: facts.runs.size,
    followUps: [...facts.runs.keys()].filter(isFollowUp).length,
    effects: facts.effects.length,
    lateEffects: facts.effects.filter(({ from, place }) => from?.ended === undefined || from.ended.place < place).length,
    cuts: lives.filter((text) => text === 'is cut' || text.startsWith('is ended')).length,
    freezes: lives.filter((text) => text.startsWith('stands still')).length,
    doubts: facts.calls.filter(({ isAmbiguous }) => isAmbiguous).length,
    contended: histories.filter((writes) => new Set(writes.map(({ process }) => process)).size > 1).length,
    settled: histories.filter((writes) =>
      writes.some(({ state }, index) => state === 'FAILED_SAFE' && writes[index - 1]?.state === 'UNKNOWN'),
    ).length,
    storeFaults: facts.of('store-failed').length,
    cloudFaults: platform.core.faults.fired.length,
    rivals: decided('Skipped', /^(?:world-changed|conflict)$/),
    heldByCap: decided('Held', /^guard\.cap$/),
    heldBySwitch: decided('Held', /^guard\.kill-switch/),
    heldByWindow: decided('Held', /^guard\.(?:freeze-window|outside-windows)$/),
    reviewed: decided('Held', /^not-reviewed$/),
    clocksApart: Number(scenario.clocksApartMs > 60_000),
    clockChanges: Number(scenario.rules.some(({ zone }) => zone === 'Europe/Berlin')),
    overridden: by(/override\//),
    corrected: facts.effects.filter(({ effect }) => facts.stepOf(effect.owner, effect.key)?.code === 'drift').length,
    foughtOver: decided('Held', /^fought-over$/),
    waiting: decided('Skipped', /^wave$/),
    unread: decided('Skipped', /^nothing-due$/),
    excluded: decided('Skipped', /^excluded-date$/),
    unreadCalendars: decided('Held', /^calendar-unreadable$/),
    ranOnce: facts.effects.filter(({ effect }) => facts.ruleOf(effect)?.runOnce === true).length,
    removedTags: tagsOf('remove'),
    purgedCopies: tagsOf('purge'),
    restoredTags: tagsOf('restore'),
    blind: decided('Held', /^(?:cluster-unreadable|repository-incomplete|registry-unreadable|quarantine-unreadable)$/),
    roomless: decided('Held', /^(?:over-cap|canary)$/),
    resumed: resumedRuns(facts),
    uncounted: decided('Held', /^not-counted$/),
    imageDeeds: facts.of('image-deed').length,
    setImages: hook('set'),
    rolledBack: hook('rollback'),
    agreed: hook('approve'),
    takenEvents: facts.of('hook-answered').filter(([, { status }]) => status === 202).length,
    deniedEvents: facts.of('hook-answered').filter(([, { status }]) => status === 401).length,
    waves: decided('Held', /^(?:waits-for-wave|soaking)$/),
    badImages: decided('Held', /^held-bad-image$/),
    keptImages: decided('Held', /^person-rolled-back$/),
    hookDeeds: facts.of('hook-deed').length,
    grownNodes: nodes('grow'),
    givenBack: nodes('remove'),
    compensated: decided('Applied', /^never-ready$/),
    drainsStopped: alarm(({ change }) => change === 'stop-recovery'),
    refusedNodes: decided('Failed', /^mechanism-refused$/),
    restoredBounds: alarm(({ kind }) => kind === 'bounds'),
    gated: decided('Held', /^(?:cap-|absolute-max|quota|licence|cluster-autoscaler-active)/),
    unconfirmed: decided('Skipped', /^not-confirmed$/),
    staleAlarms: decided('Skipped', /^stale-episode$/),
    onItsWay: decided('NoChange', /^already-on-its-way$/),
    alarmDeeds: facts.of('alarm-deed').length,
    // Counted where the license-meter lives.
    samples: 0,
    gapHours: 0,
    readAgain: 0,
    unwritten: 0,
  }
}

/** Runs that were not the first of their night, and had more to do than to say that it is finished. */
function resumedRuns(facts: Facts): number {
  const nights = facts.simulated.scenario.images?.nights ?? []
  const workers = [...facts.runs.values()].filter(({ plan }) => plan.some(({ before }) => / tags$/.test(before)))
  const nightOf = (place: number): number => nights.findLastIndex((night) => night <= (facts.all[place]?.at ?? 0))
  return workers.length - new Set(workers.map(({ place }) => nightOf(place))).size
}

export function sumOf(one: Coverage, other: Coverage): Coverage {
  return filled((name) => one[name] + other[name])
}

/** One line for each that is not nothing. */
export function coverageText(coverage: Coverage): string {
  return coverageNames
    .filter((name) => coverage[name] > 0)
    .map((name) => `${coverage[name]} ${counts[name]}`)
    .join('\n')
}

function filled(value: (name: CoverageName) => number): Coverage {
  return {
    runs: value('runs'),
    followUps: value('followUps'),
    effects: value('effects'),
    lateEffects: value('lateEffects'),
    cuts: value('cuts'),
    freezes: value('freezes'),
    doubts: value('doubts'),
    contended: value('contended'),
    settled: value('settled'),
    storeFaults: value('storeFaults'),
    cloudFaults: value('cloudFaults'),
    rivals: value('rivals'),
    heldByCap: value('heldByCap'),
    heldBySwitch: value('heldBySwitch'),
    heldByWindow: value('heldByWindow'),
    reviewed: value('reviewed'),
    clocksApart: value('clocksApart'),
    clockChanges: value('clockChanges'),
    overridden: value('overridden'),
    corrected: value('corrected'),
    foughtOver: value('foughtOver'),
    waiting: value('waiting'),
    unread: value('unread'),
    excluded: value('excluded'),
    unreadCalendars: value('unreadCalendars'),
    ranOnce: value('ranOnce'),
    removedTags: value('removedTags'),
    purgedCopies: value('purgedCopies'),
    restoredTags: value('restoredTags'),
    blind: value('blind'),
    roomless: value('roomless'),
    resumed: value('resumed'),
    uncounted: value('uncounted'),
    imageDeeds: value('imageDeeds'),
    setImages: value('setImages'),
    rolledBack: value('rolledBack'),
    agreed: value('agreed'),
    takenEvents: value('takenEvents'),
    deniedEvents: value('deniedEvents'),
    waves: value('waves'),
    badImages: value('badImages'),
    keptImages: value('keptImages'),
    hookDeeds: value('hookDeeds'),
    grownNodes: value('grownNodes'),
    givenBack: value('givenBack'),
    compensated: value('compensated'),
    drainsStopped: value('drainsStopped'),
    refusedNodes: value('refusedNodes'),
    restoredBounds: value('restoredBounds'),
    gated: value('gated'),
    unconfirmed: value('unconfirmed'),
    staleAlarms: value('staleAlarms'),
    onItsWay: value('onItsWay'),
    alarmDeeds: value('alarmDeeds'),
    samples: value('samples'),
    gapHours: value('gapHours'),
    readAgain: value('readAgain'),
    unwritten: value('unwritten'),
  }
}
