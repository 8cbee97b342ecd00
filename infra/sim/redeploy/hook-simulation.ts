import { deployTokens } from '#functions/redeploy-hook/approval-token.ts'
import { definition, openTools, queue, type Tools } from '#functions/redeploy-hook/definition.ts'
import type { Settings as HookSettings } from '#functions/redeploy-hook/event.ts'
import { webhook } from '#functions/redeploy-hook/webhook.ts'
import { parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import type { Step } from '#shared/pure/step.ts'
import type { Chance } from '../chance.ts'
import type { CommonGround } from '../common-ground.ts'
import type { EventFunction } from '../events/event-function.ts'
import { EventSimulation } from '../events/event-simulation.ts'
import type { HookDefinition, HookProcess } from '../sabotage.ts'
import type { Scenario } from '../scenario.ts'
import type { Forwarded } from '../sim-platform.ts'
import type { SimProcess } from '../sim-process.ts'
import type { Simulated, SimulateOptions } from '../simulation.ts'
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

type Seen = Parameters<HookDefinition['plan']>[0]
type Change = NonNullable<Parameters<NonNullable<HookDefinition['apply']>>[0]['change']>

const redeployHook: EventFunction<HookSettings, Seen, Change, Tools> = {
  name: 'redeploy-hook',
  definition,
  queue,
  webhook,
  openTools,
  secrets: hookSecrets,
  watchTools: (tools, watch) => ({
    run: async (look, event, attempt, part) =>
      await watch(
        look,
        { owner: `${event.id}/${event.attempt}/${attempt.now}/${part}`, scheduledAt: attempt.now },
        async (watched) => await tools.run(watched, event, attempt, part),
      ),
  }),
}

/** Lives through a world of pushes. */
export class HookSimulation extends EventSimulation<HookSettings, Seen, Change, Tools> {
  override readonly world: HookWorld
  readonly #scene: HookScene
  readonly #rivals: Chance
  readonly #openSteps = new Map<SimProcess, Map<string, string>>()

  constructor(scenario: Scenario, scene: HookScene, options: SimulateOptions, ground?: CommonGround) {
    super({ scenario, options, of: redeployHook, matter: 'simulation of pushes', lostNudges: scene.lostNudges, ground })
    this.#scene = scene
    this.world = new HookWorld(scenario, scene, { loop: this.loop, history: this.history, shared: ground?.shared })
    this.#rivals = this.chance.of('rivals')
  }

  async run(): Promise<SimulatedHook> {
    return this.#with(await this.live())
  }

  /** Writes everything into the loop, which somebody else lets run. */
  async prepare(): Promise<void> {
    await this.begin()
  }

  outcome(): SimulatedHook {
    return this.#with(this.left())
  }

  #with(lived: Omit<Simulated, 'platform'>): SimulatedHook {
    return { ...lived, scene: this.#scene, platform: this.world, world: this.world }
  }

  protected arrangeScene(): void {
    const { pushes, removals, sends, deeds } = this.#scene
    for (const push of pushes) if (push.atMs > this.scenario.startMs) this.loop.at(push.atMs, () => this.world.push(push))
    for (const { atMs, repository, tag } of removals) this.loop.at(atMs, () => this.world.remove(repository, tag))
    for (const send of sends) this.loop.at(send.atMs, () => this.#announce(send))
    for (const deed of deeds) this.loop.at(deed.atMs, () => this.#act(deed))
  }

  protected sabotaged(plain: HookDefinition): HookDefinition {
    return this.options.sabotage?.hook?.(plain) ?? plain
  }

  protected sabotagedProcess(process: HookProcess): HookProcess {
    return this.options.sabotage?.process?.(process) ?? process
  }

  protected onBegan(process: SimProcess): void {
    this.#openSteps.delete(process)
  }

  protected override async applying<Result>(process: SimProcess, step: Step<Change>, apply: () => Promise<Result>): Promise<Result> {
    const open = this.#openSteps.get(process) ?? new Map<string, string>()
    this.#openSteps.set(process, open)
    open.set(step.target, step.key)
    return await apply()
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
    this.send(request, machine)
  }

  #act(deed: SimHookDeed): void {
    const workload = this.#scene.workloads[deed.workload]
    if (workload === undefined) return
    if (deed.deed === 'approve' || deed.deed === 'approve-old') this.#approve(workload, deed)
    else this.world.act(deed)
  }

  /** Somebody follows a link: to what is newest now, or to what was newest before. */
  #approve(workload: SimHookWorkload, { deed, pick }: SimHookDeed): void {
    this.world.core.advance()
    const rule = this.#scene.rules[workload.rule]
    const uid = objectOfWorkload(this.world.core.world, workload)?.metadata.uid
    if (rule === undefined || uid === undefined) return
    const spans = this.world.spans.filter(({ repository }) => repository === rule.repository)
    const newest = this.world.newestAt(rule, this.loop.now)
    const span =
      deed === 'approve'
        ? newest
        : (newestOf(
            rule.tags,
            spans.filter((one) => one !== newest),
          ) ?? newest)
    if (span === undefined) return
    const token = deployTokens.sign(
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
        expiresAt: this.loop.now + 24 * 3_600_000,
        nonce: `n${pick}-${this.loop.now}`,
      },
      hookSecrets.SIM_APPROVAL_SECRET,
    )
    const target = nameOfWorkload(workload)
    const agreed = (isTaken: boolean): void =>
      this.history.add({ at: this.loop.now, kind: 'hook-approved', target, uid, content: span.digest, isTaken })
    agreed(false)
    const onTaken = (): void => agreed(true)
    const request = {
      what: `an approval of ${span.tag} for ${target}`,
      path: `${deployTokens.path}/${token}`,
      headers: {},
      body: 'by=somebody',
      onTaken,
    }
    this.send(request)
  }

  /** The step that a writing call is for: that of the workload which is written, or of the Job that is copied. */
  protected keyOf(process: SimProcess, { cluster, path, body }: Forwarded): string {
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

  /** Somebody may come in between, before whoever has read a workload to write it does so. */
  protected onRead({ cluster, path }: Forwarded, process: SimProcess): void {
    const { rivalChance, quietMs } = this.scenario
    const workload = this.#workloadAt(cluster, path)
    if (this.#scene.isPlain || workload === undefined || this.loop.now >= quietMs) return
    const isOpen = this.#openSteps.get(process)?.has(nameOfWorkload(workload)) === true
    if (!isOpen || rivalChance === 0 || !this.#rivals.isTrue(rivalChance)) return
    const deed = { deed: drawDeed(this.#rivals), workload: this.#scene.workloads.indexOf(workload), pick: this.#rivals.whole(0, 9_999) }
    this.loop.after(this.#rivals.magnitude(1, 2 * this.scenario.latency.cloudMs), () => this.world.act({ atMs: this.loop.now, ...deed }))
  }
}
