import { advanceWorld } from '#infra/sandbox/advance.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { SandboxCore } from '#infra/sandbox/core.ts'
import { parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { removeNode } from '#infra/sandbox/kubernetes/nodes.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { placeCluster, placeNetwork, placeNodes } from '#infra/sandbox/seeds/place.ts'
import { createSandboxCore, type Exchange, exchangeApi } from '#infra/sandbox/server.ts'
import { nodesOf } from '#infra/sandbox/tke/machines.ts'
import type { ReceivedCall } from '#infra/sandbox/verify-signature.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { SharedWorld } from '../common-ground.ts'
import type { EventLoop } from '../event-loop.ts'
import type { History } from '../history.ts'
import type { Scenario, Storm } from '../scenario.ts'
import { faultsOf } from '../sim-platform.ts'
import type { LicenceScene, SimGrowth } from './license-scene.ts'

/** An answer of the platform, as it said it. */
export interface Said {
  readonly action: string
  readonly region: string
  /** What stands in the envelope, parsed by nobody's code but Node's. */
  readonly response: unknown
}

/** The platform of a world of the license-meter: the sandbox's own handling of calls, and what it answered to each. */
export class LicenceWorld {
  readonly core: SandboxCore
  readonly images: undefined
  /** By RequestId. */
  readonly said = new Map<string, Said>()
  /** Calls that could write. */
  written = 0
  readonly #scenario: Scenario
  readonly #scene: LicenceScene
  readonly #loop: EventLoop
  readonly #history: History
  #machines = 0

  constructor(
    scenario: Scenario,
    scene: LicenceScene,
    { loop, history, shared }: { readonly loop: EventLoop; readonly history: History; readonly shared?: SharedWorld | undefined },
  ) {
    this.#scenario = scenario
    this.#scene = scene
    this.#loop = loop
    this.#history = history
    if (shared !== undefined) {
      this.core = shared.coreFor(() => undefined)
      return
    }
    const world = this.#stage()
    const clock = createSandboxClock({ source: () => loop.now })
    const core = createSandboxCore({ seed: scenario.seed, world, clock })
    this.core = { ...core, advance: () => advanceWorld(world, clock.now(), core.random) }
  }

  #stage(): World {
    const { startMs, seed } = this.#scenario
    const createdMs = startMs - 400 * 24 * 3_600_000
    const world = createEmptyWorld(createdMs, seed)
    world.tke.licence.passMeans = this.#scene.platformMeans
    for (const [index, { region, cluster, nodes, entitled }] of this.#scene.regions.entries()) {
      if (entitled !== undefined) world.tke.licence.entitledCores[region] = entitled
      if (index > 0) {
        const subnets = { [subnetOf(index)]: [`${region}-1`, `10.${index}.0.0/20`] } as const
        placeNetwork(world, { vpcId: vpcOf(index), region, cidr: `10.${index}.0.0/16`, subnets })
        const facts = { name: `c${index}`, version: '1.20.6', clusterCidr: `172.${16 + index}.0.0/16`, createdMs }
        placeCluster(world, { clusterId: cluster, region, vpcId: vpcOf(index), ...facts }, createRandom(seed + index))
      }
      this.#resize(world, index, nodes, createdMs)
    }
    return world
  }

  #resize(world: World, index: number, count: number, atMs: number): void {
    const place = this.#scene.regions[index]
    const cluster = place === undefined ? undefined : world.tke.clusters[place.cluster]
    if (place === undefined || cluster === undefined) return
    const kubernetes = world.kubernetes[place.cluster]
    const machines = nodesOf(world, place.cluster)
    for (const machine of machines.slice(count)) {
      if (machine.node !== null && kubernetes !== undefined) removeNode(kubernetes, machine.node.nodeName, atMs)
      delete world.tke.machines[machine.instanceId]
    }
    if (count <= machines.length) return
    this.#machines += 1
    const spec = { count: count - machines.length, instanceType: 'S5.2XLARGE16', subnetId: subnetOf(index), createdMs: atMs }
    placeNodes(world, cluster, spec, createRandom(this.#scenario.seed * 1000 + this.#machines))
  }

  grow({ region, nodes }: SimGrowth): void {
    this.core.advance()
    this.#resize(this.core.world, region, nodes, this.#loop.now)
    this.#history.add({
      at: this.#loop.now,
      kind: 'note',
      text: `PERSON gives ${this.#scene.regions[region]?.region ?? ''} ${nodes} nodes`,
    })
  }

  /** Begins a storm on the platform. Answers how to end it. */
  storm({ flavour, probability, match }: Storm, seed: number): () => void {
    const faults = faultsOf[flavour]
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

  /** Carries a call out, and keeps what was answered to it. */
  async receive(call: ReceivedCall, wireId: number): Promise<Exchange> {
    const region = headerOf(call, 'x-tc-region')
    const exchange = this.#oddly(await exchangeApi(this.core, call, (ms) => this.#loop.sleep(ms)), region)
    const record = this.core.journal.records.at(-1)
    if (record !== undefined && record.effect !== 'read') this.written += 1
    const faults = record === undefined || record.faults.length === 0 ? '' : ` under ${record.faults.join(', ')}`
    const text = `${record?.action ?? '?'} ${region}: ${record?.code ?? 'carried out'}${faults}`
    this.#history.add({ at: this.#loop.now, kind: 'came', wireId, text })
    const response: unknown = exchange.reply.status === 200 ? Reflect.get(Object(parseJson(exchange.reply.body)), 'Response') : undefined
    const requestId = stringAt(parseJson(exchange.reply.body), 'Response', 'RequestId')
    if (requestId !== undefined) this.said.set(requestId, { action: headerOf(call, 'x-tc-action'), region, response })
    return exchange
  }

  #oddly(exchange: Exchange, name: string): Exchange {
    const odd = this.#scene.oddities.find(
      ({ region, fromMs, untilMs }) => this.#scene.regions[region]?.region === name && fromMs <= this.#loop.now && this.#loop.now < untilMs,
    )
    if (odd === undefined) return exchange
    const body = exchange.reply.body.replace(
      /("ProductId":"tke-managed-x86"[^}]*"UsageValue":)"[^"]*"/,
      (_, before: string) => `${before}${JSON.stringify(odd.value)}`,
    )
    return { ...exchange, reply: { ...exchange.reply, body } }
  }
}

function vpcOf(index: number): string {
  return index === 0 ? emptyCluster.vpcId : `vpc-e000000${index + 1}`
}

function subnetOf(index: number): string {
  return index === 0 ? emptyCluster.subnetId : `subnet-e000000${index + 1}`
}

function headerOf({ headers }: ReceivedCall, name: string): string {
  return headers.find(([own]) => own.toLowerCase() === name)?.[1] ?? ''
}
