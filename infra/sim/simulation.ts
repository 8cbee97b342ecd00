import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import { createClient } from '#cloud/client.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { CloudError } from '#cloud/errors.ts'
import type { WireRequest } from '#cloud/wire.ts'
import { definition as cronScaler } from '#functions/cron-scaler/definition.ts'
import { parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { type Config, checkConfig } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import { FetchError, type FetchText } from '#shared/runtime/fetch-text.ts'
import { createKernel, type Kernel } from '#shared/runtime/kernel.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { type RunReport, runIdOf } from '#shared/runtime/report.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { setSwitch } from '#shared/safety/kill-switch-store.ts'
import { createPlanDocument, matchPlan, type PlanDocument } from '#shared/safety/plan-document.ts'
import { MemoryDisk, openMemoryStore, type StoreCall } from '#shared/safety/store-memory.ts'
import { Chance } from './chance.ts'
import { createDirectTransport, type Wire, type WireFate } from './direct-transport.ts'
import { EventLoop } from './event-loop.ts'
import { createFaultyStore, type StoreFate, type StoreFault } from './faulty-store.ts'
import { changesOf, type Doer, History, type WriteCall } from './history.ts'
import { relativeProbe } from './relative-probe.ts'
import type { Review, Sabotage } from './sabotage.ts'
import { type Delivery, drawRival, quietMinutes, type Scenario, type Storm } from './scenario.ts'
import { type Forwarded, SimPlatform } from './sim-platform.ts'
import { type Fate, SimProcess } from './sim-process.ts'
import { calendarHost, calendarText, functionNameOf, markOn, stageDocument, switchPath, targetOfPath } from './stage-world.ts'
import { warmUp } from './warm-up.ts'

export interface SimulateOptions {
  readonly sabotage?: Sabotage | undefined
  /** Takes the place of chance: what becomes of the n-th run, counted from 1 over all processes. */
  readonly fatesOfRun?: ((run: number) => readonly Fate[]) | undefined
}

/** What is left of a world at the end, for the checks. */
export interface Simulated {
  readonly scenario: Scenario
  readonly history: History
  readonly platform: SimPlatform
  readonly disk: MemoryDisk
  /** When the last run began. */
  readonly lastTickMs: number
  /** Secret of the journal's seals. */
  readonly journalKey: string | undefined
  readonly sabotage: Sabotage
  /** Places at which each run waited, in the order in which the runs began: what there is to cut. */
  readonly placesOfRuns: readonly number[]
}

const journalSecret = 'secret of the simulation'
/** What Lambda gives a run here. */
const timeLimitMs = 55_000
/** How long a run may take where nobody ends it. */
const noLimitMs = 24 * 3_600_000
/** How long everything goes on after the last tick. */
const afterwardsMs = 5 * 60_000

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
  readonly changes: readonly string[]
}

/** Lets through what stands in a plan as it is, as `longshore apply` does. */
function reviewOf(document: PlanDocument): Review {
  return (steps) => new Set(matchPlan(document, steps).approved)
}

class Simulation {
  readonly #scenario: Scenario
  readonly #options: SimulateOptions
  readonly #loop: EventLoop
  readonly #history: History
  readonly #platform: SimPlatform
  readonly #disk = new MemoryDisk()
  readonly #machines: Machine[]
  readonly #chance: Chance
  readonly #fates: Chance
  readonly #wires: Chance
  readonly #storage: Chance
  readonly #rivals: Chance
  readonly #fetches: Chance
  readonly #openCalls = new Map<SimProcess, WriteCall[]>()
  readonly #placesOfRuns: number[] = []
  #config: Config | undefined
  #calls = 0
  #wireCount = 0
  #runs = 0
  #bug: unknown

  constructor(scenario: Scenario, options: SimulateOptions) {
    this.#scenario = scenario
    this.#options = options
    this.#loop = new EventLoop(scenario.startMs)
    this.#history = new History(scenario.startMs)
    this.#platform = new SimPlatform(scenario, this.#loop, this.#history)
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
    const { startMs, quietMs } = this.#scenario
    this.#config = await readConfig(this.#scenario)
    this.#note(`a world begins at ${new Date(startMs).toISOString()}`)
    this.#arrange()
    const lastTickMs = quietMs + (quietMinutes.at(-1) ?? 0) * 60_000
    await this.#loop.runUntil(lastTickMs + afterwardsMs)
    if (this.#bug !== undefined) throw this.#bug
    return {
      scenario: this.#scenario,
      history: this.#history,
      platform: this.#platform,
      disk: this.#disk,
      lastTickMs,
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
    const { deliveries, jumps, storms, people, switchings, quietMs } = this.#scenario
    for (const delivery of deliveries) this.#loop.at(delivery.atMs, () => this.#deliver(delivery))
    for (const { atMs, machine, skewMs } of jumps) this.#loop.at(atMs, () => this.#setClock(machine, skewMs))
    for (const deed of people) this.#loop.at(deed.atMs, () => this.#platform.act(deed))
    for (const { atMs, to } of switchings) this.#loop.at(atMs, () => this.#setSwitch(to))
    for (const [index, storm] of storms.entries()) this.#raise(storm, index)
    this.#loop.at(quietMs, () => {
      this.#note('it becomes quiet')
      for (const { index } of this.#machines) this.#setClock(index, 0)
    })
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
    const name = `${storm.flavour} storm on the ${storm.on}${storm.match === undefined ? '' : "'s writes"}`
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
    const config = this.#config
    if (config === undefined) return
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
    machine.runtime = { process, cloud: sabotagedCloud, kernel: sabotage?.kernel?.(kernel) ?? kernel }
  }

  #start(machine: Machine, { process, cloud, kernel }: Runtime, { scheduledAt }: Delivery): void {
    const config = this.#config
    if (config === undefined) return
    const scenario = this.#scenario
    const isQuiet = this.#loop.now >= scenario.quietMs
    this.#runs += 1
    const run = this.#runs
    const owner = `${process.name}/${run}`
    const doer = { process: process.name, owner }
    machine.isBusy = true
    const { fatesOfRun } = this.#options
    const fates = fatesOfRun === undefined ? this.#drawFates() : fatesOfRun(run)
    const limitMs = this.#drawLimit()
    process.begin(owner, isQuiet && fatesOfRun === undefined ? [] : fates)
    const endsAt = this.#loop.now + (isQuiet ? timeLimitMs : limitMs)
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
      fetchText: this.#fetcher(process),
      onReport,
      ...(approved === undefined ? {} : { review: this.#reviewOf(approved) }),
    } as const
    this.#loop.at(endsAt, () => {
      if (!isOver) process.die('is ended, its time is over')
    })
    const ran =
      scenario.function === 'cron-scaler'
        ? runSchedule(this.#watchedDefinition(cronScaler, process, follow), options)
        : runSchedule(this.#watchedDefinition(relativeProbe, process, follow), options)
    ran.then(over, (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 3).join(' ') : String(error)
      this.#history.add({ at: this.#loop.now, kind: 'run-threw', doer: { ...doer, owner: process.owner }, text })
      over()
    })
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
        const doer = { process: process.name, owner: process.owner }
        const plan = definition.plan(observed, config, now)
        const steps = plan.map(({ key, target, before, after, reason, verdict }) => {
          return { key, target, before, after, code: reason.code, verdict }
        })
        const hashes = { configHash: '', observedHash: '' }
        const document = createPlanDocument({ function: definition.name, createdAt: now, steps: plan, ...hashes })
        this.#plans.set(doer.owner, { document, changes: changesOf(steps) })
        this.#history.add({ at: this.#loop.now, kind: 'planned', doer, now, steps })
        return plan
      },
    }
  }

  /** The client, its writing calls written down. */
  #watched(client: CloudWriter, process: SimProcess, openCalls: WriteCall[]): CloudWriter {
    return {
      send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
        if (action.effect === 'read') return await client.send(action, request, options)
        this.#calls += 1
        const { method, path, body } = forwardedIn(request)
        const call: WriteCall = {
          id: this.#calls,
          process: process.name,
          owner: process.owner,
          method,
          path,
          body,
          key: markOn(parseJson(body))?.key ?? '',
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
    this.#wireCount += 1
    const wireId = this.#wireCount
    const call = openCalls.find((open) => open.path === forwarded?.path && open.body === forwarded.body && open.method === forwarded.method)
    const callId = call?.id ?? 0
    const text = forwarded === undefined ? (request.headers['x-tc-action'] ?? '?') : `${forwarded.method} ${forwarded.path}`
    this.#history.add({ at: this.#loop.now, kind: 'sent', doer, wireId, callId, text })
    let saidAt = 0
    let says = ''
    return {
      receive: async (received) => {
        const exchange = await this.#platform.receive(received, forwarded, { ...doer, wireId, callId })
        saidAt = this.#loop.now
        says = this.#platform.switchSays()
        if (forwarded?.method === 'GET') this.#perhapsRival(forwarded)
        return exchange
      },
      end: (outcome, how) => {
        this.#history.add({ at: this.#loop.now, kind: 'answered', doer, wireId, callId, outcome, text: how })
        if (forwarded?.method !== 'GET' || outcome !== 'answered') return
        if (forwarded.path === switchPath) this.#history.add({ at: this.#loop.now, kind: 'switch-read', doer, saidAt, says })
        else this.#history.add({ at: this.#loop.now, kind: 'read', doer, path: forwarded.path })
      },
    }
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
    return hasTimeLimit ? timeLimitMs : noLimitMs
  }

  #drawWire(): WireFate {
    const { cloudMs, tail } = this.#scenario.latency
    const chance = this.#wires
    const isQuiet = this.#loop.now >= this.#scenario.quietMs
    const scale = chance.isTrue(tail) && !isQuiet ? cloudMs * 100 : cloudMs
    const isRefused = chance.isTrue(0.002) && !isQuiet
    return { thereMs: chance.whole(1, scale), backMs: chance.whole(1, scale), isRefused }
  }

  #drawStore(isWrite: boolean): StoreFate {
    const { storeMs, tail } = this.#scenario.latency
    const chance = this.#storage
    const isQuiet = this.#loop.now >= this.#scenario.quietMs
    const scale = chance.isTrue(tail) && !isQuiet ? storeMs * 100 : storeMs
    const times = { thereMs: chance.whole(0, scale), backMs: chance.whole(0, scale), lateMs: chance.magnitude(500, 45_000) }
    for (const { probability, flavour } of this.#storeStorms) {
      if (!chance.isTrue(probability)) continue
      if (flavour === 'slow') return { ...times, thereMs: chance.whole(100, 1_400), backMs: chance.whole(100, 1_400) }
      return { ...times, fault: drawFault(chance, flavour, isWrite) }
    }
    return times
  }
}

function drawFault(chance: Chance, flavour: Storm['flavour'], isWrite: boolean): StoreFault {
  if (flavour === 'outage') return chance.isTrue(0.8) ? 'unavailable' : 'lost'
  if (!isWrite) return chance.one(['unavailable', 'lost'])
  if (flavour === 'lossy') return chance.one(['lost', 'unanswered', 'late'])
  return chance.one(['unavailable', 'full', 'lost', 'unanswered', 'late'])
}

async function readConfig(scenario: Scenario): Promise<Config> {
  const text = readJson(JSON.stringify(stageDocument(scenario)))
  const schemas = { 'cron-scaler': cronScaler.settings, 'alarm-scaler': relativeProbe.settings }
  return await checkConfig({ text, source: 'the scenario', env: {}, schemas })
}

/** What a ForwardRequest forwards; undefined for every other request. */
function forwardedOf(request: WireRequest): Forwarded | undefined {
  if (request.headers['x-tc-action'] !== 'ForwardRequest') return undefined
  const value = parseJson(request.body?.toString() ?? '')
  return {
    cluster: stringAt(value, 'ClusterName') ?? '',
    method: stringAt(value, 'Method') ?? '',
    path: (stringAt(value, 'Path') ?? '').split('?')[0] ?? '',
    body: stringAt(value, 'RequestBody') ?? '',
  }
}

function forwardedIn(request: object): Omit<Forwarded, 'cluster'> {
  const text = (name: string): string => {
    const value: unknown = Reflect.get(request, name)
    return typeof value === 'string' ? value : ''
  }
  return { method: text('Method'), path: text('Path').split('?')[0] ?? '', body: text('RequestBody') }
}
