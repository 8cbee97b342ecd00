import type { AlarmChange } from '#functions/alarm-scaler/change.ts'
import { advanceWorld } from '#infra/sandbox/advance.ts'
import type { CallRecord } from '#infra/sandbox/call-journal.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { SandboxCore } from '#infra/sandbox/core.ts'
import type { Fault } from '#infra/sandbox/faults.ts'
import { parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { getObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createSandboxCore, type Exchange, exchangeApi } from '#infra/sandbox/server.ts'
import type { ReceivedCall } from '#infra/sandbox/verify-signature.ts'
import type { SharedWorld } from '../common-ground.ts'
import type { EventLoop } from '../event-loop.ts'
import type { EventWorld } from '../events/event-function.ts'
import type { History } from '../history.ts'
import type { Scenario, Storm } from '../scenario.ts'
import { type Forwarded, faultsOf, type Sender } from '../sim-platform.ts'
import { clusterOf, setSwitchMap, switchMap } from '../stage-world.ts'
import type { AlarmEffect, AlarmWrite, SimNode } from './alarm-effect.ts'
import type { AlarmScene, SimPool } from './alarm-scene.ts'
import { type GroupSight, NodeWatch, type PoolSight } from './node-watch.ts'
import { garbled, leasesOf, recordsIn, stateOfLease } from './pool-records.ts'
import { stageAlarm } from './stage-alarm.ts'

/** Finds the change that a key stands for, and what its plan says of it. */
export type FindStep = (
  key: string,
) => { readonly change: AlarmChange; readonly after: string; readonly target: string; readonly before: string } | undefined

/** Changes that are nothing but a new record. */
const recordOnly: ReadonlySet<AlarmChange['kind']> = new Set(['track', 'recover', 'reclaim', 'stop-recovery', 'extend', 'release', 'close'])

/** The sandbox as the alarm-scaler meets it, with the truth about nodes: who has added them, and what each write really changed. */
export class AlarmWorld implements EventWorld {
  readonly core: SandboxCore
  /** There are no images that could be cleaned up here. */
  readonly images = undefined
  readonly watch: NodeWatch
  readonly #scenario: Scenario
  readonly #scene: AlarmScene
  readonly #loop: EventLoop
  readonly #history: History
  readonly #findStep: FindStep
  /** How everything was right after the world was last advanced: what a write then finds. */
  #before: readonly PoolSight[] = []
  #recordsBefore: ReadonlyMap<string, unknown> = new Map()

  constructor(
    scenario: Scenario,
    scene: AlarmScene,
    {
      loop,
      history,
      findStep,
      shared,
    }: { readonly loop: EventLoop; readonly history: History; readonly findStep: FindStep; readonly shared?: SharedWorld | undefined },
  ) {
    this.#scenario = scenario
    this.#scene = scene
    this.#loop = loop
    this.#history = history
    this.#findStep = findStep
    const core = shared?.coreFor(() => this.look()) ?? ownCore(scenario, scene, loop)
    this.core = shared === undefined ? { ...core, advance: () => this.#advance() } : core
    this.watch = new NodeWatch(core.world, scene)
  }

  #advance(): void {
    advanceWorld(this.core.world, this.#loop.now, this.core.random)
    this.look()
  }

  /** Sees how everything is now. */
  look(): void {
    this.#before = this.watch.look(this.#loop.now)
    const records = recordsIn(this.core.world, this.#scene.pools)
    for (const pool of this.#scene.pools) {
      const text = records.get(pool.name)
      // Of what cannot be read nobody knows anything new.
      if (text === this.#recordsBefore.get(pool.name) || text === garbled) continue
      const open = leasesOf(this.core.world, pool).filter(({ state, mechanism }) => state !== 'closed' && mechanism === 'scaling-group')
      this.watch.leased(
        pool.group,
        open.map(({ id }) => id),
        this.#loop.now,
      )
    }
    this.#recordsBefore = records
  }

  get sights(): readonly PoolSight[] {
    return this.#before
  }

  /** Carries a call out and says what it changed. */
  async receive(call: ReceivedCall, forwarded: Forwarded | undefined, sender: Sender): Promise<Exchange> {
    const { core } = this
    const exchange = await exchangeApi(core, call, (ms) => this.#loop.sleep(ms))
    const record = core.journal.records.at(-1)
    const faults = record === undefined || record.faults.length === 0 ? '' : ` under ${record.faults.join(', ')}`
    const what = forwarded === undefined ? (record?.action ?? '?') : `${forwarded.method} ${forwarded.path}`
    this.#history.add({
      at: this.#loop.now,
      kind: 'came',
      wireId: sender.wireId,
      text: `${what}: ${record?.code ?? 'carried out'}${faults}`,
    })
    if (record?.effect === 'write' && record.applied) {
      this.#compare(record, forwarded, sender)
      this.look()
    }
    return exchange
  }

  #compare(record: CallRecord, forwarded: Forwarded | undefined, sender: Sender): void {
    const step = this.#findStep(sender.key)
    const change = step?.change
    const pool = this.#scene.pools.findIndex(({ name, cluster }) => name === change?.pool && cluster === change.cluster)
    const before = this.#before
    const leaseId = change === undefined ? '' : change.kind === 'grow' ? change.lease.id : change.leaseId
    const after = this.watch.sightsNow(this.#loop.now)
    const facts = { change: change?.kind ?? '', pool, lease: leaseId }
    const gained = gainedIn(before, after)
    const lost = lostIn(before, after)
    const group = groupOf(record)
    const [was, is] = [groupIn(before, group), groupIn(after, group)]
    if (gained.length > 0) {
      this.watch.bought(gained, leaseId, this.#loop.now)
      this.#tell(record, sender, { ...facts, kind: 'grow', ids: gained, nodes: gained.length })
    } else if (lost.length > 0) {
      this.#tell(record, sender, { ...facts, kind: 'remove', ids: lost, nodes: lost.length })
    } else if (was !== undefined && is !== undefined && (was.min !== is.min || was.max !== is.max)) {
      const nodes = Math.max(0, is.desired - was.desired)
      const kind = change?.kind === 'grow' ? 'grow' : 'bounds'
      if (kind === 'grow') this.watch.askedGroup(group, nodes, leaseId, this.#loop.now)
      else this.watch.calledOff(group, Math.max(0, was.desired - is.desired))
      this.watch.boundsSet(group, { min: is.min, max: is.max, size: is.size }, this.#loop.now, true)
      this.#tell(record, sender, { ...facts, kind, ids: [], nodes })
    } else if (forwarded !== undefined) {
      this.#compareForwarded(record, forwarded, sender, facts)
    } else
      this.#write(sender, {
        ...facts,
        what: record.action === 'DrainClusterNode' || record.action === 'DrainClusterVirtualNode' ? 'platform-drain' : 'other',
        ...this.#nodeOf(textIn(record.request, 'InstanceId') || textIn(record.request, 'NodeName')),
      })
  }

  #compareForwarded(
    record: CallRecord,
    forwarded: Forwarded,
    sender: Sender,
    facts: { readonly change: string; readonly pool: number; readonly lease: string },
  ): void {
    const { path, method, body, cluster } = forwarded
    if (path.includes('/configmaps')) {
      const pool = this.#scene.pools[facts.pool]
      const now = recordsIn(this.core.world, this.#scene.pools)
      const isChanged = pool !== undefined && now.get(pool.name) !== this.#recordsBefore.get(pool.name)
      const change = this.#findStep(sender.key)?.change
      if (isChanged && change !== undefined && recordOnly.has(change.kind))
        this.#tell(record, sender, { ...facts, kind: 'record', ids: [], nodes: 0 })
      else this.#write(sender, { ...facts, what: 'record', node: '', isForeign: false })
      return
    }
    const evicted = /\/pods\/([^/]+)\/eviction$/.exec(path)?.[1]
    if (evicted !== undefined) {
      this.#write(sender, { ...facts, what: 'evict', ...this.#nodeOf(this.watch.nodeOfPod(cluster, evicted)) })
      return
    }
    const node = /\/api\/v1\/nodes\/([^/]+)$/.exec(path)?.[1]
    if (node === undefined || method === 'GET') return
    const written = JSON.stringify(parseJson(body) ?? {})
    const what = /"unschedulable":true/.test(written) ? 'cordon' : /unschedulable/.test(written) ? 'uncordon' : 'mark'
    this.#write(sender, { ...facts, what, ...this.#nodeOf(node) })
  }

  #nodeOf(name: string): Pick<AlarmWrite, 'node' | 'isForeign'> {
    const found = this.#before.flatMap(({ members }) => members).find(({ id, nodeName }) => id === name || nodeName === name)
    return { node: name, isForeign: found !== undefined && !this.watch.isOurs(found) }
  }

  #write(sender: Sender, write: AlarmWrite): void {
    const { process, owner, key, wireId, callId } = sender
    this.#history.add({ at: this.#loop.now, kind: 'alarm-write', doer: { process, owner }, key, wireId, callId, write })
  }

  #tell(record: CallRecord, sender: Sender, done: Pick<AlarmEffect, 'change' | 'pool' | 'lease' | 'kind' | 'ids' | 'nodes'>): void {
    const step = this.#findStep(sender.key)
    const change = step?.change
    const sight = this.#before[done.pool]
    const cluster = this.#scene.pools[done.pool]?.cluster
    const inCluster = this.#before.filter((_, index) => this.#scene.pools[index]?.cluster === cluster)
    const members = sight?.members ?? []
    const gone = this.#before.flatMap((one) => one.members).filter(({ id }) => done.kind === 'remove' && done.ids.includes(id))
    const lease = change?.kind === 'grow' ? change.lease : undefined
    const alarm: AlarmEffect = {
      ...done,
      why: change?.kind === 'recover' ? change.why : change?.kind === 'reclaim' ? 'compensate' : '',
      mechanism: lease?.mechanism.kind ?? '',
      policy: lease?.policy ?? '',
      wanted: lease?.wanted ?? 0,
      episode:
        lease === undefined
          ? undefined
          : { name: lease.episode.name, source: lease.episode.source, startedAtMs: lease.episode.startedAtMs },
      members,
      owed: sight?.owed ?? 0,
      owedInCluster: inCluster.reduce((sum, { owed }) => sum + owed, 0),
      workers: inCluster.flatMap((one) => one.members.filter(({ isVirtual }) => !isVirtual)),
      recorded: stateOfLease(this.core.world, this.#scene.pools[done.pool], done.lease),
      isAutoscaled: this.#scene.platform.hasAutoscaler,
      pods: gone.reduce((sum, node) => sum + (sight?.pods.get(node.nodeName ?? '') ?? 0), 0),
      foreign: gone.flatMap((node) => (this.watch.isOurs(node) ? [] : [node.id])),
      pendingSinceMs: sight?.pendingSinceMs,
    }
    this.#history.add({
      at: this.#loop.now,
      kind: 'effect',
      effect: {
        ...sender,
        requestId: record.requestId,
        target: step?.target ?? '',
        uid: '',
        before: step?.before ?? '',
        after:
          step === undefined
            ? ''
            : isAsPlanned(alarm, step.change, this.#before, this.watch.sightsNow(this.#loop.now))
              ? step.after
              : shownOf(alarm),
        by: '',
        nominalMs: 0,
        wasOptedOut: false,
        wasDeleting: false,
        alarm,
      },
    })
  }

  /** What the kill switch in a cluster says now. */
  switchSays(): string {
    const state = clusterOf(this.core.world, this.#scenario.clusterIds[0] ?? '')
    return stringAt(getObject(state, '', 'configmaps', switchMap.name, switchMap.namespace), 'data', switchMap.key) ?? 'gone'
  }

  setSwitch(to: 'run' | 'stop' | 'gone'): void {
    setSwitchMap(this.core.world, this.#scenario, to, this.#loop.now)
  }

  /** Begins a storm on the platform. Answers how to end it. */
  storm({ flavour, probability, match }: Storm, seed: number): () => void {
    const faults: readonly Fault[] = faultsOf[flavour]
    const ids = faults.map((fault, index) =>
      this.core.faults.add({
        fault,
        ...(match === undefined ? {} : { match }),
        probability: flavour === 'outage' ? 1 : probability / faults.length,
        seed: seed * 31 + index,
      }),
    )
    return () => {
      for (const id of ids) this.core.faults.remove(id)
    }
  }
}

function ownCore(scenario: Scenario, scene: AlarmScene, loop: EventLoop): SandboxCore {
  const clock = createSandboxClock({ source: () => loop.now })
  return createSandboxCore({ seed: scenario.seed, world: stageAlarm(scenario, scene), clock })
}

function allOf(sights: readonly PoolSight[]): readonly SimNode[] {
  return sights.flatMap(({ members }) => members)
}

function gainedIn(before: readonly PoolSight[], after: readonly PoolSight[]): readonly string[] {
  const known = new Set(allOf(before).map(({ id }) => id))
  return allOf(after).flatMap(({ id }) => (known.has(id) ? [] : [id]))
}

function lostIn(before: readonly PoolSight[], after: readonly PoolSight[]): readonly string[] {
  return gainedIn(after, before)
}

function groupIn(sights: readonly PoolSight[], group: string): GroupSight | undefined {
  return sights.find((sight) => sight.group.id === group)?.group
}

function groupOf({ request }: CallRecord): string {
  const attribute: unknown = request?.ClusterAsGroupAttribute
  return textIn(attribute, 'AutoScalingGroupId')
}

function textIn(value: unknown, key: string): string {
  if (typeof value !== 'object' || value === null) return ''
  const found: unknown = Reflect.get(value, key)
  return typeof found === 'string' ? found : ''
}

/** Whether a write did what the change says, and nothing else. */
function isAsPlanned(alarm: AlarmEffect, change: AlarmChange, before: readonly PoolSight[], after: readonly PoolSight[]): boolean {
  switch (change.kind) {
    case 'grow': {
      const { bounds, wanted, mechanism } = change.lease
      if (mechanism.group === undefined) return alarm.kind === 'grow' && alarm.nodes <= wanted
      const group = groupIn(after, mechanism.group)
      return (
        alarm.kind === 'grow' &&
        group?.min === bounds?.min &&
        group?.max === bounds?.max &&
        alarm.nodes <= wanted + vanished(before, mechanism.group, wanted)
      )
    }
    case 'remove':
      return alarm.kind === 'remove' && alarm.ids.length === 1 && alarm.ids[0] === change.instanceId
    case 'restore-bounds': {
      const group = groupIn(after, change.group)
      return alarm.kind === 'bounds' && group?.min === change.to.min && group.max === change.to.max
    }
    default:
      return alarm.kind === 'record'
  }
}

/** What somebody else took from a group at the same time is bought again by raising its floor. */
function vanished(before: readonly PoolSight[], group: string, wanted: number): number {
  const sight = groupIn(before, group)
  return sight === undefined ? 0 : Math.max(0, sight.takenByOthers) * Math.max(1, wanted)
}

function shownOf({ kind, ids, nodes }: AlarmEffect): string {
  return `${kind} of ${nodes} (${ids.join(', ')})`
}

/** A pool as somebody sees it who need not ask. */
export function poolOf(scene: AlarmScene, index: number): SimPool {
  const pool = scene.pools[index]
  if (pool === undefined) throw new TypeError(`There is no pool ${index}.`)
  return pool
}
