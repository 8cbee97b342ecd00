import { recordAnnotation } from '#functions/cron-scaler/record.ts'
import { advanceWorld } from '#infra/sandbox/advance.ts'
import type { CallRecord } from '#infra/sandbox/call-journal.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { SandboxCore } from '#infra/sandbox/core.ts'
import { type Fault, stormFaults } from '#infra/sandbox/faults.ts'
import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import { type JsonObject, parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { getObject, listObjects, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import { createSandboxCore, type Exchange, exchangeApi } from '#infra/sandbox/server.ts'
import type { ReceivedCall } from '#infra/sandbox/verify-signature.ts'
import type { SharedWorld } from './common-ground.ts'
import type { EventLoop } from './event-loop.ts'
import type { Doer, History } from './history.ts'
import { ImageWatch } from './images/image-watch.ts'
import { stageImages } from './images/stage-images.ts'
import type { Scenario, SimDeed, SimTarget, Storm } from './scenario.ts'
import {
  clusterOf,
  instantText,
  markOn,
  objectOfTarget,
  objectsOf,
  overrideText,
  resourceOfKind,
  setSwitchMap,
  sizeTextOf,
  stageWorld,
  switchMap,
  targetNameOf,
  targetOfPath,
} from './stage-world.ts'
import { isOfApi, straysOf } from './strays.ts'

/** What a ForwardRequest asks a cluster for. */
export interface Forwarded {
  readonly cluster: string
  readonly method: string
  readonly path: string
  readonly body: string
}

/** Who sent a request, and as what. */
export interface Sender extends Doer {
  readonly wireId: number
  readonly callId: number
  /** Of the step that the call belongs to; empty for a reading. */
  readonly key: string
}

/** What an answer is worth. */
export interface Told {
  readonly saidAt: number
  /** Whether it came, and says the truth and all of it. */
  readonly isTrue: boolean
}

/** The sandbox's own handling of calls, in virtual time, with a look at what each write really changed. */
export class SimPlatform {
  readonly core: SandboxCore
  readonly #scenario: Scenario
  readonly #loop: EventLoop
  readonly #history: History
  /** The targets right after the world was last advanced: what a write then finds. */
  #before: readonly (KubeObject | undefined)[] = []
  #probesBefore: ReadonlySet<KubeObject> = new Set()
  /** The truth about images, in worlds of the image-cleaner. */
  readonly images: ImageWatch | undefined

  constructor(
    scenario: Scenario,
    { loop, history, shared }: { readonly loop: EventLoop; readonly history: History; readonly shared?: SharedWorld | undefined },
  ) {
    this.#scenario = scenario
    this.#loop = loop
    this.#history = history
    const { images } = scenario
    if (shared !== undefined) {
      this.core = shared.coreFor(() => {
        this.images?.allow(false)
        this.images?.lookAtTags()
        this.#look()
        this.images?.look()
      })
      this.images = images === undefined ? undefined : new ImageWatch(this.core.world, images, loop, history)
      return
    }
    const world = images === undefined ? stageWorld(scenario) : stageImages(scenario, images)
    this.images = images === undefined ? undefined : new ImageWatch(world, images, loop, history)
    const clock = createSandboxClock({ source: () => loop.now })
    const core = createSandboxCore({ seed: scenario.seed, world, clock })
    const advance = (): void => {
      this.images?.allow(false)
      advanceWorld(world, clock.now(), core.random)
      this.#look()
      this.images?.look()
    }
    this.core = { ...core, advance }
  }

  /** Carries a call out and says what it changed. Answers, and says what a kill switch in a cluster said meanwhile. */
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
      if (this.images !== undefined) this.#compareImages(record, sender)
      else if (forwarded !== undefined) this.#compare(forwarded, sender, record.requestId)
    }
    if (this.images !== undefined && record !== undefined) {
      const isTrue = !isRefusal(exchange) && this.images.isTrueAnswer(record, exchange.reply.body)
      this.#told.set(exchange, { saidAt: this.#loop.now, isTrue })
    }
    return exchange
  }

  readonly #told = new WeakMap<Exchange, Told>()

  /** When an answer was given, and whether it is the truth; in worlds of the image-cleaner only. */
  toldBy(exchange: Exchange): Told | undefined {
    return this.#told.get(exchange)
  }

  #compareImages(record: CallRecord, sender: Sender): void {
    const done = this.images?.carriedOut(record)
    if (done === undefined) return
    this.#history.add({
      at: this.#loop.now,
      kind: 'effect',
      effect: {
        ...sender,
        requestId: record.requestId,
        target: done.target,
        uid: '',
        before: '',
        after: done.after,
        by: '',
        nominalMs: 0,
        wasOptedOut: false,
        wasDeleting: false,
        images: done.images,
      },
    })
  }

  /** What the kill switch in a cluster says now. */
  switchSays(): string {
    const state = clusterOf(this.core.world, this.#scenario.clusterIds[0] ?? '')
    const map = getObject(state, '', 'configmaps', switchMap.name, switchMap.namespace)
    return stringAt(map, 'data', switchMap.key) ?? 'gone'
  }

  /** Somebody sets the kill switch in a cluster. */
  setSwitch(to: 'run' | 'stop' | 'gone'): void {
    setSwitchMap(this.core.world, this.#scenario, to, this.#loop.now)
  }

  /** Does what a person with kubectl does. */
  act({ deed, target: index, size, forMs }: SimDeed): void {
    const target = this.#scenario.targets[index]
    if (target === undefined || target.kind === 'Ledger') return
    this.core.advance()
    const { world } = this.core
    const state = clusterOf(world, target.cluster)
    const { group, resource } = resourceOfKind[target.kind]
    const isThere = objectOfTarget(world, target) !== undefined
    // Instants are written to the second.
    const untilMs = Math.floor((this.#loop.now + forMs) / 1000) * 1000
    const path = `/apis/${group}/v1/namespaces/default/${resource}/${target.name}`
    const ask = (request: { readonly method: string; readonly contentType?: string; readonly body?: string }): void => {
      handleKubernetes(state, { ...request, path }, { now: this.#loop.now, random: this.core.random, user: 'somebody' })
    }
    const patch = (body: JsonObject): void =>
      ask({ method: 'PATCH', contentType: 'application/merge-patch+json', body: JSON.stringify(body) })
    const annotate = (name: string, value: string | null): void => patch({ metadata: { annotations: { [name]: value } } })
    switch (deed) {
      case 'scale':
        patch({ spec: 'replicas' in size ? { replicas: size.replicas } : { minReplicas: size.min, maxReplicas: size.max } })
        break
      case 'opt-out':
        annotate('longshore.dev/opt-out', 'true')
        break
      case 'opt-in':
        patch({ metadata: { annotations: { 'longshore.dev/opt-out': null, 'longshore.dev/hold-until': null } } })
        break
      case 'hold':
        annotate('longshore.dev/hold-until', instantText(untilMs))
        break
      case 'override':
        annotate('longshore.dev/override', overrideText(size, untilMs))
        break
      case 'override-off':
        annotate('longshore.dev/override', null)
        break
      case 'forget':
        annotate('longshore.dev/cron-scaler', null)
        break
      case 'doom':
        patch({ metadata: { finalizers: ['example.com/backup'] } })
        ask({ method: 'DELETE' })
        break
      case 'delete':
        removeObject(state, group, resource, target.name, 'default')
        break
      case 'recreate':
        if (isThere) removeObject(state, group, resource, target.name, 'default')
        for (const object of objectsOf(target)) putObject(state, object, this.#loop.now)
        break
    }
    const text = `${deed} ${targetNameOf(target)}, now ${sizeTextOf(objectOfTarget(world, target)) || 'not there'}`
    const written = deed === 'override' && isThere ? { size, fromMs: this.#loop.now, untilMs } : undefined
    this.#history.add({ at: this.#loop.now, kind: 'person', target: targetNameOf(target), what: deed, text, written })
    this.#look()
  }

  /** Begins a storm on the platform. Answers how to end it. */
  storm({ flavour, probability, match }: Storm, seed: number): () => void {
    const faults = faultsOf[flavour]
    const ids = faults.map((fault, index) =>
      this.core.faults.add({
        fault,
        ...(match === undefined ? {} : { match }),
        // With one outcome for all the first rule takes everything.
        probability: flavour === 'outage' ? 1 : probability / faults.length,
        seed: seed * 31 + index,
      }),
    )
    return () => {
      for (const id of ids) this.core.faults.remove(id)
    }
  }

  #look(): void {
    const { world } = this.core
    this.#before = this.#scenario.targets.map((target) => objectOfTarget(world, target))
    if (this.#scenario.function === 'relative-probe') this.#probesBefore = new Set(this.#probes())
  }

  #probes(): KubeObject[] {
    return this.#scenario.clusterIds.flatMap((id) => listObjects(clusterOf(this.core.world, id), '', 'configmaps', 'default'))
  }

  #compare(forwarded: Forwarded, sender: Sender, requestId: string): void {
    const { targets } = this.#scenario
    const written = parseJson(forwarded.body)
    const target = targetOfPath(targets, forwarded.cluster, forwarded.path, written)
    const [before, after] = target === undefined ? [] : this.#change(target)
    if (target === undefined || after === undefined || before === after) return
    const mark = markOn(after)
    this.#history.add({
      at: this.#loop.now,
      kind: 'effect',
      effect: {
        ...sender,
        requestId,
        key: markOn(written)?.key ?? '',
        target: targetNameOf(target),
        uid: after.metadata.uid,
        before: sizeTextOfTarget(target, before),
        after: target.kind === 'Ledger' ? 'one more' : sizeTextOf(after),
        by: mark?.by ?? '',
        nominalMs: mark?.nominalMs ?? Number.NaN,
        wasOptedOut: stringAt(before, 'metadata', 'annotations', 'longshore.dev/opt-out') === 'true',
        wasDeleting: before?.metadata.deletionTimestamp !== undefined,
        ...(before === undefined ? {} : { strays: straysOf(before, after, isOfSize) }),
      },
    })
    this.#look()
  }

  #change(target: SimTarget): readonly [before: KubeObject | undefined, after: KubeObject | undefined] {
    if (target.kind === 'Ledger') return [undefined, this.#probes().find((probe) => !this.#probesBefore.has(probe))]
    return [this.#before[this.#scenario.targets.indexOf(target)], objectOfTarget(this.core.world, target)]
  }
}

/** Whether a cluster answered with a refusal in an envelope that says that all is well, or with what is no answer. */
function isRefusal({ reply, ending }: Exchange): boolean {
  if (ending !== undefined && ending.kind !== 'slow-body' && ending.kind !== 'lying-page') return true
  const body = stringAt(parseJson(reply.body), 'Response', 'ResponseBody')
  if (body === undefined) return reply.status !== 200
  return !/^\{"(?:kind|apiVersion|metadata)"/.test(body) || body.includes('"kind":"Status"')
}

/** What the cron-scaler may write, and what the API itself writes because of it. */
function isOfSize(path: string): boolean {
  const isSize = path === '/spec/replicas' || path === '/spec/minReplicas' || path === '/spec/maxReplicas'
  return isSize || path === `/metadata/annotations/${recordAnnotation}` || isOfApi(path)
}

function sizeTextOfTarget(target: SimTarget, object: KubeObject | undefined): string {
  return target.kind === 'Ledger' ? '' : sizeTextOf(object)
}

/** What each kind of storm is made of. Late and slow calls stay within the time that the product allows for a call under way. */
export const faultsOf: Readonly<Record<Storm['flavour'], readonly Fault[]>> = {
  outage: [{ kind: 'drop-before' }],
  slow: [
    { kind: 'latency', latencyMs: 1_500 },
    { kind: 'latency', latencyMs: 8_000 },
    { kind: 'latency', latencyMs: 40_000 },
    { kind: 'slow-body', pauseMs: 4_000 },
    { kind: 'slow-body', pauseMs: 12_000 },
  ],
  lossy: [
    { kind: 'drop-after' },
    { kind: 'truncated-body' },
    { kind: '5xx', status: 504, when: 'after' },
    { kind: 'internal-error', when: 'after' },
  ],
  mixed: [
    ...stormFaults,
    { kind: 'latency', latencyMs: 30_000 },
    { kind: 'rbac-403' },
    { kind: 'forward-body', body: '' },
    { kind: 'slow-body', pauseMs: 11_000 },
  ],
  lying: [
    { kind: 'lying-page', lie: 'repeat-row' },
    { kind: 'lying-page', lie: 'skip-row' },
    { kind: 'lying-page', lie: 'wrong-total' },
    { kind: 'lying-page', lie: 'wrong-total', by: -1 },
    { kind: '5xx', status: 502, when: 'before' },
  ],
  blind: [
    { kind: 'rbac-403' },
    { kind: 'rbac-403' },
    { kind: 'forward-body', body: '' },
    { kind: 'forward-body', body: '<html><body>Bad gateway</body></html>' },
    { kind: 'forward-body', body: '{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[' },
  ],
}
