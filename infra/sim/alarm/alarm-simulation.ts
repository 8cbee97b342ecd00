import { AsyncLocalStorage } from 'node:async_hooks'
import * as z from 'zod/mini'
import type { AlarmChange } from '#functions/alarm-scaler/change.ts'
import { definition, openTools, queue, type Tools } from '#functions/alarm-scaler/definition.ts'
import type { Settings } from '#functions/alarm-scaler/event.ts'
import type { Seen } from '#functions/alarm-scaler/observe.ts'
import { suggestionTokens } from '#functions/alarm-scaler/suggestion-token.ts'
import { webhook } from '#functions/alarm-scaler/webhook.ts'
import { setNodeUnschedulable } from '#infra/sandbox/kubernetes/nodes.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import { terminate } from '#infra/sandbox/tke/machines.ts'
import type { Step } from '#shared/pure/step.ts'
import { FetchError, type FetchText } from '#shared/runtime/fetch-text.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import type { Chance } from '../chance.ts'
import type { CommonGround } from '../common-ground.ts'
import type { EventFunction } from '../events/event-function.ts'
import { EventSimulation } from '../events/event-simulation.ts'
import type { PlannedStep } from '../history.ts'
import type { AlarmDefinition, AlarmProcess } from '../sabotage.ts'
import type { Scenario } from '../scenario.ts'
import type { Forwarded } from '../sim-platform.ts'
import type { SimProcess } from '../sim-process.ts'
import type { Simulated, SimulateOptions } from '../simulation.ts'
import { clusterOf } from '../stage-world.ts'
import { warmUp } from '../warm-up.ts'
import { type AlarmMessage, markOfContent } from './alarm-messages.ts'
import { machineType, networkOf } from './alarm-network.ts'
import { alarmSecrets, payloadOf } from './alarm-payloads.ts'
import { type AlarmScene, nodeCores, type SimAlarmDeed, threshold } from './alarm-scene.ts'
import { figuresHost } from './alarm-section.ts'
import { AlarmWorld, poolOf } from './alarm-world.ts'
import { drawAlarmDeed } from './draw-alarms.ts'
import { mendRecord, spoilRecord } from './pool-records.ts'
import { podsWanted, setBudget, setLoad } from './stage-alarm.ts'

/** What is left of a world of the alarm-scaler. */
export interface SimulatedAlarm extends Simulated {
  readonly scene: AlarmScene
  readonly world: AlarmWorld
  /** Names of nodes that people keep closed. */
  readonly cordoned: ReadonlySet<string>
}

/** Lives through a scenario of the alarm-scaler and answers its history. The same scenario gives the same one. */
export async function simulateAlarm(scenario: Scenario, options: SimulateOptions = {}): Promise<SimulatedAlarm> {
  if (scenario.alarm === undefined) throw new TypeError('this is no scenario of the alarm-scaler')
  await warmUp()
  return await new AlarmSimulation(scenario, scenario.alarm, options).run()
}

const alarmScaler: EventFunction<Settings, Seen, AlarmChange, Tools> = {
  name: 'alarm-scaler',
  definition,
  queue,
  webhook,
  openTools,
  secrets: alarmSecrets,
  watchTools: (tools, watch) => ({
    ...tools,
    run: async (look, event, attempt, turn) =>
      await watch(
        look,
        { owner: `${event.id}/${event.attempt}/${attempt.now}/${turn}`, scheduledAt: attempt.now },
        async (watched) => await tools.run(watched, event, attempt, turn),
      ),
  }),
}

type Change = AlarmChange

/** Lives through a world of alarms. */
export class AlarmSimulation extends EventSimulation<Settings, Seen, Change, Tools> {
  protected readonly world: AlarmWorld
  readonly #scene: AlarmScene
  readonly #rivals: Chance
  /** The step that what is done now is for: of each chain of promises the one that began it. */
  readonly #step = new AsyncLocalStorage<string>()
  readonly #steps = new Map<string, { readonly change: Change; readonly after: string; readonly before: string; readonly target: string }>()
  readonly #open = new Set<string>()
  readonly #suggested: { readonly atMs: number; readonly request: SuggestionOrder }[] = []
  readonly #spoiled = new Map<number, KubeObject>()
  readonly #cordoned = new Set<string>()

  constructor(scenario: Scenario, scene: AlarmScene, options: SimulateOptions, ground?: CommonGround) {
    super({ scenario, options, of: alarmScaler, matter: 'simulation of alarms', lostNudges: scene.lostNudges, ground })
    this.#scene = scene
    const findStep = (key: string) => this.#steps.get(key)
    this.world = new AlarmWorld(scenario, scene, { loop: this.loop, history: this.history, findStep, shared: ground?.shared })
    this.#rivals = this.chance.of('rivals')
  }

  async run(): Promise<SimulatedAlarm> {
    await this.#meter()
    return this.#with(await this.live())
  }

  /** Writes everything into the loop, which somebody else lets run; so is what the license-meter finds out somebody else's matter. */
  async prepare(): Promise<void> {
    await this.begin()
  }

  outcome(): SimulatedAlarm {
    return this.#with(this.left())
  }

  #with(lived: Omit<Simulated, 'platform'>): SimulatedAlarm {
    return { ...lived, scene: this.#scene, platform: this.world, world: this.world, cordoned: this.#cordoned }
  }

  /** What the license-meter has found out a while ago. */
  async #meter(): Promise<void> {
    const { isMetered, entitledCores } = this.#scene.platform
    if (!isMetered) return
    this.world.look()
    const at = new Date(this.scenario.startMs - 60_000).toISOString()
    const regions = this.scenario.clusterIds.map((cluster, index) => {
      const used = this.world.sights.reduce(
        (sum, { members }, pool) => sum + (this.#scene.pools[pool]?.cluster === cluster ? members.length * nodeCores : 0),
        0,
      )
      const line =
        entitledCores === undefined
          ? { used: String(used), entitled: 'unlimited', unit: 'core', forecast: { kind: 'unlimited' } }
          : {
              used: String(used),
              entitled: String(entitledCores),
              free: String(Math.max(0, entitledCores - used)),
              unit: 'core',
              forecast: { kind: 'too-little-data', have: index, need: 24 },
            }
      return [
        networkOf(cluster).region,
        { at, overage: 'ok', products: { 'tke-managed-x86': line }, coverage: { measured: 1, hours: 1 } },
      ] as const
    })
    const memory = createMemory(openMemoryStore(this.disk), { function: 'license-meter', now: () => this.scenario.startMs })
    await memory.put('headroom', { format: 1, at, regions: Object.fromEntries(regions) })
  }

  protected arrangeScene(): void {
    const { messages, loads, deeds, soldOut, failing, budgets } = this.#scene
    const { behaviour } = this.world.core.world.tke
    for (const message of messages) this.loop.at(message.atMs, () => this.#announce(message))
    for (const { atMs, pool, pods } of loads) this.loop.at(atMs, () => this.#load(pool, pods))
    for (const deed of deeds) this.loop.at(deed.atMs, () => this.#act(deed))
    for (const { fromMs, untilMs } of soldOut) {
      this.#between(fromMs, untilMs, (isOn) => {
        behaviour.soldOut = isOn ? [machineType] : []
        this.note(`${machineType} is ${isOn ? 'sold out' : 'to be had again'}`)
      })
    }
    for (const { fromMs, untilMs } of failing) {
      this.#between(fromMs, untilMs, (isOn) => {
        behaviour.nodeFailureShare = isOn ? 0.7 : 0
        this.note(`new nodes ${isOn ? 'fail' : 'become ready again'}`)
      })
    }
    for (const { fromMs, untilMs, pool } of budgets) {
      this.#between(fromMs, untilMs, (isOn) => {
        this.world.core.advance()
        setBudget(this.world.core.world, poolOf(this.#scene, pool), isOn, this.loop.now)
        this.note(`pods of ${poolOf(this.#scene, pool).name} ${isOn ? 'must not' : 'may'} be evicted`)
      })
    }
    this.loop.at(this.scenario.quietMs, () => this.#mend())
  }

  #between(fromMs: number, untilMs: number, set: (isOn: boolean) => void): void {
    this.loop.at(fromMs, () => set(true))
    this.loop.at(untilMs, () => set(false))
  }

  #announce(message: AlarmMessage): void {
    const contents = message.contents.map(markOfContent).join(' ')
    const what = `${message.isForged ? 'forged ' : ''}${contents}`
    this.send({ what, ...payloadOf(message, this.#scene.series) }, message.machine)
  }

  #load(pool: number, pods: number): void {
    this.world.core.advance()
    setLoad(this.world.core.world, poolOf(this.#scene, pool), pods, this.loop.now)
    this.note(`LOAD ${poolOf(this.#scene, pool).name} ${pods} pods`)
    this.world.core.advance()
  }

  /** What people have done is put right when it becomes quiet. */
  #mend(): void {
    this.world.core.advance()
    const { world } = this.world.core
    for (const [pool, object] of this.#spoiled) mendRecord(world, poolOf(this.#scene, pool), object, this.loop.now)
    this.#spoiled.clear()
    for (const [index, { cluster }] of this.#scene.pools.entries()) {
      const closed = this.world.sights[index]?.closed ?? []
      for (const name of closed) if (this.#cordoned.has(name)) setNodeUnschedulable(clusterOf(world, cluster), name, false, this.loop.now)
    }
    this.#cordoned.clear()
    this.world.look()
  }

  #act({ deed, pool: index, pick }: SimAlarmDeed): void {
    if (deed === 'approve') {
      this.#approve(index, pick)
      return
    }
    const pool = poolOf(this.#scene, index)
    this.world.core.advance()
    const { world } = this.world.core
    const now = this.loop.now
    const sight = this.world.sights[index]
    if (sight === undefined) return
    const nodes = sight.members.filter(({ nodeName }) => nodeName !== undefined)
    const node = nodes[pick % Math.max(1, nodes.length)]
    const group = world.tke.clusters[pool.cluster]?.asGroups[pool.group]
    // What it wants from now on it does not get before now.
    if (group !== undefined) group.nextActivityMs = Math.max(group.nextActivityMs, now)
    let text = ''
    switch (deed) {
      case 'cordon':
      case 'uncordon':
        if (node?.nodeName === undefined) return
        setNodeUnschedulable(clusterOf(world, pool.cluster), node.nodeName, deed === 'cordon', now)
        if (deed === 'cordon') this.#cordoned.add(node.nodeName)
        else this.#cordoned.delete(node.nodeName)
        text = node.nodeName
        break
      case 'delete-node': {
        const machine = world.tke.machines[node?.id ?? '']
        if (machine === undefined || machine.chargeType === 'PREPAID') return
        if (group !== undefined && machine.node?.asGroupId === pool.group) {
          group.desiredSize = Math.max(group.minSize, group.desiredSize - 1)
          this.world.watch.taken(pool.group)
        }
        terminate(world, machine, now)
        text = node?.id ?? ''
        break
      }
      case 'bounds': {
        if (group === undefined || group.settles !== null) return
        const min = Math.max(0, group.minSize + (pick % 3) - 1)
        const wanted = group.desiredSize
        group.minSize = min
        group.maxSize = Math.max(min, group.maxSize + (Math.floor(pick / 3) % 3) - 1)
        group.desiredSize = Math.min(group.maxSize, Math.max(group.minSize, group.desiredSize))
        for (let place = group.desiredSize; place < wanted; place += 1) this.world.watch.taken(pool.group)
        this.world.watch.boundsSet(pool.group, { min: group.minSize, max: group.maxSize, size: sight.group.size }, now, false)
        text = `${pool.group} ${group.minSize} to ${group.maxSize}`
        break
      }
      case 'group-size': {
        if (group === undefined || group.settles !== null) return
        const before = group.desiredSize
        group.desiredSize = Math.min(group.maxSize, Math.max(group.minSize, before + (pick % 2 === 0 ? 1 : -1)))
        if (group.desiredSize < before) this.world.watch.taken(pool.group)
        text = `${pool.group} wants ${group.desiredSize}`
        break
      }
      case 'garble-record':
      case 'forget-record':
      case 'touch-record': {
        if (this.#spoiled.has(index)) return
        const how = deed === 'garble-record' ? 'garble' : deed === 'forget-record' ? 'forget' : 'touch'
        const object = spoilRecord(world, pool, how, now)
        if (object === undefined) return
        if (how === 'garble') this.#spoiled.set(index, object)
        text = pool.name
        break
      }
      case 'deploy': {
        const pods = Math.max(0, podsWanted(world, pool) + (pick % 7) - 3)
        setLoad(world, pool, pods, now)
        text = `${pods} pods in ${pool.name}`
        break
      }
    }
    this.history.add({
      at: now,
      kind: 'alarm-deed',
      pool: pool.name,
      deed,
      text: `${deed} ${text}`,
      ...(node === undefined ? {} : { node: node.id }),
    })
    this.world.core.advance()
  }

  /** Somebody follows a link that was sent for what some run has suggested. */
  #approve(index: number, pick: number): void {
    const { name } = poolOf(this.#scene, index)
    const own = this.#suggested.filter(({ request }) => request.pool === name)
    const chosen = own[own.length - 1 - (pick % Math.min(3, Math.max(1, own.length)))]
    if (chosen === undefined) return
    const { now } = this.loop
    const token = suggestionTokens.sign(
      { ...chosen.request, expiresAt: now + 3_600_000, nonce: `n${pick}` },
      alarmSecrets.SIM_APPROVAL_SECRET,
    )
    this.history.add({ at: now, kind: 'alarm-deed', pool: name, deed: 'approve', text: `approve ${chosen.request.key}` })
    this.send({ what: `an approval for ${name}`, path: `${suggestionTokens.path}/${token}`, headers: {}, body: 'by=somebody' })
  }

  protected sabotaged(plain: AlarmDefinition): AlarmDefinition {
    return this.options.sabotage?.alarm?.(plain) ?? plain
  }

  protected sabotagedProcess(process: AlarmProcess): AlarmProcess {
    return this.options.sabotage?.alarmProcess?.(process) ?? process
  }

  protected onBegan(): void {
    return
  }

  protected override plannedStep(step: Step<Change>): PlannedStep {
    const { key, target, before, after } = step
    if (step.verdict === 'change') this.#steps.set(key, { change: step.change, target, before, after })
    if ('suggestion' in step) this.#suggest(step.suggestion)
    return super.plannedStep(step)
  }

  #suggest(suggestion: unknown): void {
    const { data } = z.safeParse(SuggestionFacts, suggestion)
    if (data === undefined) return
    const { episode, key, policy, cluster, pool, nodes, mechanism } = data
    if (this.#suggested.some(({ request }) => request.key === key)) return
    const request = { key, policy, cluster, pool, alarm: episode.name, episode: episode.id, nodes, mechanism }
    this.#suggested.push({ atMs: this.loop.now, request })
  }

  protected override async applying<Result>(_process: SimProcess, step: Step<Change>, apply: () => Promise<Result>): Promise<Result> {
    const pool = step.verdict === 'change' ? step.change.pool : ''
    this.#open.add(pool)
    try {
      return await this.#step.run(step.key, apply)
    } finally {
      this.#open.delete(pool)
    }
  }

  protected keyOf(): string {
    return this.#step.getStore() ?? ''
  }

  /** Figures that policies ask for: as bad as what is the worst of their alarms. */
  protected override fetchTextOf(process: SimProcess): FetchText {
    return async (url) => {
      const { cloudMs } = this.scenario.latency
      await process.clock.sleep(this.#rivals.whole(1, cloudMs))
      const query = new URL(url).searchParams.get('query') ?? ''
      if (!this.isQuiet && this.#rivals.isTrue(0.05)) throw new FetchError('fetch.failed', `${figuresHost}: nobody answers`)
      const policy = this.#scene.policies.findIndex(({ name }) => query === `figure_of_${name.replaceAll('-', '_')}`)
      const value = figureAt(this.#scene, policy, this.loop.now)
      return JSON.stringify({
        status: 'success',
        data: { resultType: 'vector', result: [{ metric: {}, value: [this.loop.now / 1000, String(value)] }] },
      })
    }
  }

  /** Somebody may come in between, before whoever has read the record of a pool to write it does so. */
  protected onRead({ cluster, path }: Forwarded): void {
    const { rivalChance, quietMs, latency } = this.scenario
    if (!path.includes('/configmaps/longshore-pool-') || this.loop.now >= quietMs || rivalChance === 0) return
    const pool = this.#scene.pools.findIndex((one) => one.cluster === cluster && path.includes(`longshore-pool-${one.name}-`))
    if (pool < 0 || !this.#open.has(poolOf(this.#scene, pool).name) || !this.#rivals.isTrue(rivalChance)) return
    const deed = drawAlarmDeed(this.#rivals)
    const pick = this.#rivals.whole(0, 9_999)
    this.loop.after(this.#rivals.magnitude(1, 2 * latency.cloudMs), () => this.#act({ atMs: this.loop.now, deed, pool, pick }))
  }
}

/** What the figure of a policy really is: well below the threshold when nothing is wrong. */
export function figureAt({ series }: AlarmScene, policy: number, atMs: number): number {
  const values = series
    .filter((one) => one.policy === policy)
    .flatMap(({ episodes }) => episodes)
    .filter(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs)
    .map((episode) => episode.values.findLast((one) => one.atMs <= atMs)?.value ?? 0)
  return Math.max(threshold / 8, ...values)
}

const SuggestionFacts = z.object({
  key: z.string(),
  policy: z.string(),
  cluster: z.string(),
  pool: z.string(),
  episode: z.object({ id: z.string(), name: z.string() }),
  nodes: z.number(),
  mechanism: z.string(),
})

interface SuggestionOrder {
  readonly key: string
  readonly policy: string
  readonly cluster: string
  readonly pool: string
  readonly alarm: string
  readonly episode: string
  readonly nodes: number
  readonly mechanism: string
}
