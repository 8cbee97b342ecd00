import { createClient } from '#cloud/client.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import type { WireRequest } from '#cloud/wire.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { Step } from '#shared/pure/step.ts'
import { type Config, checkConfig, functionConfig } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import { processBatch } from '#shared/runtime/define-queue.ts'
import type { FunctionConfig, ScheduleDefinition } from '#shared/runtime/definition.ts'
import type { FetchText } from '#shared/runtime/fetch-text.ts'
import { createKernel } from '#shared/runtime/kernel.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { QueueDefinition } from '#shared/runtime/queue-definition.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { type RunReport, runIdOf } from '#shared/runtime/report.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { createWebhookDesk } from '#shared/runtime/webhook-desk.ts'
import { createInbox } from '#shared/safety/inbox.ts'
import { setSwitch } from '#shared/safety/kill-switch-store.ts'
import type { InboxNudge, Nudge } from '#shared/safety/nudge.ts'
import { type MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { sweepInbox } from '#shared/safety/sweep-inbox.ts'
import { Chance } from '../chance.ts'
import { type CommonGround, newGround } from '../common-ground.ts'
import { createDirectTransport, type Wire } from '../direct-transport.ts'
import { drawStoreFate, drawWireFate } from '../draw-fate.ts'
import type { EventLoop } from '../event-loop.ts'
import { createFaultyStore } from '../faulty-store.ts'
import type { Doer, History, PlannedStep, WriteCall } from '../history.ts'
import type { Scenario, Storm } from '../scenario.ts'
import type { Forwarded } from '../sim-platform.ts'
import { type Fate, SimProcess } from '../sim-process.ts'
import { afterwardsMs, factsOfBody, forwardedOf, journalSecret, type Simulated, type SimulateOptions } from '../simulation.ts'
import { stageDocument, switchPath } from '../stage-world.ts'
import type { EventFunction, EventWorld } from './event-function.ts'
import type { HookRequest, Machine, Runtime, Work } from './machine.ts'
import { idsIn, StoreWatch } from './store-watch.ts'
import { watchedWrites } from './watched-writes.ts'

/** What Lambda gives each: a tick, and a batch of the queue. */
const tickLimitMs = 75_000
const batchLimitMs = 75_000
const webhookLimitMs = 10_000
/** How long a queue keeps a message unseen after it was handed out, before it shows it again. */
const unseenMs = 120_000
const lookAfterMs = 60_000

export interface EventSimulationOptions<Settings, Observed, Change, Tools> {
  readonly scenario: Scenario
  readonly options: SimulateOptions
  readonly of: EventFunction<Settings, Observed, Change, Tools>
  /** Everything that is left to chance is drawn from this matter of the seed. */
  readonly matter: string
  /** Chance that the message that wakes a worker is lost. */
  readonly lostNudges: number
  /** What it has in common with others; a ground of its own when absent. */
  readonly ground?: CommonGround | undefined
}

/**
 * A world in which webhooks, a queue that they fill, sweeps and ticks start a function on several machines, one process of one invocation
 * at a time on each. What is in the world, and who does what to it, is up to those who extend it.
 */
export abstract class EventSimulation<Settings, Observed, Change, Tools> {
  protected readonly scenario: Scenario
  protected readonly options: SimulateOptions
  protected readonly loop: EventLoop
  protected readonly history: History
  protected readonly chance: Chance
  /** What all processes share. */
  protected readonly disk: MemoryDisk
  protected abstract readonly world: EventWorld
  readonly #function: EventFunction<Settings, Observed, Change, Tools>
  readonly #lostNudges: number
  readonly #machines: Machine<Settings, Tools>[]
  readonly #fates: Chance
  readonly #wires: Chance
  readonly #storage: Chance
  readonly #queue: Chance
  readonly #placesOfRuns: number[] = []
  readonly #endOfRun = new Map<string, number>()
  readonly #stored: StoreWatch
  readonly #storeStorms = new Set<Storm>()
  #config: Config | undefined
  #own: FunctionConfig<Settings> | undefined
  readonly #ground: CommonGround
  #bug: unknown

  constructor({ scenario, options, of, matter, lostNudges, ground }: EventSimulationOptions<Settings, Observed, Change, Tools>) {
    this.#ground = ground ?? newGround(scenario.startMs)
    this.scenario = scenario
    this.options = options
    this.#function = of
    this.#lostNudges = lostNudges
    this.loop = this.#ground.loop
    this.history = this.#ground.history
    this.disk = this.#ground.disk
    this.chance = new Chance(scenario.seed, matter)
    this.#fates = this.chance.of('fates')
    this.#wires = this.chance.of('wires')
    this.#storage = this.chance.of('store')
    this.#queue = this.chance.of('queue')
    this.#stored = new StoreWatch(this.disk, this.loop, this.history)
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

  /** What happens by itself in the scene: people, senders, and whatever else there is. */
  protected abstract arrangeScene(): void

  /** The step that a writing call is for; empty when it is not known. */
  protected abstract keyOf(process: SimProcess, wanted: Forwarded): string

  /** Somebody has read an object of a cluster, and may be about to write it. */
  protected abstract onRead(forwarded: Forwarded, process: SimProcess): void

  /** The function as mistakes that are planted in it make it. */
  protected abstract sabotaged(definition: ScheduleDefinition<Settings, Observed, Change>): ScheduleDefinition<Settings, Observed, Change>

  protected abstract sabotagedProcess(process: QueueDefinition<Settings, Tools>['process']): QueueDefinition<Settings, Tools>['process']

  /** A run begins; what is known of the steps of its process is of an earlier one. */
  protected abstract onBegan(process: SimProcess): void

  /** A step as anybody can check it later. */
  protected plannedStep({ key, target, before, after, reason, verdict }: Step<Change>): PlannedStep {
    return { key, target, before, after, code: reason.code, verdict }
  }

  /** Carries a step out. */
  protected async applying<Result>(_process: SimProcess, _step: Step<Change>, apply: () => Promise<Result>): Promise<Result> {
    return await apply()
  }

  /** Reads a text over HTTP. */
  protected fetchTextOf(_process: SimProcess): FetchText | undefined {
    return undefined
  }

  /** Lives through all of it. */
  protected async live(): Promise<Omit<Simulated, 'platform'>> {
    await this.begin()
    await this.loop.runUntil(this.scenario.lastTickMs + afterwardsMs)
    return this.left()
  }

  /** Writes everything that is going to happen into the loop. */
  protected async begin(): Promise<void> {
    const { startMs } = this.scenario
    const { name, definition, webhook } = this.#function
    const text = readJson(JSON.stringify(stageDocument(this.scenario)))
    const schemas = { [name]: definition.settings }
    this.#config = this.#ground.shared?.config ?? (await checkConfig({ text, source: 'the scenario', env: {}, schemas }))
    this.#own = await functionConfig(this.#config, webhook)
    this.note(`a world begins at ${new Date(startMs).toISOString()}`)
    this.#arrange()
  }

  /** What is left of it at the end. */
  protected left(): Omit<Simulated, 'platform'> {
    if (this.#bug !== undefined) throw this.#bug
    this.world.core.advance()
    return {
      scenario: this.scenario,
      history: this.history,
      disk: this.disk,
      lastTickMs: this.scenario.lastTickMs,
      journalKey: this.scenario.hasJournalKey ? journalSecret : undefined,
      sabotage: this.options.sabotage ?? {},
      placesOfRuns: this.#placesOfRuns,
    }
  }

  protected note(text: string): void {
    this.history.add({ at: this.loop.now, kind: 'note', text })
  }

  /** Sends something to a webhook, on any machine unless it is said on which. */
  protected send(request: HookRequest, machine?: number): void {
    this.#hand(machine ?? this.#anyMachine(), { kind: 'webhook', request, times: 1 })
  }

  protected get isQuiet(): boolean {
    return this.loop.now >= this.scenario.quietMs
  }

  readonly #onBug = (error: unknown): void => {
    this.#bug ??= error
  }

  #anyMachine(): number {
    return this.#queue.whole(0, this.#machines.length - 1)
  }

  #arrange(): void {
    const { deliveries, jumps, storms, switchings, sweeps, quietMs, startMs, lastTickMs } = this.scenario
    for (const { atMs, scheduledAt, machine } of deliveries) this.loop.at(atMs, () => this.#hand(machine, { kind: 'tick', scheduledAt }))
    for (const atMs of sweeps ?? sweepsBetween(startMs, lastTickMs)) {
      this.loop.at(atMs, () => this.#hand(this.#anyMachine(), { kind: 'sweep' }))
    }
    this.arrangeScene()
    for (const { atMs, machine, skewMs } of jumps) this.loop.at(atMs, () => this.#setClock(machine, skewMs))
    for (const { atMs, to } of switchings) this.loop.at(atMs, () => this.#setSwitch(to))
    for (const [index, storm] of storms.entries()) this.#raise(storm, index)
    this.loop.at(quietMs, () => {
      this.note('it becomes quiet')
      for (const { index } of this.#machines) this.#setClock(index, 0)
    })
  }

  #setClock(index: number, skewMs: number): void {
    const machine = this.#machines[index]
    if (machine === undefined || machine.skewMs === skewMs) return
    this.note(`the clock of ${machine.name} is ${skewMs} ms ahead, not ${machine.skewMs}`)
    machine.skewMs = skewMs
  }

  #setSwitch(to: 'run' | 'stop' | 'gone'): void {
    const said = (): void => this.history.add({ at: this.loop.now, kind: 'switch-set', to })
    if (this.scenario.guard.killSwitch === 'configMap') {
      this.world.setSwitch(to)
      said()
      return
    }
    const store = openMemoryStore(this.disk, { after: ({ operation }) => (operation === 'put' ? said() : undefined) })
    setSwitch(store, { state: to === 'gone' ? 'stop' : to, by: 'the simulation', reason: 'to see', now: this.loop.now }).catch(this.#onBug)
  }

  #raise(storm: Storm, index: number): void {
    const name = `${storm.flavour} storm on the ${storm.on}`
    this.loop.at(storm.fromMs, () => {
      this.note(`${name} begins`)
      const end = storm.on === 'cloud' ? this.world.storm(storm, this.scenario.seed * 7 + index) : this.#raiseOnStore(storm)
      this.loop.at(storm.untilMs, () => {
        end()
        this.note(`${name} is over`)
      })
    })
  }

  #raiseOnStore(storm: Storm): () => void {
    this.#storeStorms.add(storm)
    return () => {
      this.#storeStorms.delete(storm)
    }
  }

  #hand(index: number, work: Work): void {
    const machine = this.#machines[index]
    if (machine === undefined) return
    // What comes by the minute is no use late.
    if (work.kind === 'sweep' && machine.waiting.some(({ kind }) => kind === 'sweep')) return
    machine.waiting.push(work)
    this.#work(machine)
  }

  #work(machine: Machine<Settings, Tools>): void {
    if (machine.isBusy || machine.isBooting || machine.waiting.length === 0) return
    const { runtime } = machine
    if (runtime === undefined) {
      machine.isBooting = true
      this.#boot(machine).then(() => {
        machine.isBooting = false
        this.#work(machine)
      }, this.#onBug)
      return
    }
    const work = machine.waiting.shift()
    if (work !== undefined) this.#start(machine, runtime, work)
  }

  async #boot(machine: Machine<Settings, Tools>): Promise<void> {
    const { sabotage } = this.options
    const config = this.#config
    const own = this.#own
    if (config === undefined || own === undefined) return
    const { name, secrets, webhook, openTools } = this.#function
    machine.lives += 1
    const process = new SimProcess(`${machine.name}.${machine.lives}`, this.loop, () => machine.skewMs)
    this.history.add({ at: this.loop.now, kind: 'process', process: process.name, text: 'starts' })
    const openCalls: WriteCall[] = []
    const client = createClient({
      credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
      region: config.platform.region,
      endpoint: config.platform.endpoint,
      clock: process.clock,
      transport: createDirectTransport({
        process,
        loop: this.loop,
        open: (request) => this.#open(request, process, openCalls),
        drawFate: () => drawWireFate(this.#wires, this.scenario.latency, this.isQuiet),
        onBug: this.#onBug,
      }),
      random: this.chance.of(`client of ${process.name}`).next,
    })
    const watched = this.#watched(client, process, openCalls)
    const cloud = sabotage?.cloud?.(watched) ?? watched
    const faulty = createFaultyStore({
      diskOf: () => this.disk,
      process,
      loop: this.loop,
      drawFate: (isWrite) =>
        drawStoreFate(this.#storage, this.scenario.latency, { storms: this.#storeStorms, isQuiet: this.isQuiet, isWrite }),
      onCarriedOut: (call, owner) => this.#stored.carriedOut(call, { process: process.name, owner }, process.clock.now()),
      onAnswered: ({ partition }, owner, carriedOutAt, answer) => {
        if (partition === 'guard/kill-switch') this.#stored.switchRead({ process: process.name, owner }, carriedOutAt, answer)
      },
      onFailed: (text, owner) =>
        this.history.add({ at: this.loop.now, kind: 'store-failed', doer: { process: process.name, owner }, text }),
    })
    const store = sabotage?.store?.(faulty) ?? faulty
    const redactor = createRedactor()
    const plain = await createKernel({
      config,
      store,
      cloud,
      now: process.clock.now,
      redact: (text) => text,
      resolveReference: () => Promise.resolve(journalSecret),
    })
    const kernel = sabotage?.kernel?.(plain) ?? plain
    const inbox = createInbox(store, { function: name })
    const desk = createWebhookDesk({
      function: name,
      sources: webhook.sources(own),
      inbox,
      nudge: this.#nudge,
      resolve: createResolver({ env: secrets }),
      redactor,
      clock: process.clock,
      log: silentLog,
    })
    const tools = await openTools({
      config: own,
      wholeConfig: config,
      store,
      log: silentLog,
      env: secrets,
      redactor,
      platform: () => Promise.resolve({ cloud, kernel, fetchText: this.fetchTextOf(process) }),
    })
    process.onFreeze = (ms) =>
      this.history.add({ at: this.loop.now, kind: 'process', process: process.name, text: `stands still for ${ms} ms` })
    process.onDeath = (what) => {
      this.history.add({ at: this.loop.now, kind: 'process', process: process.name, text: what })
      machine.runtime = undefined
      machine.isBusy = false
      this.loop.after(this.#fates.magnitude(200, 30_000), () => this.#work(machine))
    }
    machine.runtime = { process, cloud, kernel, store, inbox, desk, tools, own }
  }

  readonly #nudge: Nudge = {
    send: (order) => {
      this.#wake(order)
      return Promise.resolve()
    },
  }

  /** The queue shows a message to somebody, at least once, unless it is lost on the way there. */
  #wake(nudge: InboxNudge, times = 1): void {
    const { isQuiet } = this
    if (!isQuiet && this.#queue.isTrue(this.#lostNudges)) return
    const copies = !isQuiet && this.#queue.isTrue(0.1) ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      this.loop.after(this.#queue.magnitude(5, 3_000), () => this.#hand(this.#anyMachine(), { kind: 'message', nudge, times }))
    }
  }

  #start(machine: Machine<Settings, Tools>, runtime: Runtime<Settings, Tools>, work: Work): void {
    const { process } = runtime
    const { isQuiet } = this
    const run = this.#ground.numbers.run()
    const name = `${process.name}/${run}`
    machine.isBusy = true
    const { fatesOfRun } = this.options
    const isRun = work.kind === 'tick' || work.kind === 'message'
    const fates = fatesOfRun === undefined ? (isQuiet ? [] : this.#drawFates(isRun)) : fatesOfRun(run)
    process.begin(name, fates)
    const usualMs = work.kind === 'webhook' ? webhookLimitMs : work.kind === 'message' ? batchLimitMs : tickLimitMs
    const isHurried = !isQuiet && isRun && this.#fates.isTrue(this.scenario.hurryChance)
    const endsAt = this.loop.now + (isHurried ? this.#fates.whole(5_000, 40_000) : usualMs)
    let isOver = false
    const over = (): void => {
      isOver = true
      if (!process.isAlive) return
      process.end()
      machine.isBusy = false
      this.#work(machine)
    }
    this.loop.at(endsAt, () => {
      if (!isOver) process.die('is ended, its time is over')
    })
    this.#do(runtime, work, { name, endsAt }).then(over, (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 3).join(' ') : String(error)
      // What a sweep or a batch throws comes back by itself.
      if (work.kind !== 'sweep') this.history.add({ at: this.loop.now, kind: 'run-threw', doer: doerOf(process), text })
      over()
    })
  }

  async #do(runtime: Runtime<Settings, Tools>, work: Work, at: { readonly name: string; readonly endsAt: number }): Promise<void> {
    switch (work.kind) {
      case 'tick':
        return await this.#tick(runtime, work.scheduledAt, at)
      case 'sweep':
        return await this.#sweep(runtime)
      case 'webhook':
        return await this.#receive(runtime, work)
      case 'message':
        return await this.#workOff(runtime, work, at)
    }
  }

  async #sweep({ inbox, process }: Runtime<Settings, Tools>): Promise<void> {
    const isOk = await sweepInbox(inbox, this.#nudge, { now: process.clock.now() }).then(
      () => true,
      () => false,
    )
    if (!isOk) this.note(`a sweep of ${process.name} came to nothing`)
  }

  /** Answers a webhook. Whoever sent it sends it again when there is no answer, or one that asks for it. */
  async #receive({ desk, process }: Runtime<Settings, Tools>, { request, times }: Work & { readonly kind: 'webhook' }): Promise<void> {
    const { what, path, headers, body, onTaken } = request
    let status: number | undefined
    const again = (): void => {
      if (status === 200 || status === 202) onTaken?.()
      if ((status === undefined || status === 503) && times < 6) {
        this.loop.after(this.#queue.magnitude(2_000, 60_000), () =>
          this.#hand(this.#anyMachine(), { kind: 'webhook', request, times: times + 1 }),
        )
      }
    }
    this.loop.after(webhookLimitMs + 1, again)
    const bytes = Buffer.from(body)
    const answer = await desk.answer({ method: 'POST', path, query: '', headers, sizeBytes: bytes.length, body: () => bytes })
    status = answer.statusCode
    this.history.add({ at: this.loop.now, kind: 'hook-answered', doer: doerOf(process), what, status, ids: idsIn(answer.body ?? '') })
  }

  async #tick(
    { process, cloud, kernel }: Runtime<Settings, Tools>,
    scheduledAt: number,
    at: { readonly name: string; readonly endsAt: number },
  ): Promise<void> {
    const config = this.#config
    if (config === undefined) return
    let follow = -1
    const began = (now: number): void => {
      follow += 1
      this.#began(process, { owner: follow === 0 ? at.name : `${at.name}/${follow}`, endsAt: at.endsAt, scheduledAt, now })
    }
    await runSchedule(this.#watchedDefinition(this.#function.definition, process, began), {
      config,
      cloud,
      kernel,
      owner: at.name,
      now: process.clock.now(),
      scheduledAt,
      trigger: { kind: 'eventbridge-scheduler' },
      log: silentLog,
      fetchText: this.fetchTextOf(process),
      remainingMs: () => at.endsAt - this.loop.now,
      waitClock: process.clock,
      onReport: (report) => this.#ended(process, report),
    })
  }

  /** Works on what a message says. When nothing came of that the queue shows it again, a few times. */
  async #workOff(
    runtime: Runtime<Settings, Tools>,
    { nudge, times }: Work & { readonly kind: 'message' },
    at: { readonly endsAt: number },
  ): Promise<void> {
    const { process, inbox, tools, own, store } = runtime
    let isDone = false
    this.loop.after(unseenMs, () => {
      if (!isDone && times < 5) this.#wake(nudge, times + 1)
    })
    const watched = this.#function.watchTools(tools, async (look, { owner, scheduledAt }, make) => {
      const began = (now: number): void => this.#began(process, { owner, endsAt: at.endsAt, scheduledAt, now })
      const report = await make(this.#watchedDefinition(look, process, began))
      this.#ended(process, report)
      return report
    })
    const work = this.sabotagedProcess(this.#function.queue.process)
    const answer = await processBatch([{ messageId: nudge.once, group: nudge.group, entry: nudge.id, receipt: undefined }], {
      inbox,
      process: async (event, attempt) => await work(event, watched, attempt, { config: own, store, log: silentLog }),
      owner: process.owner,
      now: process.clock.now,
      remainingMs: () => at.endsAt - this.loop.now - 2_000,
      signal: new AbortController().signal,
      log: silentLog,
      redact: (text) => text,
    })
    isDone = answer.batchItemFailures.length === 0
  }

  #began(
    process: SimProcess,
    {
      owner,
      endsAt,
      scheduledAt,
      now,
    }: { readonly owner: string; readonly endsAt: number; readonly scheduledAt: number; readonly now: number },
  ): void {
    process.owner = owner
    this.onBegan(process)
    this.#endOfRun.set(owner, endsAt)
    this.history.add({
      at: this.loop.now,
      kind: 'run-began',
      doer: doerOf(process),
      runId: runIdOf(this.#function.name, scheduledAt),
      scheduledAt,
      processNow: now,
      remainingMs: endsAt - this.loop.now,
      version: 0,
      approved: undefined,
    })
  }

  #ended(process: SimProcess, { decisions, failure }: RunReport): void {
    this.history.add({ at: this.loop.now, kind: 'run-ended', doer: doerOf(process), decisions, failure: failure?.text })
  }

  #watchedDefinition(
    plain: ScheduleDefinition<Settings, Observed, Change>,
    process: SimProcess,
    began: (now: number) => void,
  ): ScheduleDefinition<Settings, Observed, Change> {
    const look = this.sabotaged(plain)
    return {
      ...look,
      observe: (cloud, config, now, around) => {
        began(now)
        return look.observe(cloud, config, now, around)
      },
      plan: (observed, config, now) => {
        const plan = look.plan(observed, config, now)
        const steps = plan.map((step) => this.plannedStep(step))
        this.history.add({ at: this.loop.now, kind: 'planned', doer: doerOf(process), now, steps })
        return plan
      },
      apply: async (step, cloud, config, now) => await this.applying(process, step, async () => await look.apply(step, cloud, config, now)),
    }
  }

  /** The client, its writing calls written down. */
  #watched(client: CloudWriter, process: SimProcess, openCalls: WriteCall[]): CloudWriter {
    return watchedWrites(client, {
      begin: (facts) => {
        const call: WriteCall = {
          id: this.#ground.numbers.call(),
          process: process.name,
          owner: process.owner,
          method: facts.method,
          path: facts.path,
          body: facts.body,
          key: this.keyOf(process, facts),
          processNow: process.clock.now(),
          remainingMs: (this.#endOfRun.get(process.owner) ?? Number.POSITIVE_INFINITY) - this.loop.now,
        }
        openCalls.push(call)
        this.history.add({ at: this.loop.now, kind: 'write-began', call })
        return call
      },
      end: (call, outcome) => {
        openCalls.splice(openCalls.indexOf(call), 1)
        this.history.add({ at: this.loop.now, kind: 'write-ended', call, outcome })
      },
    })
  }

  #open(request: WireRequest, process: SimProcess, openCalls: readonly WriteCall[]): Wire {
    const forwarded = forwardedOf(request)
    const doer = doerOf(process)
    const wireId = this.#ground.numbers.wire()
    const wanted = forwarded ?? factsOfBody(request)
    const call = openCalls.find((open) => open.path === wanted.path && open.body === wanted.body && open.method === wanted.method)
    const callId = call?.id ?? 0
    const key = call?.key ?? ''
    let saidAt = 0
    let says = ''
    const text =
      forwarded === undefined ? `${wanted.method} ${wanted.path}`.trim() : `${forwarded.method} ${forwarded.cluster} ${forwarded.path}`
    this.history.add({ at: this.loop.now, kind: 'sent', doer, wireId, callId, text })
    return {
      receive: async (received) => {
        const exchange = await this.world.receive(received, forwarded, { ...doer, wireId, callId, key })
        saidAt = this.loop.now
        says = this.world.switchSays()
        if (forwarded?.method === 'GET') this.onRead(forwarded, process)
        return exchange
      },
      end: (outcome, how) => {
        this.history.add({ at: this.loop.now, kind: 'answered', doer, wireId, callId, outcome, text: how })
        if (forwarded?.method !== 'GET' || outcome !== 'answered') return
        if (forwarded.path === switchPath) this.history.add({ at: this.loop.now, kind: 'switch-read', doer, saidAt, says })
        else this.history.add({ at: this.loop.now, kind: 'read', doer, path: forwarded.path, cluster: forwarded.cluster })
      },
    }
  }

  #drawFates(isRun: boolean): readonly Fate[] {
    const { cutChance, freezeChance } = this.scenario
    const chance = this.#fates
    const place = (): Pick<Fate, 'place' | 'countsChanges'> =>
      chance.weighed<Pick<Fate, 'place' | 'countsChanges'>>([
        [2, { place: chance.magnitude(1, isRun ? 120 : 8) }],
        [3, { place: chance.whole(1, isRun ? 60 : 6) }],
        [isRun ? 5 : 1, { place: chance.whole(1, 15), countsChanges: true }],
      ])
    const cut = place()
    const freeze = { ...place(), freezeMs: chance.magnitude(2_000, 90_000) }
    return [...(chance.isTrue(freezeChance / 2) ? [freeze] : []), ...(chance.isTrue(cutChance / 2) ? [cut] : [])]
  }
}

/** One each minute. */
function sweepsBetween(startMs: number, lastTickMs: number): readonly number[] {
  const first = startMs + lookAfterMs / 2
  return Array.from({ length: Math.max(0, Math.ceil((lastTickMs - first) / lookAfterMs)) }, (_, index) => first + index * lookAfterMs)
}

function doerOf(process: SimProcess): Doer {
  return { process: process.name, owner: process.owner }
}
