import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import { createClient } from '#cloud/client.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { CloudError } from '#cloud/errors.ts'
import type { WireRequest } from '#cloud/wire.ts'
import { approvalPath, signApproval } from '#functions/redeploy-hook/approval-token.ts'
import { definition, openTools, queue, type Tools } from '#functions/redeploy-hook/definition.ts'
import type { Settings as HookSettings } from '#functions/redeploy-hook/event.ts'
import { webhook } from '#functions/redeploy-hook/webhook.ts'
import { parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { Step } from '#shared/pure/step.ts'
import { type Config, checkConfig, functionConfig } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import { processBatch } from '#shared/runtime/define-queue.ts'
import type { FunctionConfig } from '#shared/runtime/definition.ts'
import { createKernel, type Kernel } from '#shared/runtime/kernel.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { type RunReport, runIdOf } from '#shared/runtime/report.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { createWebhookDesk, type WebhookDesk } from '#shared/runtime/webhook-desk.ts'
import { createInbox, type Inbox } from '#shared/safety/inbox.ts'
import { setSwitch } from '#shared/safety/kill-switch-store.ts'
import type { InboxNudge, Nudge } from '#shared/safety/nudge.ts'
import type { Store } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore, type StoreCall } from '#shared/safety/store-memory.ts'
import { sweepInbox } from '#shared/safety/sweep-inbox.ts'
import { Chance } from '../chance.ts'
import { createDirectTransport, type Wire, type WireFate } from '../direct-transport.ts'
import { drawStoreFate, drawWireFate } from '../draw-fate.ts'
import { EventLoop } from '../event-loop.ts'
import { createFaultyStore, type StoreFate } from '../faulty-store.ts'
import { History, type PlannedStep, type WriteCall } from '../history.ts'
import type { HookDefinition } from '../sabotage.ts'
import type { Scenario, Storm } from '../scenario.ts'
import type { Forwarded } from '../sim-platform.ts'
import { type Fate, SimProcess } from '../sim-process.ts'
import { afterwardsMs, callFacts, factsOfBody, forwardedOf, journalSecret, type Simulated, type SimulateOptions } from '../simulation.ts'
import { stageDocument, switchPath } from '../stage-world.ts'
import { warmUp } from '../warm-up.ts'
import { drawDeed, type HookScene, newestOf, type SimHookDeed, type SimHookWorkload, type SimSend } from './hook-scene.ts'
import { digestOfContent, HookWorld } from './hook-world.ts'
import { hookSecrets, nameOfWorkload, objectOfWorkload, placeOfKind } from './stage-hook.ts'

/** What is left of a world of the redeploy-hook. */
export interface SimulatedHook extends Simulated {
  readonly scene: HookScene
  readonly world: HookWorld
}

/** Lives through a scenario of the redeploy-hook and answers its history. The same scenario gives the same one. */
export async function simulateHook(scenario: Scenario, options: SimulateOptions = {}): Promise<SimulatedHook> {
  if (scenario.hook === undefined) throw new TypeError('this is no scenario of the redeploy-hook')
  await warmUp()
  return await new HookSimulation(scenario, scenario.hook, options).run()
}

/** What Lambda gives each: a tick, and a batch of the queue. */
const tickLimitMs = 75_000
const batchLimitMs = 75_000
const webhookLimitMs = 10_000
/** How long a queue keeps a message unseen after it was handed out, before it shows it again. */
const unseenMs = 120_000
const lookAfterMs = 60_000

type Work =
  | { readonly kind: 'tick'; readonly scheduledAt: number }
  | { readonly kind: 'sweep' }
  | { readonly kind: 'message'; readonly nudge: InboxNudge; readonly times: number }
  | { readonly kind: 'webhook'; readonly request: HookRequest; readonly times: number }

interface HookRequest {
  readonly what: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Told once it was taken in. */
  readonly onTaken?: (() => void) | undefined
}

interface Machine {
  readonly index: number
  readonly name: string
  skewMs: number
  lives: number
  runtime: Runtime | undefined
  isBooting: boolean
  isBusy: boolean
  readonly waiting: Work[]
}

interface Runtime {
  readonly process: SimProcess
  readonly cloud: CloudWriter
  readonly kernel: Kernel
  readonly store: Store
  readonly inbox: Inbox
  readonly desk: WebhookDesk
  readonly tools: Tools
  readonly own: Parameters<typeof queue.process>[3]['config']
}

class HookSimulation {
  readonly #scenario: Scenario
  readonly #scene: HookScene
  readonly #options: SimulateOptions
  readonly #loop: EventLoop
  readonly #history: History
  readonly #world: HookWorld
  readonly #disk = new MemoryDisk()
  readonly #machines: Machine[]
  readonly #chance: Chance
  readonly #fates: Chance
  readonly #wires: Chance
  readonly #storage: Chance
  readonly #rivals: Chance
  readonly #queue: Chance
  readonly #placesOfRuns: number[] = []
  readonly #endOfRun = new Map<string, number>()
  readonly #openSteps = new Map<SimProcess, Map<string, string>>()
  readonly #versions = new Map<string, number>()
  readonly #storeStorms = new Set<Storm>()
  #config: Config | undefined
  #own: FunctionConfig<HookSettings> | undefined
  #calls = 0
  #wireCount = 0
  #runs = 0
  #bug: unknown

  constructor(scenario: Scenario, scene: HookScene, options: SimulateOptions) {
    this.#scenario = scenario
    this.#scene = scene
    this.#options = options
    this.#loop = new EventLoop(scenario.startMs)
    this.#history = new History(scenario.startMs)
    this.#world = new HookWorld(scenario, scene, this.#loop, this.#history)
    this.#chance = new Chance(scenario.seed, 'simulation of pushes')
    this.#fates = this.#chance.of('fates')
    this.#wires = this.#chance.of('wires')
    this.#storage = this.#chance.of('store')
    this.#rivals = this.#chance.of('rivals')
    this.#queue = this.#chance.of('queue')
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

  async run(): Promise<SimulatedHook> {
    const { startMs, lastTickMs } = this.#scenario
    const text = readJson(JSON.stringify(stageDocument(this.#scenario)))
    this.#config = await checkConfig({ text, source: 'the scenario', env: {}, schemas: { 'redeploy-hook': definition.settings } })
    this.#own = await functionConfig(this.#config, webhook)
    this.#note(`a world begins at ${new Date(startMs).toISOString()}`)
    this.#arrange()
    await this.#loop.runUntil(lastTickMs + afterwardsMs)
    if (this.#bug !== undefined) throw this.#bug
    this.#world.core.advance()
    return {
      scenario: this.#scenario,
      scene: this.#scene,
      history: this.#history,
      platform: this.#world,
      world: this.#world,
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

  #arrange(): void {
    const { deliveries, jumps, storms, switchings, quietMs, startMs, lastTickMs } = this.#scenario
    const { pushes, removals, sends, deeds } = this.#scene
    for (const { atMs, scheduledAt, machine } of deliveries) this.#loop.at(atMs, () => this.#hand(machine, { kind: 'tick', scheduledAt }))
    for (let atMs = startMs + lookAfterMs / 2; atMs < lastTickMs; atMs += lookAfterMs) {
      this.#loop.at(atMs, () => this.#hand(this.#queue.whole(0, this.#machines.length - 1), { kind: 'sweep' }))
    }
    for (const push of pushes) if (push.atMs > startMs) this.#loop.at(push.atMs, () => this.#world.push(push))
    for (const { atMs, repository, tag } of removals) this.#loop.at(atMs, () => this.#world.remove(repository, tag))
    for (const send of sends) this.#loop.at(send.atMs, () => this.#announce(send))
    for (const deed of deeds) this.#loop.at(deed.atMs, () => this.#act(deed))
    for (const { atMs, machine, skewMs } of jumps) this.#loop.at(atMs, () => this.#setClock(machine, skewMs))
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
      this.#world.setSwitch(to)
      said()
      return
    }
    const store = openMemoryStore(this.#disk, { after: ({ operation }) => (operation === 'put' ? said() : undefined) })
    setSwitch(store, { state: to === 'gone' ? 'stop' : to, by: 'the simulation', reason: 'to see', now: this.#loop.now }).catch(this.#onBug)
  }

  #raise(storm: Storm, index: number): void {
    const name = `${storm.flavour} storm on the ${storm.on}`
    this.#loop.at(storm.fromMs, () => {
      this.#note(`${name} begins`)
      const end = storm.on === 'cloud' ? this.#world.storm(storm, this.#scenario.seed * 7 + index) : this.#raiseOnStore(storm)
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

  /** A sender tells of a push, as registries do: it tries again until it is answered, a few times. */
  #announce({ machine, repository, tag, saysMs, saysContent, isForged }: SimSend): void {
    const event = {
      action: 'push',
      timestamp: new Date(saysMs).toISOString(),
      target: {
        mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
        repository,
        tag,
        digest: digestOfContent(saysContent),
      },
    }
    const headers = { authorization: isForged ? 'Bearer guessed' : `Bearer ${hookSecrets.SIM_HOOK_TOKEN}` }
    const what = `${isForged ? 'a forged ' : ''}push of ${repository}:${tag} (${saysContent})`
    const request = { what, path: '/hooks/redeploy-hook/registry', headers, body: JSON.stringify({ events: [event] }) }
    this.#hand(machine, { kind: 'webhook', request, times: 1 })
  }

  #act(deed: SimHookDeed): void {
    const workload = this.#scene.workloads[deed.workload]
    if (workload === undefined) return
    if (deed.deed === 'approve' || deed.deed === 'approve-old') this.#approve(workload, deed)
    else this.#world.act(deed)
  }

  /** Somebody follows a link: to what is newest now, or to what was newest before. */
  #approve(workload: SimHookWorkload, { deed, pick }: SimHookDeed): void {
    this.#world.core.advance()
    const rule = this.#scene.rules[workload.rule]
    const uid = objectOfWorkload(this.#world.core.world, workload)?.metadata.uid
    if (rule === undefined || uid === undefined) return
    const spans = this.#world.spans.filter(({ repository }) => repository === rule.repository)
    const newest = this.#world.newestAt(rule, this.#loop.now)
    const span =
      deed === 'approve'
        ? newest
        : (newestOf(
            rule.tags,
            spans.filter((one) => one !== newest),
          ) ?? newest)
    if (span === undefined) return
    const token = signApproval(
      {
        uid,
        cluster: workload.cluster,
        namespace: 'default',
        kind: workload.kind,
        name: workload.name,
        container: workload.name,
        repository: rule.repository,
        tag: span.tag,
        contentId: span.digest,
        expiresAt: this.#loop.now + 24 * 3_600_000,
        nonce: `n${pick}-${this.#loop.now}`,
      },
      hookSecrets.SIM_APPROVAL_SECRET,
    )
    const target = nameOfWorkload(workload)
    const agreed = (isTaken: boolean): void =>
      this.#history.add({ at: this.#loop.now, kind: 'hook-approved', target, uid, content: span.digest, isTaken })
    agreed(false)
    const onTaken = (): void => agreed(true)
    const request = {
      what: `an approval of ${span.tag} for ${target}`,
      path: `${approvalPath}/${token}`,
      headers: {},
      body: 'by=somebody',
      onTaken,
    }
    this.#hand(this.#queue.whole(0, this.#machines.length - 1), { kind: 'webhook', request, times: 1 })
  }

  #hand(index: number, work: Work): void {
    const machine = this.#machines[index]
    if (machine === undefined) return
    // What comes by the minute is no use late.
    if (work.kind === 'sweep' && machine.waiting.some(({ kind }) => kind === 'sweep')) return
    machine.waiting.push(work)
    this.#work(machine)
  }

  #work(machine: Machine): void {
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

  async #boot(machine: Machine): Promise<void> {
    const { sabotage } = this.#options
    const config = this.#config
    const own = this.#own
    if (config === undefined || own === undefined) return
    machine.lives += 1
    const process = new SimProcess(`${machine.name}.${machine.lives}`, this.#loop, () => machine.skewMs)
    this.#history.add({ at: this.#loop.now, kind: 'process', process: process.name, text: 'starts' })
    const openCalls: WriteCall[] = []
    const client = createClient({
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
    const watched = this.#watched(client, process, openCalls)
    const cloud = sabotage?.cloud?.(watched) ?? watched
    const store = createFaultyStore({
      diskOf: () => this.#disk,
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
    const redactor = createRedactor()
    const kernel = await createKernel({
      config,
      store,
      cloud,
      now: process.clock.now,
      redact: (text) => text,
      resolveReference: () => Promise.resolve(journalSecret),
    })
    const inbox = createInbox(store, { function: 'redeploy-hook' })
    const nudge: Nudge = {
      send: (order) => {
        this.#wake(order)
        return Promise.resolve()
      },
    }
    const desk = createWebhookDesk({
      function: 'redeploy-hook',
      sources: webhook.sources(own),
      inbox,
      nudge,
      resolve: createResolver({ env: hookSecrets }),
      redactor,
      clock: process.clock,
      log: silentLog,
    })
    const tools = await openTools({
      config: own,
      wholeConfig: config,
      store,
      log: silentLog,
      env: hookSecrets,
      redactor,
      platform: () => Promise.resolve({ cloud, kernel }),
    })
    process.onFreeze = (ms) =>
      this.#history.add({ at: this.#loop.now, kind: 'process', process: process.name, text: `stands still for ${ms} ms` })
    process.onDeath = (what) => {
      this.#history.add({ at: this.#loop.now, kind: 'process', process: process.name, text: what })
      machine.runtime = undefined
      machine.isBusy = false
      this.#loop.after(this.#fates.magnitude(200, 30_000), () => this.#work(machine))
    }
    machine.runtime = { process, cloud, kernel, store, inbox, desk, tools, own }
  }

  /** The queue shows a message to somebody, at least once, unless it is lost on the way there. */
  #wake(nudge: InboxNudge, times = 1): void {
    const isQuiet = this.#loop.now >= this.#scenario.quietMs
    if (!isQuiet && this.#queue.isTrue(this.#scene.lostNudges)) return
    const copies = !isQuiet && this.#queue.isTrue(0.1) ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      this.#loop.after(this.#queue.magnitude(5, 3_000), () =>
        this.#hand(this.#queue.whole(0, this.#machines.length - 1), { kind: 'message', nudge, times }),
      )
    }
  }

  #start(machine: Machine, runtime: Runtime, work: Work): void {
    const { process } = runtime
    const isQuiet = this.#loop.now >= this.#scenario.quietMs
    this.#runs += 1
    const name = `${process.name}/${this.#runs}`
    machine.isBusy = true
    const { fatesOfRun } = this.#options
    const isRun = work.kind === 'tick' || work.kind === 'message'
    const fates = fatesOfRun === undefined ? (isQuiet ? [] : this.#drawFates(isRun)) : fatesOfRun(this.#runs)
    process.begin(name, fates)
    const usualMs = work.kind === 'webhook' ? webhookLimitMs : work.kind === 'message' ? batchLimitMs : tickLimitMs
    const isHurried = !isQuiet && isRun && this.#fates.isTrue(this.#scenario.hurryChance)
    const endsAt = this.#loop.now + (isHurried ? this.#fates.whole(5_000, 40_000) : usualMs)
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
    this.#do(runtime, work, { name, endsAt }).then(over, (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 3).join(' ') : String(error)
      // What a sweep or a batch throws comes back by itself.
      if (work.kind !== 'sweep') this.#history.add({ at: this.#loop.now, kind: 'run-threw', doer: this.#doer(process), text })
      over()
    })
  }

  #doer(process: SimProcess): { readonly process: string; readonly owner: string } {
    return { process: process.name, owner: process.owner }
  }

  async #do(runtime: Runtime, work: Work, at: { readonly name: string; readonly endsAt: number }): Promise<void> {
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

  async #sweep({ inbox, process }: Runtime): Promise<void> {
    const nudge: Nudge = {
      send: (order) => {
        this.#wake(order)
        return Promise.resolve()
      },
    }
    const isOk = await sweepInbox(inbox, nudge, { now: process.clock.now() }).then(
      () => true,
      () => false,
    )
    if (!isOk) this.#note(`a sweep of ${process.name} came to nothing`)
  }

  /** Answers a webhook. Whoever sent it sends it again when there is no answer, or one that asks for it. */
  async #receive({ desk, process }: Runtime, { request, times }: Work & { readonly kind: 'webhook' }): Promise<void> {
    const { what, path, headers, body, onTaken } = request
    let status: number | undefined
    const again = (): void => {
      if (status === 202) onTaken?.()
      if ((status === undefined || status === 503) && times < 6) {
        this.#loop.after(this.#queue.magnitude(2_000, 60_000), () =>
          this.#hand(this.#queue.whole(0, this.#machines.length - 1), { kind: 'webhook', request, times: times + 1 }),
        )
      }
    }
    this.#loop.after(webhookLimitMs + 1, again)
    const bytes = Buffer.from(body)
    const answer = await desk.answer({ method: 'POST', path, query: '', headers, sizeBytes: bytes.length, body: () => bytes })
    status = answer.statusCode
    this.#history.add({ at: this.#loop.now, kind: 'hook-answered', doer: this.#doer(process), what, status, ids: idsIn(answer.body ?? '') })
  }

  async #tick(
    { process, cloud, kernel }: Runtime,
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
    await runSchedule(this.#watchedDefinition(definition, process, began), {
      config,
      cloud,
      kernel,
      owner: at.name,
      now: process.clock.now(),
      scheduledAt,
      trigger: { kind: 'eventbridge-scheduler' },
      log: silentLog,
      remainingMs: () => at.endsAt - this.#loop.now,
      waitClock: process.clock,
      onReport: (report) => this.#ended(process, report),
    })
  }

  /** Works on what a message says. When nothing came of that the queue shows it again, a few times. */
  async #workOff(runtime: Runtime, { nudge, times }: Work & { readonly kind: 'message' }, at: { readonly endsAt: number }): Promise<void> {
    const { process, inbox, tools, own, store } = runtime
    let isDone = false
    this.#loop.after(unseenMs, () => {
      if (!isDone && times < 5) this.#wake(nudge, times + 1)
    })
    const watched: Tools = {
      run: async (look, event, attempt, part) => {
        const owner = `${event.id}/${event.attempt}/${attempt.now}/${part}`
        const began = (now: number): void => this.#began(process, { owner, endsAt: at.endsAt, scheduledAt: attempt.now, now })
        const report = await tools.run(this.#watchedDefinition(look, process, began), event, attempt, part)
        this.#ended(process, report)
        return report
      },
    }
    const { sabotage } = this.#options
    const work = sabotage?.process?.(queue.process) ?? queue.process
    const answer = await processBatch([{ messageId: nudge.once, group: nudge.group, entry: nudge.id, receipt: undefined }], {
      inbox,
      process: async (event, attempt) => await work(event, watched, attempt, { config: own, store, log: silentLog }),
      owner: process.owner,
      now: process.clock.now,
      remainingMs: () => at.endsAt - this.#loop.now - 2_000,
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
    this.#openSteps.delete(process)
    this.#endOfRun.set(owner, endsAt)
    this.#history.add({
      at: this.#loop.now,
      kind: 'run-began',
      doer: this.#doer(process),
      runId: runIdOf('redeploy-hook', scheduledAt),
      scheduledAt,
      processNow: now,
      remainingMs: endsAt - this.#loop.now,
      version: 0,
      approved: undefined,
    })
  }

  #ended(process: SimProcess, { decisions, failure }: RunReport): void {
    this.#history.add({ at: this.#loop.now, kind: 'run-ended', doer: this.#doer(process), decisions, failure: failure?.text })
  }

  #watchedDefinition(plain: HookDefinition, process: SimProcess, began: (now: number) => void): HookDefinition {
    const look = this.#options.sabotage?.hook?.(plain) ?? plain
    return {
      ...look,
      observe: (cloud, config, now, around) => {
        began(now)
        return look.observe(cloud, config, now, around)
      },
      plan: (observed, config, now) => {
        const plan = look.plan(observed, config, now)
        this.#notePlan(process, plan, now)
        return plan
      },
      apply: async (step, cloud, config, now) => {
        const open = this.#openSteps.get(process) ?? new Map<string, string>()
        this.#openSteps.set(process, open)
        open.set(step.target, step.key)
        return await look.apply(step, cloud, config, now)
      },
    }
  }

  #notePlan<Change>(process: SimProcess, plan: readonly Step<Change>[], now: number): void {
    const steps = plan.map(
      ({ key, target, before, after, reason, verdict }): PlannedStep => ({ key, target, before, after, code: reason.code, verdict }),
    )
    this.#history.add({ at: this.#loop.now, kind: 'planned', doer: this.#doer(process), now, steps })
  }

  /** The client, its writing calls written down. */
  #watched(client: CloudWriter, process: SimProcess, openCalls: WriteCall[]): CloudWriter {
    return {
      send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
        if (action.effect === 'read') return await client.send(action, request, options)
        this.#calls += 1
        const facts = callFacts(action, request)
        const cluster: unknown = Reflect.get(request, 'ClusterName')
        const call: WriteCall = {
          id: this.#calls,
          process: process.name,
          owner: process.owner,
          ...facts,
          key: this.#keyOf(process, { ...facts, cluster: typeof cluster === 'string' ? cluster : '' }),
          processNow: process.clock.now(),
          remainingMs: (this.#endOfRun.get(process.owner) ?? Number.POSITIVE_INFINITY) - this.#loop.now,
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

  /** The step that a writing call is for: that of the workload which is written, or of the Job that is copied. */
  #keyOf(process: SimProcess, { cluster, path, body }: Forwarded): string {
    const started = stringAt(parseJson(body), 'metadata', 'annotations', 'longshore.dev/started-by')
    if (started !== undefined) return started
    const workload = this.#workloadAt(cluster, path)
    return workload === undefined ? '' : (this.#openSteps.get(process)?.get(nameOfWorkload(workload)) ?? '')
  }

  #workloadAt(cluster: string, path: string): SimHookWorkload | undefined {
    return this.#scene.workloads.find(
      (one) => one.cluster === cluster && path.endsWith(`/namespaces/default/${placeOfKind[one.kind].resource}/${one.name}`),
    )
  }

  #open(request: WireRequest, process: SimProcess, openCalls: readonly WriteCall[]): Wire {
    const forwarded = forwardedOf(request)
    const doer = this.#doer(process)
    this.#wireCount += 1
    const wireId = this.#wireCount
    const wanted = forwarded ?? factsOfBody(request)
    const call = openCalls.find((open) => open.path === wanted.path && open.body === wanted.body && open.method === wanted.method)
    const callId = call?.id ?? 0
    const key = call?.key ?? ''
    let saidAt = 0
    let says = ''
    const text =
      forwarded === undefined ? `${wanted.method} ${wanted.path}`.trim() : `${forwarded.method} ${forwarded.cluster} ${forwarded.path}`
    this.#history.add({ at: this.#loop.now, kind: 'sent', doer, wireId, callId, text })
    return {
      receive: async (received) => {
        const exchange = await this.#world.receive(received, forwarded, { ...doer, wireId, callId, key })
        saidAt = this.#loop.now
        says = this.#world.switchSays()
        if (forwarded?.method === 'GET') this.#perhapsRival(forwarded, process)
        return exchange
      },
      end: (outcome, how) => {
        this.#history.add({ at: this.#loop.now, kind: 'answered', doer, wireId, callId, outcome, text: how })
        if (forwarded?.method !== 'GET' || outcome !== 'answered') return
        if (forwarded.path === switchPath) this.#history.add({ at: this.#loop.now, kind: 'switch-read', doer, saidAt, says })
        else this.#history.add({ at: this.#loop.now, kind: 'read', doer, path: forwarded.path, cluster: forwarded.cluster })
      },
    }
  }

  /** Somebody may come in between, before whoever has read a workload to write it does so. */
  #perhapsRival({ cluster, path }: Forwarded, process: SimProcess): void {
    const { rivalChance, quietMs } = this.#scenario
    const workload = this.#workloadAt(cluster, path)
    if (this.#scene.isPlain || workload === undefined || this.#loop.now >= quietMs) return
    const isOpen = this.#openSteps.get(process)?.has(nameOfWorkload(workload)) === true
    if (!isOpen || rivalChance === 0 || !this.#rivals.isTrue(rivalChance)) return
    const deed = { deed: drawDeed(this.#rivals), workload: this.#scene.workloads.indexOf(workload), pick: this.#rivals.whole(0, 9_999) }
    this.#loop.after(this.#rivals.magnitude(1, 2 * this.#scenario.latency.cloudMs), () =>
      this.#world.act({ atMs: this.#loop.now, ...deed }),
    )
  }

  #onStored(
    { operation, partition, sort }: StoreCall,
    doer: { readonly process: string; readonly owner: string },
    processNow: number,
  ): void {
    if ((operation !== 'put' && operation !== 'delete') || sort === undefined) return
    const row = this.#disk.row({ partition, sort })
    const id = `${partition}\t${sort}`
    if (row === undefined || this.#versions.get(id) === row.version) return
    this.#versions.set(id, row.version)
    this.#history.add({ at: this.#loop.now, kind: 'stored', doer, processNow, partition, sort, version: row.version, data: row.text })
  }

  #onSwitchRead(doer: { readonly process: string; readonly owner: string }, saidAt: number, answer: unknown): void {
    const data: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'data') : undefined
    const state: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, 'state') : 'run'
    this.#history.add({ at: this.#loop.now, kind: 'switch-read', doer, saidAt, says: String(state) })
  }

  #drawFates(isRun: boolean): readonly Fate[] {
    const { cutChance, freezeChance } = this.#scenario
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

  #drawWire(): WireFate {
    return drawWireFate(this.#wires, this.#scenario.latency, this.#loop.now >= this.#scenario.quietMs)
  }

  #drawStore(isWrite: boolean): StoreFate {
    const isQuiet = this.#loop.now >= this.#scenario.quietMs
    return drawStoreFate(this.#storage, this.#scenario.latency, { storms: this.#storeStorms, isQuiet, isWrite })
  }
}

/** The events that an answer says are durable. */
function idsIn(body: string): readonly string[] {
  return [...body.matchAll(/[0-9a-f]{40}/g)].map(([id]) => id)
}
