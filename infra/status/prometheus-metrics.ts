import { isOpen, nodesLeft } from '#functions/alarm-scaler/lease.ts'
import { type MetricKey, runMetrics, standingMetrics } from '#shared/runtime/metric-names.ts'
import type { CallTally } from './call-tally.ts'
import type { StatusSources } from './status-sources.ts'
import { licenceView } from './views/licence-view.ts'

/** What every figure is called. */
export const metricNames: Readonly<Record<MetricKey, string>> = { ...runMetrics, ...standingMetrics }

interface Description {
  readonly kind: 'counter' | 'gauge'
  readonly labels: readonly string[]
  readonly help: string
}

/** What each figure is, as Prometheus is told. */
export const descriptions: Readonly<Record<MetricKey, Description>> = {
  runs: { kind: 'counter', labels: ['function'], help: 'Runs since this process has started.' },
  failedRuns: { kind: 'counter', labels: ['function'], help: 'Runs of which nothing came.' },
  decisions: { kind: 'counter', labels: ['function', 'outcome'], help: 'Decisions of runs by what they came to.' },
  applied: { kind: 'counter', labels: ['function'], help: 'Changes that were made.' },
  runLate: { kind: 'gauge', labels: ['function'], help: 'How much later than its nominal instant the last run began.' },
  functionOk: {
    kind: 'gauge',
    labels: ['function'],
    help: '1 when the function is well: its last run came in time and failed in nothing, and no event waits for too long.',
  },
  lastRunAge: { kind: 'gauge', labels: ['function'], help: 'Time since the last run, by the clock of the platform.' },
  eventsWaiting: {
    kind: 'gauge',
    labels: ['function'],
    help: 'Groups of webhook events that are due or being worked on; 100 is that many or more.',
  },
  deadLetters: { kind: 'gauge', labels: ['function'], help: 'Events that nobody tries any more; 100 is that many or more.' },
  journalEntries: { kind: 'gauge', labels: ['function'], help: 'Entries of the journal at its last check.' },
  journalIntact: {
    kind: 'gauge',
    labels: ['function'],
    help: '1 when the chain of the journal was whole at its last check, 0 when it was not; absent when nobody knows.',
  },
  killSwitchStopped: { kind: 'gauge', labels: [], help: '1 when the kill switch says stop or cannot be read, which stops as well.' },
  leases: { kind: 'gauge', labels: ['cluster', 'pool', 'state'], help: 'Open leases of nodes that were added for alarms.' },
  leasedNodes: { kind: 'gauge', labels: ['cluster', 'pool'], help: 'Nodes of open leases that are known and not given back.' },
  licenceUsed: { kind: 'gauge', labels: ['region', 'metric', 'unit'], help: 'Licence usage in the last hour that was measured.' },
  licenceEntitled: {
    kind: 'gauge',
    labels: ['region', 'metric', 'unit'],
    help: 'What may be used; absent where it is unlimited or not configured.',
  },
  apiCalls: { kind: 'counter', labels: ['action', 'outcome'], help: 'Tries of calls to the platform.' },
  apiThrottles: { kind: 'counter', labels: ['action'], help: 'Tries that the platform turned away because they were too many.' },
}

type Labels = Readonly<Record<string, string>>

/** One figure with its labels. */
export interface Sample {
  readonly key: MetricKey
  readonly labels: Labels
  readonly value: number
}

/** What figures are read from. */
export type MetricSources = Pick<StatusSources, 'feed' | 'status' | 'events' | 'killSwitch' | 'leases' | 'licence' | 'journal'> & {
  readonly platform: Pick<StatusSources['platform'], 'now'>
  readonly facts: Pick<StatusSources['facts'], 'functions'>
}

/** All figures as they are now. What cannot be read is left out. */
export async function readSamples(sources: MetricSources, calls: Pick<CallTally, 'rows'>): Promise<readonly Sample[]> {
  const { platform, facts, feed, status, events, killSwitch, leases, journal } = sources
  const samples: Sample[] = []
  const add = (key: MetricKey, labels: Labels, value: number | undefined): void => {
    if (value !== undefined) samples.push({ key, labels, value })
  }
  const now = platform.now()
  const standing = new Map(status().map((one) => [one.function, one]))
  const inboxes = new Map((await events.look()).map((one) => [one.function, one]))
  for (const name of facts.functions) {
    const own = { function: name }
    const tally = feed.tally(name)
    add('runs', own, tally.runs)
    add('failedRuns', own, tally.failedRuns)
    add('applied', own, tally.outcomes.Applied)
    for (const [outcome, count] of Object.entries(tally.outcomes)) add('decisions', { ...own, outcome }, count)
    add('runLate', own, tally.lateMs === undefined ? undefined : tally.lateMs / 1000)
    add('lastRunAge', own, tally.lastRunMs === undefined ? undefined : Math.max(0, now - tally.lastRunMs) / 1000)
    const stands = standing.get(name)
    const inbox = inboxes.get(name)
    add('functionOk', own, stands === undefined ? undefined : Number(stands.ok && inbox?.ok !== false))
    add('eventsWaiting', own, inbox?.groupsDue)
    add('deadLetters', own, inbox?.dead)
    const { state, entries } = await journal.verification(name)
    if (state !== 'unknown') {
      add('journalEntries', own, entries)
      add('journalIntact', own, Number(state === 'intact'))
    }
  }
  const reading = await killSwitch.look()
  add('killSwitchStopped', {}, reading === undefined ? undefined : Number(reading.state !== 'run'))
  const open = (await leases.look()).found.filter(({ lease }) => isOpen(lease))
  for (const own of Map.groupBy(open, ({ cluster, pool, lease }) => JSON.stringify([cluster, pool, lease.state])).values()) {
    const [first] = own
    if (first !== undefined) add('leases', { cluster: first.cluster, pool: first.pool, state: first.lease.state }, own.length)
  }
  for (const own of Map.groupBy(open, ({ cluster, pool }) => JSON.stringify([cluster, pool])).values()) {
    const [first] = own
    const count = own.reduce((sum, { lease }) => sum + nodesLeft(lease).length, 0)
    if (first !== undefined) add('leasedNodes', { cluster: first.cluster, pool: first.pool }, count)
  }
  for (const { region, metric, unit, used, entitled } of (await licenceView(sources)).products) {
    add('licenceUsed', { region, metric, unit }, used)
    add('licenceEntitled', { region, metric, unit }, entitled)
  }
  for (const { action, outcome, count } of calls.rows()) {
    add('apiCalls', { action, outcome }, count)
    if (outcome === 'cloud.rate-limited') add('apiThrottles', { action }, count)
  }
  return samples
}

/** What Prometheus scrapes. Loads its client at the first scrape: most processes are never asked. */
export async function prometheusText(sources: StatusSources, calls: CallTally): Promise<{ readonly type: string; readonly text: string }> {
  const { Counter, Gauge, Registry } = await import('prom-client')
  const registry = new Registry()
  const samples = Map.groupBy(await readSamples(sources, calls), ({ key }) => key)
  for (const [key, { kind, labels, help }] of Object.entries(descriptions)) {
    if (!isKey(key)) continue
    const settings = { name: metricNames[key], help, labelNames: [...labels], registers: [registry] }
    const own = samples.get(key) ?? []
    if (kind === 'counter') {
      const counter = new Counter(settings)
      for (const sample of own) counter.inc(sample.labels, sample.value)
    } else {
      const gauge = new Gauge(settings)
      for (const sample of own) gauge.set(sample.labels, sample.value)
    }
  }
  return { type: registry.contentType, text: await registry.metrics() }
}

function isKey(key: string): key is MetricKey {
  return Object.hasOwn(metricNames, key)
}
