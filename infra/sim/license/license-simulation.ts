import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import { createClient } from '#cloud/client.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import type { WireRequest } from '#cloud/wire.ts'
import { definition } from '#functions/license-meter/definition.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { type Config, checkConfig } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import { createKernel, type Kernel } from '#shared/runtime/kernel.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { runIdOf } from '#shared/runtime/report.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import type { Store } from '#shared/safety/store.ts'
import type { MemoryDisk } from '#shared/safety/store-memory.ts'
import { Chance } from '../chance.ts'
import { type CommonGround, newGround } from '../common-ground.ts'
import { createDirectTransport, type Wire } from '../direct-transport.ts'
import { drawStoreFate, drawWireFate } from '../draw-fate.ts'
import type { EventLoop } from '../event-loop.ts'
import { createFaultyStore } from '../faulty-store.ts'
import type { History } from '../history.ts'
import type { MeterDefinition } from '../sabotage.ts'
import type { Delivery, Scenario, Storm } from '../scenario.ts'
import { type Fate, SimProcess } from '../sim-process.ts'
import { afterwardsMs, journalSecret, type SimulateOptions } from '../simulation.ts'
import { warmUp } from '../warm-up.ts'
import type { MeterCall, MeterRun, SimulatedMeter } from './license-facts.ts'
import { type LicenceScene, licenceSection } from './license-scene.ts'
import { LicenceWorld } from './license-world.ts'
import { RecordWatch } from './record-watch.ts'

interface Machine {
  readonly index: number
  readonly name: string
  skewMs: number
  lives: number
  runtime: Runtime | undefined
  isBooting: boolean
  isBusy: boolean
  readonly waiting: Delivery[]
}

interface Runtime {
  readonly process: SimProcess
  readonly cloud: CloudWriter
  readonly store: Store
  readonly kernel: Kernel | undefined
}

/** What Lambda gives a run. */
const limitMs = 120_000

/** Lives through a scenario of the license-meter. The same scenario gives the same history. */
export async function simulateMeter(scenario: Scenario, options: SimulateOptions = {}): Promise<SimulatedMeter> {
  if (scenario.licence === undefined) throw new TypeError('this is no scenario of the license-meter')
  await warmUp()
  const { licence: scene } = scenario
  const document = {
    mode: scenario.mode,
    platform: { endpoint: 'https://platform.invalid', region: scene.regions[0]?.region },
    clusters: scene.regions.map(({ cluster, region }) => ({ id: cluster, region })),
    store: { kind: 'sqlite', path: 'unused.db' },
    functions: { 'license-meter': licenceSection(scene) },
  }
  const text = readJson(JSON.stringify(document))
  const config = await checkConfig({ text, source: 'the scenario', env: {}, schemas: { 'license-meter': definition.settings } })
  return await new MeterSimulation(scenario, scene, options.sabotage?.config?.(config) ?? config, options).run()
}

/** Lives through a world of the license-meter. */
export class MeterSimulation {
  readonly #scenario: Scenario
  readonly #scene: LicenceScene
  readonly #config: Config
  readonly #options: SimulateOptions
  readonly #loop: EventLoop
  readonly #history: History
  readonly #world: LicenceWorld
  readonly #disk: MemoryDisk
  readonly #ground: CommonGround
  readonly #machines: Machine[]
  readonly #runs: MeterRun[] = []
  readonly #chance: Chance
  readonly #fates: Chance
  readonly #wires: Chance
  readonly #storage: Chance
  readonly #storms = new Set<Storm>()
  readonly #watch: RecordWatch
  #bug: unknown

  constructor(scenario: Scenario, scene: LicenceScene, config: Config, options: SimulateOptions, ground = newGround(scenario.startMs)) {
    this.#ground = ground
    this.#disk = ground.disk
    this.#scenario = scenario
    this.#scene = scene
    this.#config = config
    this.#options = options
    this.#loop = ground.loop
    this.#history = ground.history
    this.#world = new LicenceWorld(scenario, scene, { loop: this.#loop, history: this.#history, shared: ground.shared })
    this.#watch = new RecordWatch(this.#disk, this.#loop, this.#history)
    this.#chance = new Chance(scenario.seed, 'simulation of the meter')
    this.#fates = this.#chance.of('fates')
    this.#wires = this.#chance.of('wires')
    this.#storage = this.#chance.of('store')
    this.#machines = scenario.machines.map(({ name, skewMs }, index) => {
      return { index, name, skewMs, lives: 0, runtime: undefined, isBooting: false, isBusy: false, waiting: [] }
    })
  }

  async run(): Promise<SimulatedMeter> {
    this.prepare()
    await this.#loop.runUntil(this.#scenario.lastTickMs + afterwardsMs)
    return this.outcome()
  }

  /** Writes everything into the loop. */
  prepare(): void {
    this.#note(`a world begins at ${new Date(this.#scenario.startMs).toISOString()}`)
    this.#arrange()
  }

  outcome(): SimulatedMeter {
    if (this.#bug !== undefined) throw this.#bug
    return {
      scenario: this.#scenario,
      scene: this.#scene,
      history: this.#history,
      world: this.#world,
      disk: this.#disk,
      runs: this.#runs,
      heads: this.#watch.heads,
      config: this.#config,
      endMs: this.#loop.now,
    }
  }

  #note(text: string): void {
    this.#history.add({ at: this.#loop.now, kind: 'note', text })
  }

  readonly #onBug = (error: unknown): void => {
    this.#bug ??= error
  }

  #arrange(): void {
    const { deliveries, jumps, storms, quietMs, seed } = this.#scenario
    for (const delivery of deliveries) this.#loop.at(delivery.atMs, () => this.#hand(delivery))
    for (const growth of this.#scene.growth) this.#loop.at(growth.atMs, () => this.#world.grow(growth))
    for (const { atMs, machine, skewMs } of jumps) this.#loop.at(atMs, () => this.#setClock(machine, skewMs))
    for (const [index, storm] of storms.entries()) {
      this.#loop.at(storm.fromMs, () => {
        this.#note(`${storm.flavour} storm on the ${storm.on} begins`)
        const end = storm.on === 'cloud' ? this.#world.storm(storm, seed * 7 + index) : this.#stormOnStore(storm)
        this.#loop.at(storm.untilMs, () => {
          end()
          this.#note(`${storm.flavour} storm on the ${storm.on} is over`)
        })
      })
    }
    this.#loop.at(quietMs, () => {
      this.#note('it becomes quiet')
      for (const { index } of this.#machines) this.#setClock(index, 0)
    })
  }

  #stormOnStore(storm: Storm): () => void {
    this.#storms.add(storm)
    return () => {
      this.#storms.delete(storm)
    }
  }

  #setClock(index: number, skewMs: number): void {
    const machine = this.#machines[index]
    if (machine === undefined || machine.skewMs === skewMs) return
    this.#note(`the clock of ${machine.name} is ${skewMs} ms ahead, not ${machine.skewMs}`)
    machine.skewMs = skewMs
  }

  #hand(delivery: Delivery): void {
    const machine = this.#machines[delivery.machine]
    if (machine === undefined) return
    machine.waiting.push(delivery)
    this.#work(machine)
  }

  #work(machine: Machine): void {
    if (machine.isBusy || machine.isBooting || machine.waiting.length === 0) return
    if (machine.runtime === undefined) {
      machine.isBooting = true
      this.#boot(machine).then(() => {
        machine.isBooting = false
        this.#work(machine)
      }, this.#onBug)
      return
    }
    const delivery = machine.waiting.shift()
    if (delivery !== undefined) this.#start(machine, machine.runtime, delivery)
  }

  async #boot(machine: Machine): Promise<void> {
    const { sabotage } = this.#options
    machine.lives += 1
    const process = new SimProcess(`${machine.name}.${machine.lives}`, this.#loop, () => machine.skewMs)
    this.#history.add({ at: this.#loop.now, kind: 'process', process: process.name, text: 'starts' })
    const client = createClient({
      credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
      region: this.#config.platform.region,
      endpoint: this.#config.platform.endpoint,
      clock: process.clock,
      transport: createDirectTransport({
        process,
        loop: this.#loop,
        open: (request) => this.#open(request, process),
        drawFate: () => drawWireFate(this.#wires, this.#scenario.latency, this.#isQuiet),
        onBug: this.#onBug,
      }),
      random: this.#chance.of(`client of ${process.name}`).next,
    })
    const watched = this.#watched(client, process)
    const cloud = sabotage?.cloud?.(watched) ?? watched
    const plain = createFaultyStore({
      diskOf: () => this.#disk,
      process,
      loop: this.#loop,
      drawFate: (isWrite) =>
        drawStoreFate(this.#storage, this.#scenario.latency, { storms: this.#storms, isQuiet: this.#isQuiet, isWrite }),
      onCarriedOut: (call, owner) => this.#watch.carriedOut(call, { process: process.name, owner }, process.clock.now()),
      onAnswered: () => undefined,
      onFailed: (text, owner) =>
        this.#history.add({ at: this.#loop.now, kind: 'store-failed', doer: { process: process.name, owner }, text }),
    })
    const store = sabotage?.store?.(plain) ?? plain
    const resolveReference = (): Promise<string> => Promise.resolve(journalSecret)
    const ports = { config: this.#config, store, cloud, now: process.clock.now, redact: (text: string) => text, resolveReference }
    const kernel = this.#config.mode === 'enforce' ? await createKernel(ports) : undefined
    process.onFreeze = (ms) =>
      this.#history.add({ at: this.#loop.now, kind: 'process', process: process.name, text: `stands still for ${ms} ms` })
    process.onDeath = (what) => {
      this.#history.add({ at: this.#loop.now, kind: 'process', process: process.name, text: what })
      machine.runtime = undefined
      machine.isBusy = false
      this.#loop.after(this.#fates.magnitude(200, 30_000), () => this.#work(machine))
    }
    machine.runtime = { process, cloud, store, kernel }
  }

  get #isQuiet(): boolean {
    return this.#loop.now >= this.#scenario.quietMs
  }

  #start(machine: Machine, runtime: Runtime, { scheduledAt }: Delivery): void {
    const { process } = runtime
    const { fatesOfRun, sabotage } = this.#options
    const count = this.#runs.length + 1
    const owner = `${process.name}/${count}`
    machine.isBusy = true
    process.begin(owner, fatesOfRun === undefined ? (this.#isQuiet ? [] : this.#drawFates()) : fatesOfRun(count))
    const isHurried = !this.#isQuiet && this.#fates.isTrue(this.#scenario.hurryChance)
    const endsAt = this.#loop.now + (isHurried ? this.#fates.whole(2_000, 20_000) : limitMs)
    const now = process.clock.now()
    const run: MeterRun = { owner, beganMs: this.#loop.now, processNow: now, calls: [], report: undefined, endedMs: 0, failure: undefined }
    this.#runs.push(run)
    const runId = runIdOf('license-meter', scheduledAt)
    const facts = { scheduledAt, processNow: now, remainingMs: endsAt - this.#loop.now, version: 0, approved: undefined }
    this.#history.add({ at: this.#loop.now, kind: 'run-began', doer: { process: process.name, owner }, runId, ...facts })
    let isOver = false
    const over = (): void => {
      isOver = true
      if (!process.isAlive) return
      process.end()
      machine.isBusy = false
      this.#work(machine)
    }
    this.#loop.at(endsAt, () => {
      if (!isOver) process.die('is ended, its time is over')
    })
    const meter: MeterDefinition = sabotage?.meter?.(definition) ?? definition
    runSchedule(meter, {
      config: this.#config,
      cloud: runtime.cloud,
      kernel: runtime.kernel,
      store: runtime.store,
      owner,
      now,
      scheduledAt,
      trigger: { kind: 'eventbridge-scheduler' },
      log: silentLog,
      remainingMs: () => endsAt - this.#loop.now,
      waitClock: process.clock,
    }).then(
      (report) => {
        run.report = report
        run.endedMs = this.#loop.now
        run.failure = report.failure?.code
        const { decisions, failure } = report
        const text = failure === undefined ? undefined : `${failure.text} (${failure.code})`
        this.#history.add({ at: this.#loop.now, kind: 'run-ended', doer: { process: process.name, owner }, decisions, failure: text })
        over()
      },
      (error: unknown) => {
        const text = error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 3).join(' ') : String(error)
        this.#history.add({ at: this.#loop.now, kind: 'run-threw', doer: { process: process.name, owner }, text })
        over()
      },
    )
  }

  /** The client, the calls of the function written down with their run. */
  #watched(client: CloudWriter, process: SimProcess): CloudWriter {
    return {
      send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
        const run = this.#runs.findLast(({ owner }) => owner === process.owner)
        const call: MeterCall = { action: action.name, region: options?.region ?? '', requestId: undefined }
        run?.calls.push(call)
        const answer = await client.send(action, request, options)
        const requestId: unknown = Reflect.get(Object(answer), 'RequestId')
        if (typeof requestId === 'string') call.requestId = requestId
        return answer
      },
    }
  }

  #open(request: WireRequest, process: SimProcess): Wire {
    const doer = { process: process.name, owner: process.owner }
    const wireId = this.#ground.numbers.wire()
    const text = `${request.headers['x-tc-action'] ?? '?'} ${request.headers['x-tc-region'] ?? ''}`.trim()
    this.#history.add({ at: this.#loop.now, kind: 'sent', doer, wireId, callId: 0, text })
    return {
      receive: async (received) => await this.#world.receive(received, wireId),
      end: (outcome, how) => this.#history.add({ at: this.#loop.now, kind: 'answered', doer, wireId, callId: 0, outcome, text: how }),
    }
  }

  #drawFates(): readonly Fate[] {
    const { cutChance, freezeChance } = this.#scenario
    const chance = this.#fates
    const place = (): Pick<Fate, 'place' | 'countsChanges'> =>
      chance.weighed<Pick<Fate, 'place' | 'countsChanges'>>([
        [4, { place: chance.whole(1, 40) }],
        [5, { place: chance.whole(1, 12), countsChanges: true }],
      ])
    const cut = place()
    const freeze = { ...place(), freezeMs: chance.magnitude(2_000, 720_000) }
    return [...(chance.isTrue(freezeChance) ? [freeze] : []), ...(chance.isTrue(cutChance) ? [cut] : [])]
  }
}
