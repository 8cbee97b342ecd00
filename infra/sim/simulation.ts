import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import { createClient } from '#cloud/client.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { CloudError } from '#cloud/errors.ts'
import type { WireRequest } from '#cloud/wire.ts'
import { definition as cronScaler } from '#functions/cron-scaler/definition.ts'
import { definition as imageCleaner } from '#functions/image-cleaner/definition.ts'
import type { ImageChange } from '#functions/image-cleaner/image-change.ts'
import { parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { Step } from '#shared/pure/step.ts'
import { type Config, checkConfig } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import type { DefinitionFacts, ScheduleDefinition } from '#shared/runtime/definition.ts'
import { FetchError, type FetchText } from '#shared/runtime/fetch-text.ts'
import { createKernel, type Kernel } from '#shared/runtime/kernel.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { type RunReport, runIdOf } from '#shared/runtime/report.ts'
import { type RunOptions, runSchedule } from '#shared/runtime/run.ts'
import { setSwitch } from '#shared/safety/kill-switch-store.ts'
import { createPlanDocument, matchPlan, type PlanDocument } from '#shared/safety/plan-document.ts'
import { type MemoryDisk, openMemoryStore, type StoreCall } from '#shared/safety/store-memory.ts'
import { Chance } from './chance.ts'
import { type CommonGround, newGround } from './common-ground.ts'
import { createDirectTransport, type Wire, type WireFate } from './direct-transport.ts'
import { drawStoreFate, drawWireFate } from './draw-fate.ts'
import type { EventLoop } from './event-loop.ts'
import { createFaultyStore, type StoreFate } from './faulty-store.ts'
import { changesOf, type Doer, type History, type PlannedStep, type PlannedTag, type WriteCall } from './history.ts'
import { drawImageDeed, type ImageDeed, quarantineRepository } from './images/image-scene.ts'
import { relativeProbe } from './relative-probe.ts'
import type { Cleaner, Review, Sabotage } from './sabotage.ts'
import { type Delivery, drawRival, quietMinutes, type Scenario, type Storm } from './scenario.ts'
import { type Forwarded, SimPlatform, type Told } from './sim-platform.ts'
import { type Fate, SimProcess } from './sim-process.ts'
import { calendarHost, calendarText, functionNameOf, markOn, stageDocument, switchPath, targetOfPath } from './stage-world.ts'
import { warmUp } from './warm-up.ts'

export interface SimulateOptions {
  readonly sabotage?: Sabotage | undefined
  /** How long a week is, in days: seven when absent. */
  readonly days?: number | undefined
  /** Takes the place of chance: what becomes of the n-th run, counted from 1 over all processes. */
  readonly fatesOfRun?: ((run: number) => readonly Fate[]) | undefined
}

/** What is left of a world at the end, for the checks. */
export interface Simulated {
  readonly scenario: Scenario
  readonly history: History
  readonly platform: Pick<SimPlatform, 'core' | 'images'>
  readonly disk: MemoryDisk
  /** When the last run began. */
  readonly lastTickMs: number
  /** Secret of the journal's seals. */
  readonly journalKey: string | undefined
  readonly sabotage: Sabotage
  /** Places at which each run waited, in the order in which the runs began: what there is to cut. */
  readonly placesOfRuns: readonly number[]
}

export const journalSecret = 'secret of the simulation'
/** What Lambda gives a run here. */
const timeLimitsMs = {
  'cron-scaler': 55_000,
  'relative-probe': 55_000,
  'image-cleaner': 840_000,
  'redeploy-hook': 75_000,
  'alarm-scaler': 75_000,
  'license-meter': 120_000,
} as const
/** How long a run may take where nobody ends it. */
const noLimitMs = 24 * 3_600_000
/** How long everything goes on after the last tick. */
export const afterwardsMs = 5 * 60_000

/** Lives through a scenario and answers its history. The same scenario gives the same one. */
export async function simulate(scenario: Scenario, options: SimulateOptions = {}): Promise<Simulated> {
  await warmUp()
  const simulation = new Simulation(scenario, options)
  return await simulation.run()
}

/** A machine that processes run on, one at a time. */
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

/** A process with what it made for itself when it started. */
interface Runtime {
  readonly process: SimProcess
  readonly cloud: CloudWriter
  readonly kernel: Kernel
  readonly version: ConfigVersion
}

/** The configuration that a process was started with. */
interface ConfigVersion {
  readonly index: number
  readonly config: Config
}

/** Told of what a run says of itself. */
interface Follower {
  readonly looksAhead: (instants: readonly number[]) => void
  /** A run begins: the first of an invocation, or one that it was waited for. */
  readonly begins: (now: number) => void
}

/** A plan as somebody was shown it. */
interface PrintedPlan {
  readonly document: PlanDocument
  readonly steps: readonly Step<unknown>[]
  readonly changes: readonly string[]
}

/** Lets through what stands in a plan as it is, as `longshore apply` does. */
function reviewOf(document: PlanDocument): Review {
  return (steps) => new Set(matchPlan(document, steps).approved)
}

/** Lives through a world of a function that only a schedule starts. */
export class Simulation {
  readonly #scenario: Scenario
  readonly #options: SimulateOptions
  readonly #loop: EventLoop
  readonly #history: History
  readonly #platform: SimPlatform
  readonly #disk: MemoryDisk
  readonly #ground: CommonGround
  readonly #machines: Machine[]
  readonly #chance: Chance
  readonly #fates: Chance
  readonly #wires: Chance
  readonly #storage: Chance
  readonly #rivals: Chance
  readonly #fetches: Chance
  readonly #openCalls = new Map<SimProcess, WriteCall[]>()
  readonly #placesOfRuns: number[] = []
  #configs: readonly Config[] = []
  #version: ConfigVersion | undefined
  #bug: unknown

  constructor(scenario: Scenario, options: SimulateOptions, ground = newGround(scenario.startMs)) {
    this.#ground = ground
    this.#disk = ground.disk
    this.#scenario = scenario
    this.#options = options
    this.#loop = ground.loop
    this.#history = ground.history
    this.#platform = new SimPlatform(scenario, { loop: this.#loop, history: this.#history, shared: ground.shared })
    this.#chance = new Chance(scenario.seed, 'simulation')
    this.#fates = this.#chance.of('fates')
    this.#wires = this.#chance.of('wires')
    this.#storage = this.#chance.of('store')
    this.#rivals = this.#chance.of('rivals')
    this.#fetches = this.#chance.of('fetches')
    this.#machines = scenario.machines.map(({ name, skewMs }, index) => ({
      index,
      name,
      skewMs,
      lives: 0,
      runtime: undefined,
      isBooting: false,
      isBusy: false,
      waiting: [],
    }))
  }

  async run(): Promise<Simulated> {
    await this.prepare()
    await this.#loop.runUntil(this.#scenario.lastTickMs + afterwardsMs)
    return this.outcome()
  }

  /** Writes everything that is going to happen into the loop. */
  async prepare(): Promise<void> {
    const { config } = this.#ground.shared ?? {}
    this.#configs = config === undefined ? await readConfigs(this.#scenario) : [config]
    this.#setVersion(0)
    this.#note(`a world begins at ${new Date(this.#scenario.startMs).toISOString()}`)
    this.#arrange()
  }

  get platform(): SimPlatform {
    return this.#platform
  }

  outcome(): Simulated {
    if (this.#bug !== undefined) throw this.#bug
    return {
      scenario: this.#scenario,
      history: this.#history,
      platform: this.#platform,
      disk: this.#disk,
      lastTickMs: this.#scenario.lastTickMs,
      journalKey: this.#scenario.hasJournalKey ? journalSecret : undefined,
      sabotage: this.#options.sabotage ?? {},
      placesOfRuns: this.#placesOfRuns,
    }
  }

  #note(text: string): void {
    this.#history.add({ at: this.#loop.now, kind: 'note', text })
  }

  readonly #onBug = (error: unknown): void => {
    this.#bug ??= error
  }

  /** Writes everything that is going to happen into the loop. */
  #arrange(): void {
    const { deliveries, jumps, storms, people, switchings, quietMs, images } = this.#scenario
    for (const delivery of deliveries) this.#loop.at(delivery.atMs, () => this.#deliver(delivery))
    for (const { atMs, machine, skewMs } of jumps) this.#loop.at(atMs, () => this.#setClock(machine, skewMs))
    for (const deed of people) this.#loop.at(deed.atMs, () => this.#platform.act(deed))
    for (const deed of images?.deeds ?? []) this.#loop.at(deed.atMs, () => this.#actOnImages(deed))
    for (const { atMs, version } of images?.edits ?? []) this.#loop.at(atMs, () => this.#setVersion(version))
    for (const { atMs, to } of switchings) this.#loop.at(atMs, () => this.#setSwitch(to))
    for (const [index, storm] of storms.entries()) this.#raise(storm, index)
    this.#loop.at(quietMs, () => {
      this.#note('it becomes quiet')
      this.#platform.images?.allow(true)
      for (const { index } of this.#machines) this.#setClock(index, 0)
    })
  }

  /** Somebody edits the configuration. A run that is under way goes by the old one to its end; what starts then starts with the new one. */
  #setVersion(index: number): void {
    const config = this.#configs[index]
    if (config === undefined) return
    this.#version = { index, config }
    if (index > 0) this.#history.add({ at: this.#loop.now, kind: 'edited', version: index })
  }

  #actOnImages(deed: ImageDeed): void {
    this.#platform.core.advance()
    this.#platform.images?.act(deed)
  }

  #setClock(index: number, skewMs: number): void {
    const machine = this.#machines[index]
    if (machine === undefined || machine.skewMs === skewMs) return
    this.#note(`the clock of ${machine.name} is ${skewMs} ms ahead, not ${machine.skewMs}`)
    machine.skewMs = skewMs
  }

  #setSwitch(to: 'run' | 'stop' | 'gone'): void {
    const said = (): void => this.#history.add({ at: this.#loop.now, kind: 'switch-set', to })
    if (this.#scenario.guard.killSwitch === 'configMap') {
      this.#platform.setSwitch(to)
      said()
      return
    }
    // A switch in the store cannot be gone: an item that is not there says run.
    const store = openMemoryStore(this.#disk, { after: ({ operation }) => (operation === 'put' ? said() : undefined) })
    setSwitch(store, { state: to === 'gone' ? 'stop' : to, by: 'the simulation', reason: 'to see', now: this.#loop.now }).catch(this.#onBug)
  }

  /** Storms on the store, as they are now. */
  readonly #storeStorms = new Set<Storm>()

  #raise(storm: Storm, index: number): void {
    const part = storm.match?.action ?? 'writes'
    const name = `${storm.flavour} storm on the ${storm.on}${storm.match === undefined ? '' : `'s ${part}`}`
    this.#loop.at(storm.fromMs, () => {
      this.#note(`${name} begins`)
      const end = storm.on === 'cloud' ? this.#platform.storm(storm, this.#scenario.seed * 7 + index) : this.#raiseOnStore(storm)
      this.#loop.at(storm.untilMs, () => {
        end()
        this.#note(`${name} is over`)
      })
    })
  }

  #raiseOnStore(storm: Storm): () => void {
    this.#storeStorms.add(storm)
    return () => {
      this.#storeStorms.delete(storm)
    }
  }

  #deliver(delivery: Delivery): void {
    const machine = this.#machines[delivery.machine]
    if (machine === undefined) return
    machine.waiting.push(delivery)
    this.#work(machine)
  }

  /** Lets a machine take up what waits for it, if it can. */
  #work(machine: Machine): void {
    if (machine.isBusy || machine.isBooting || machine.waiting.length === 0) return
    if (machine.runtime !== undefined && machine.runtime.version !== this.#version) this.#retire(machine, machine.runtime)
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

  /** A process of an older configuration gets no more to do. */
  #retire(machine: Machine, { process }: Runtime): void {
    this.#history.add({
      at: this.#loop.now,
      kind: 'process',
      process: process.name,
      text: 'is not used any more, its configuration is old',
    })
    machine.runtime = undefined
  }

  async #boot(machine: Machine): Promise<void> {
    const { sabotage } = this.#options
    const version = this.#version
    if (version === undefined) return
    const { config } = version
    machine.lives += 1
    const process = new SimProcess(`${machine.name}.${machine.lives}`, this.#loop, () => machine.skewMs)
    this.#history.add({ at: this.#loop.now, kind: 'process', process: process.name, text: 'starts' })
    const openCalls: WriteCall[] = []
    this.#openCalls.set(process, openCalls)
    const plainClient = createClient({
      credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
      region: config.platform.region,
      endpoint: config.platform.endpoint,
      clock: process.clock,
      transport: createDirectTransport({
        process,
        loop: this.#loop,
        open: (request) => this.#open(request, process, openCalls),
        drawFate: () => this.#drawWire(),
        onBug: this.#onBug,
      }),
      random: this.#chance.of(`client of ${process.name}`).next,
    })
    const client = sabotage?.client?.(plainClient, process.clock) ?? plainClient
    const sabotagedCloud = sabotage?.cloud?.(this.#watched(client, process, openCalls)) ?? this.#watched(client, process, openCalls)
    const faulty = createFaultyStore({
      diskOf: (partition) => sabotage?.disk?.(this.#disk, partition) ?? this.#disk,
      process,
      loop: this.#loop,
      drawFate: (isWrite) => this.#drawStore(isWrite),
      onCarriedOut: (call, owner) => this.#onStored(call, { process: process.name, owner }, process.clock.now()),
      onAnswered: ({ partition }, owner, carriedOutAt, answer) => {
        if (partition === 'guard/kill-switch') this.#onSwitchRead({ process: process.name, owner }, carriedOutAt, answer)
      },
      onFailed: (text, owner) =>
        this.#history.add({ at: this.#loop.now, kind: 'store-failed', doer: { process: process.name, owner }, text }),
    })
    const kernel = await createKernel({
      config: sabotage?.config?.(config) ?? config,
      store: sabotage?.store?.(faulty) ?? faulty,
      cloud: sabotagedCloud,
      now: process.clock.now,
      redact: (text) => text,
      resolveReference: () => Promise.resolve(journalSecret),
    })
    process.onFreeze = (ms) =>
      this.#history.add({ at: this.#loop.now, kind: 'process', process: process.name, text: `stands still for ${ms} ms` })
    process.onDeath = (what) => {
      this.#history.add({ at: this.#loop.now, kind: 'process', process: process.name, text: what })
      machine.runtime = undefined
      machine.isBusy = false
      this.#loop.after(this.#fates.magnitude(200, 60_000), () => this.#work(machine))
    }
    machine.runtime = { process, cloud: sabotagedCloud, kernel: sabotage?.kernel?.(kernel) ?? kernel, version }
  }

  #start(machine: Machine, { process, cloud, kernel, version }: Runtime, { scheduledAt }: Delivery): void {
    const { config } = version
    const scenario = this.#scenario
    const isQuiet = this.#loop.now >= scenario.quietMs
    const run = this.#ground.numbers.run()
    const owner = `${process.name}/${run}`
    const doer = { process: process.name, owner }
    machine.isBusy = true
    const { fatesOfRun } = this.#options
    const fates = fatesOfRun === undefined ? this.#drawFates() : fatesOfRun(run)
    const limitMs = this.#drawLimit()
    process.begin(owner, isQuiet && fatesOfRun === undefined ? [] : fates)
    const endsAt = this.#loop.now + (isQuiet ? timeLimitsMs[scenario.function] : limitMs)
    this.#endOfRun.set(owner, endsAt)
    const now = process.clock.now()
    const approved = scenario.needsApproval && !isQuiet ? this.#lastPlan : undefined
    this.#history.add({
      at: this.#loop.now,
      kind: 'run-began',
      doer,
      runId: runIdOf(functionNameOf(scenario), scheduledAt),
      scheduledAt,
      processNow: now,
      remainingMs: endsAt - this.#loop.now,
      version: version.index,
      approved: approved?.changes,
    })
    let isOver = false
    const over = (): void => {
      isOver = true
      this.#placesOfRuns[run - 1] = process.places
      if (!process.isAlive) return
      process.end()
      machine.isBusy = false
      this.#work(machine)
    }
    const follow = this.#follower(process, { owner, endsAt, approved })
    const onReport = ({ decisions, failure }: RunReport): void => {
      const of = process.owner
      this.#lastPlan = this.#plans.get(of) ?? this.#lastPlan
      this.#history.add({ at: this.#loop.now, kind: 'run-ended', doer: { ...doer, owner: of }, decisions, failure: failure?.text })
    }
    const options = {
      config: this.#options.sabotage?.config?.(config) ?? config,
      cloud,
      kernel,
      owner,
      now,
      scheduledAt,
      trigger: { kind: 'eventbridge-scheduler' },
      log: silentLog,
      remainingMs: () => endsAt - this.#loop.now,
      waitClock: process.clock,
      fresh: scenario.lookEveryMs === undefined && scheduledAt === scenario.quietMs + quietMinutes[0] * 60_000,
      fetchText: this.#fetcher(process),
      onReport,
      ...(approved === undefined ? {} : { review: this.#reviewOf(approved) }),
    } as const
    this.#loop.at(endsAt, () => {
      if (!isOver) process.die('is ended, its time is over')
    })
    const ran = this.#run(process, follow, options)
    ran.then(over, (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 3).join(' ') : String(error)
      this.#history.add({ at: this.#loop.now, kind: 'run-threw', doer: { ...doer, owner: process.owner }, text })
      over()
    })
  }

  #run(process: SimProcess, follow: Follower, options: RunOptions): Promise<unknown> {
    switch (this.#scenario.function) {
      case 'cron-scaler':
        return runSchedule(this.#watchedDefinition(cronScaler, process, follow), options)
      case 'relative-probe':
        return runSchedule(this.#watchedDefinition(relativeProbe, process, follow), options)
      case 'image-cleaner':
        return runSchedule(this.#watchedCleaner(process), options)
      case 'redeploy-hook':
      case 'alarm-scaler':
        throw new TypeError('the worlds of functions that webhooks start are lived through by an EventSimulation')
      case 'license-meter':
        throw new TypeError('the worlds of the license-meter are lived through by simulateMeter')
    }
  }

  /** Follows a run that looks ahead: what it waits for, and each further run that it then begins by itself. */
  #follower(
    process: SimProcess,
    { owner, endsAt, approved }: { readonly owner: string; readonly endsAt: number; readonly approved: PrintedPlan | undefined },
  ): Follower {
    let ahead: readonly number[] = []
    let count = -1
    return {
      looksAhead: (instants) => {
        ahead = instants
      },
      begins: (now) => {
        count += 1
        if (count === 0) return
        process.owner = `${owner}/${count}`
        this.#endOfRun.set(process.owner, endsAt)
        const scheduledAt = Math.max(...ahead.filter((instant) => instant <= now))
        this.#history.add({
          at: this.#loop.now,
          kind: 'run-began',
          doer: { process: process.name, owner: process.owner },
          runId: runIdOf(functionNameOf(this.#scenario), scheduledAt),
          scheduledAt,
          processNow: now,
          remainingMs: endsAt - this.#loop.now,
          version: 0,
          approved: approved?.changes,
        })
      },
    }
  }

  /** Reads calendars, which take their time and cannot always be had. */
  #fetcher(process: SimProcess): FetchText {
    return (url) =>
      new Promise((resolve, reject) => {
        if (!process.pass('other')) return
        const { cloudMs } = this.#scenario.latency
        const isLost = this.#loop.now < this.#scenario.quietMs && this.#fetches.isTrue(0.3)
        process.comeBack(this.#loop.now + this.#fetches.whole(1, 2 * cloudMs), 'other', () => {
          const calendar = this.#scenario.calendars.find(({ name }) => url === `https://${calendarHost}/${name}.yaml`)
          if (calendar !== undefined && !isLost) resolve(calendarText(calendar))
          else reject(new FetchError('fetch.failed', `${calendarHost} did not answer.`))
        })
      })
  }

  #reviewOf({ document }: PrintedPlan): Review {
    const review = reviewOf(document)
    return this.#options.sabotage?.review?.(review) ?? review
  }

  /** The function itself, its plans written down. */
  #watchedDefinition<Settings, Observed, Change>(
    plain: ScheduleDefinition<Settings, Observed, Change>,
    process: SimProcess,
    follow: Follower,
  ): ScheduleDefinition<Settings, Observed, Change> {
    const definition = this.#options.sabotage?.definition?.(plain) ?? plain
    const { ahead } = definition
    return {
      ...definition,
      observe: (cloud, config, now, around) => {
        follow.begins(now)
        return definition.observe(cloud, config, now, around)
      },
      ...(ahead === undefined
        ? {}
        : {
            ahead: (observed, config, now, untilMs) => {
              const instants = ahead(observed, config, now, untilMs)
              follow.looksAhead(instants)
              return instants
            },
          }),
      plan: (observed, config, now) => {
        const plan = definition.plan(observed, config, now)
        this.#notePlan(definition.name, process, plan, now)
        return plan
      },
    }
  }

  /** The image-cleaner, its plans written down and each of its steps known while it is carried out. */
  #watchedCleaner(process: SimProcess): Cleaner {
    const definition = this.#options.sabotage?.cleaner?.(imageCleaner) ?? imageCleaner
    return {
      ...definition,
      plan: (observed, config, now) => {
        const plan = definition.plan(observed, config, now)
        this.#notePlan(definition.name, process, plan, now, tagsOfChange)
        return plan
      },
      apply: async (step, cloud, config, now) => {
        const open = this.#openSteps.get(process) ?? new Map<string, string>()
        this.#openSteps.set(process, open)
        open.set(step.target, step.key)
        return await definition.apply(step, cloud, config, now)
      },
    }
  }

  /** Keys of the steps that a process has begun last, by their targets: nothing in a call to the registry says for which step it is. */
  readonly #openSteps = new Map<SimProcess, Map<string, string>>()

  /** A plan, or the next part of one. */
  #notePlan<Change>(
    name: DefinitionFacts<unknown, unknown, unknown>['name'],
    process: SimProcess,
    plan: readonly Step<Change>[],
    now: number,
    tagsOf?: (change: Change) => readonly PlannedTag[] | undefined,
  ): void {
    const doer = { process: process.name, owner: process.owner }
    const steps = plan.map((step): PlannedStep => {
      const { key, target, before, after, reason, verdict } = step
      const tags = step.verdict === 'change' ? tagsOf?.(step.change) : undefined
      return { key, target, before, after, code: reason.code, verdict, ...(tags === undefined ? {} : { tags }) }
    })
    const earlier = this.#plans.get(doer.owner)
    const all = [...(earlier?.steps ?? []), ...plan]
    const hashes = { configHash: '', observedHash: '' }
    const document = createPlanDocument({ function: name, createdAt: now, steps: all, ...hashes })
    this.#plans.set(doer.owner, { document, steps: all, changes: [...(earlier?.changes ?? []), ...changesOf(steps)] })
    this.#history.add({ at: this.#loop.now, kind: 'planned', doer, now, steps })
  }

  /** The client, its writing calls written down. */
  #watched(client: CloudWriter, process: SimProcess, openCalls: WriteCall[]): CloudWriter {
    return {
      send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
        if (action.effect === 'read') return await client.send(action, request, options)
        const { method, path, body } = callFacts(action, request)
        const call: WriteCall = {
          id: this.#ground.numbers.call(),
          process: process.name,
          owner: process.owner,
          method,
          path,
          body,
          key: this.#keyOf(process, { method, path, body }),
          processNow: process.clock.now(),
          remainingMs: this.#remainingOf(process),
        }
        openCalls.push(call)
        this.#history.add({ at: this.#loop.now, kind: 'write-began', call })
        const end = (outcome: string): void => {
          openCalls.splice(openCalls.indexOf(call), 1)
          this.#history.add({ at: this.#loop.now, kind: 'write-ended', call, outcome })
        }
        try {
          const answer = await client.send(action, request, options)
          end('ok')
          return answer
        } catch (error) {
          end(error instanceof CloudError ? error.kind : String(error))
          throw error
        }
      },
    }
  }

  /** The step that a writing call is for. */
  #keyOf(process: SimProcess, { method, path, body }: Omit<Forwarded, 'cluster'>): string {
    const value = parseJson(body)
    if (this.#scenario.images === undefined) return markOn(value)?.key ?? ''
    const [from = ''] = (stringAt(value, 'SrcImage') ?? '').split(':')
    const target = method === 'DuplicateImagePersonal' && path === quarantineRepository ? from : path
    return this.#openSteps.get(process)?.get(target) ?? ''
  }

  readonly #plans = new Map<string, PrintedPlan>()
  /** The plan of the last run that came to its end. */
  #lastPlan: PrintedPlan | undefined
  readonly #endOfRun = new Map<string, number>()

  #remainingOf(process: SimProcess): number {
    return (this.#endOfRun.get(process.owner) ?? Number.POSITIVE_INFINITY) - this.#loop.now
  }

  /** A request is about to leave a process. */
  #open(request: WireRequest, process: SimProcess, openCalls: readonly WriteCall[]): Wire {
    const forwarded = forwardedOf(request)
    const doer = { process: process.name, owner: process.owner }
    const wireId = this.#ground.numbers.wire()
    const wanted = forwarded ?? factsOfBody(request)
    const call = openCalls.find((open) => open.path === wanted.path && open.body === wanted.body && open.method === wanted.method)
    const callId = call?.id ?? 0
    const key = call?.key ?? ''
    const sentAt = this.#loop.now
    let told: Told | undefined
    const text = forwarded === undefined ? `${wanted.method} ${wanted.path}`.trim() : `${forwarded.method} ${forwarded.path}`
    this.#history.add({ at: this.#loop.now, kind: 'sent', doer, wireId, callId, text })
    let saidAt = 0
    let says = ''
    return {
      receive: async (received) => {
        const exchange = await this.#platform.receive(received, forwarded, { ...doer, wireId, callId, key })
        told = this.#platform.toldBy(exchange)
        saidAt = this.#loop.now
        says = this.#platform.switchSays()
        if (forwarded?.method === 'GET') this.#perhapsRival(forwarded)
        if (wanted.method === 'DescribeImagePersonal') this.#perhapsImageRival(wanted.path)
        return exchange
      },
      end: (outcome, how) => {
        this.#history.add({ at: this.#loop.now, kind: 'answered', doer, wireId, callId, outcome, text: how })
        if (this.#scenario.images !== undefined)
          this.#noteLook({ doer, sentAt, told, isAnswered: outcome === 'answered' }, forwarded, wanted)
        if (forwarded?.method !== 'GET' || outcome !== 'answered') return
        if (forwarded.path === switchPath) this.#history.add({ at: this.#loop.now, kind: 'switch-read', doer, saidAt, says })
        else this.#history.add({ at: this.#loop.now, kind: 'read', doer, path: forwarded.path })
      },
    }
  }

  /** What the image-cleaner has seen of clusters and repositories, or has not. */
  #noteLook(
    {
      doer,
      sentAt,
      told,
      isAnswered,
    }: { readonly doer: Doer; readonly sentAt: number; readonly told: Told | undefined; readonly isAnswered: boolean },
    forwarded: Forwarded | undefined,
    { method, path, body }: Omit<Forwarded, 'cluster'>,
  ): void {
    const facts = { at: this.#loop.now, kind: 'looked', doer, sentAt, saidAt: told?.saidAt ?? this.#loop.now } as const
    const isTrue = isAnswered && told?.isTrue === true
    const listed = forwarded?.method === 'GET' ? /^\/api(?:s\/([a-z.]+))?\/v[0-9a-z]+\/([a-z]+)$/.exec(path) : null
    if (forwarded !== undefined && listed !== null) {
      this.#history.add({ ...facts, list: 'cluster', of: `${forwarded.cluster} ${listed[1] ?? ''}/${listed[2]}`, isTrue, isAll: true })
    }
    if (method === 'DescribeImagePersonal') {
      const isAll = stringAt(parseJson(body), 'Tag') === undefined
      this.#history.add({ ...facts, list: 'tags', of: path, isTrue, isAll })
      if (isAnswered) this.#history.add({ at: this.#loop.now, kind: 'read', doer, path })
    }
  }

  /** Somebody may do something to the tags of a repository right after they were read. */
  #perhapsImageRival(repository: string): void {
    const { images, rivalChance, quietMs } = this.#scenario
    if (images === undefined || rivalChance === 0 || this.#loop.now >= quietMs || !this.#rivals.isTrue(rivalChance)) return
    const deed = drawImageDeed(this.#rivals, images, repository)
    this.#loop.after(this.#rivals.magnitude(1, 400), () => this.#actOnImages({ atMs: this.#loop.now, ...deed }))
  }

  /** Somebody may come in between, before whoever has read a target writes it. */
  #perhapsRival({ cluster, path }: Forwarded): void {
    const { targets, rivalChance, quietMs } = this.#scenario
    const found = targetOfPath(targets, cluster, path, undefined)
    if (found === undefined || rivalChance === 0 || this.#loop.now >= quietMs || !this.#rivals.isTrue(rivalChance)) return
    const deed = { target: targets.indexOf(found), ...drawRival(this.#rivals, found) }
    this.#loop.after(this.#rivals.magnitude(1, 200), () => this.#platform.act({ atMs: this.#loop.now, ...deed }))
  }

  #onStored({ operation, partition, sort }: StoreCall, doer: Doer, processNow: number): void {
    if ((operation !== 'put' && operation !== 'delete') || sort === undefined) return
    const row = this.#disk.row({ partition, sort })
    const id = `${partition}\t${sort}`
    if (row === undefined || this.#versions.get(id) === row.version) return
    this.#versions.set(id, row.version)
    this.#history.add({ at: this.#loop.now, kind: 'stored', doer, processNow, partition, sort, version: row.version, data: row.text })
  }

  readonly #versions = new Map<string, number>()

  #onSwitchRead(doer: Doer, saidAt: number, answer: unknown): void {
    const data: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'data') : undefined
    const state: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, 'state') : 'run'
    this.#history.add({ at: this.#loop.now, kind: 'switch-read', doer, saidAt, says: String(state) })
  }

  #drawFates(): readonly Fate[] {
    const { cutChance, freezeChance } = this.#scenario
    const chance = this.#fates
    const place = (): Pick<Fate, 'place' | 'countsChanges'> =>
      chance.weighed<Pick<Fate, 'place' | 'countsChanges'>>([
        [2, { place: chance.magnitude(1, 160) }],
        [3, { place: chance.whole(1, 80) }],
        [5, { place: chance.whole(1, 20), countsChanges: true }],
      ])
    const cut = place()
    const freeze = { ...place(), freezeMs: chance.magnitude(2_000, 720_000) }
    // Both: what is cut after it has stood still has left most behind.
    return [...(chance.isTrue(freezeChance) ? [freeze] : []), ...(chance.isTrue(cutChance) ? [cut] : [])]
  }

  #drawLimit(): number {
    const { hasTimeLimit, hurryChance } = this.#scenario
    const shortMs = this.#fates.whole(1_000, 20_000)
    if (this.#fates.isTrue(hurryChance)) return shortMs
    return hasTimeLimit ? timeLimitsMs[this.#scenario.function] : noLimitMs
  }

  #drawWire(): WireFate {
    return drawWireFate(this.#wires, this.#scenario.latency, this.#loop.now >= this.#scenario.quietMs)
  }

  #drawStore(isWrite: boolean): StoreFate {
    const isQuiet = this.#loop.now >= this.#scenario.quietMs
    return drawStoreFate(this.#storage, this.#scenario.latency, { storms: this.#storeStorms, isQuiet, isWrite })
  }
}

/** The configuration as it is at first, and after each edit. */
async function readConfigs(scenario: Scenario): Promise<readonly Config[]> {
  const schemas = { 'cron-scaler': cronScaler.settings, 'alarm-scaler': relativeProbe.settings, 'image-cleaner': imageCleaner.settings }
  const versions = scenario.images?.versions ?? [undefined]
  return await Promise.all(
    versions.map(async (_, version) => {
      const text = readJson(JSON.stringify(stageDocument(scenario, version)))
      return await checkConfig({ text, source: 'the scenario', env: {}, schemas })
    }),
  )
}

/** The tags that a change of the image-cleaner is about. */
function tagsOfChange(change: ImageChange): readonly PlannedTag[] | undefined {
  if (change.kind === 'lifecycle') return undefined
  return change.tags.map(({ name, contentId, ...more }) => ({
    name,
    contentId,
    ...('pushedMs' in more ? { pushedMs: more.pushedMs } : {}),
  }))
}

/** What a ForwardRequest forwards; undefined for every other request. */
export function forwardedOf(request: WireRequest): Forwarded | undefined {
  if (request.headers['x-tc-action'] !== 'ForwardRequest') return undefined
  const value = parseJson(request.body?.toString() ?? '')
  return {
    cluster: stringAt(value, 'ClusterName') ?? '',
    method: stringAt(value, 'Method') ?? '',
    path: (stringAt(value, 'Path') ?? '').split('?')[0] ?? '',
    body: stringAt(value, 'RequestBody') ?? '',
  }
}

/** How a writing call is known again when it leaves: by what it says. */
export function callFacts(action: Action, request: object): Omit<Forwarded, 'cluster'> {
  const text = (name: string): string => {
    const value: unknown = Reflect.get(request, name)
    return typeof value === 'string' ? value : ''
  }
  if (action.name === 'ForwardRequest') return { method: text('Method'), path: text('Path').split('?')[0] ?? '', body: text('RequestBody') }
  return { method: action.name, path: text('RepoName') || (text('DestImage').split(':')[0] ?? ''), body: JSON.stringify(request) }
}

/** The same of a request on the wire that goes to no cluster. */
export function factsOfBody(request: WireRequest): Omit<Forwarded, 'cluster'> {
  const body = request.body?.toString() ?? ''
  const value = parseJson(body)
  const path = stringAt(value, 'RepoName') ?? (stringAt(value, 'DestImage') ?? '').split(':')[0] ?? ''
  return { method: request.headers['x-tc-action'] ?? '?', path, body }
}
