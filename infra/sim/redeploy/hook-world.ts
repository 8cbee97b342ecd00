import { createHash } from 'node:crypto'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { SandboxCore } from '#infra/sandbox/core.ts'
import type { Fault } from '#infra/sandbox/faults.ts'
import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import { advanceKubernetes } from '#infra/sandbox/kubernetes/controllers.ts'
import { at, type Json, type JsonObject, listAt, objectAt, sameJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { getObject, listObjects } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import { createSandboxCore, type Exchange, exchangeApi } from '#infra/sandbox/server.ts'
import { advanceTcr } from '#infra/sandbox/tcr/advance.ts'
import { dropTags, pushImage } from '#infra/sandbox/tcr/images.ts'
import { registryServer } from '#infra/sandbox/tcr/state.ts'
import { advanceTke } from '#infra/sandbox/tke/advance.ts'
import type { ReceivedCall } from '#infra/sandbox/verify-signature.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { SharedWorld } from '../common-ground.ts'
import type { EventLoop } from '../event-loop.ts'
import type { History, HookEffect } from '../history.ts'
import type { Scenario, Storm } from '../scenario.ts'
import type { Forwarded, Sender } from '../sim-platform.ts'
import { faultsOf } from '../sim-platform.ts'
import { clusterOf, setSwitchMap, switchMap } from '../stage-world.ts'
import { isOfApi, straysOf } from '../strays.ts'
import { type HookScene, newestOf, type SimHookDeed, type SimHookRule, type SimHookWorkload, type SimPush } from './hook-scene.ts'
import {
  createWorkload,
  nameOfWorkload,
  objectOfWorkload,
  placeOfKind,
  recordOn,
  removeWorkload,
  stageHook,
  templateOf,
  textIn,
} from './stage-hook.ts'

/** A tag as it was from one instant to another. */
export interface TagSpan {
  readonly repository: string
  readonly tag: string
  readonly digest: string
  readonly atMs: number
  untilMs: number
}

/** The sandbox as the redeploy-hook meets it, with the truth about what was pushed and what each write really changed. */
export class HookWorld {
  readonly core: SandboxCore
  /** There are no images that could be cleaned up here. */
  readonly images = undefined
  readonly spans: TagSpan[] = []
  readonly #scenario: Scenario
  readonly #scene: HookScene
  readonly #loop: EventLoop
  readonly #history: History
  readonly #isShared: boolean
  readonly #pushed = new Set<string>()
  readonly #bad = new Set<string>()
  #before: readonly (KubeObject | undefined)[] = []

  constructor(
    scenario: Scenario,
    scene: HookScene,
    { loop, history, shared }: { readonly loop: EventLoop; readonly history: History; readonly shared?: SharedWorld | undefined },
  ) {
    this.#scenario = scenario
    this.#scene = scene
    this.#loop = loop
    this.#history = history
    const core = shared?.coreFor(() => undefined) ?? ownCore(scenario, scene, loop)
    for (const push of scene.pushes) if (push.atMs <= scenario.startMs) this.#put(core.world, push)
    this.#isShared = shared !== undefined
    this.core = shared === undefined ? { ...core, advance: () => this.advance() } : core
  }

  /** Lets everything happen that is due. What never runs fails as an image does that is not there. */
  advance(): void {
    const { world, random } = this.core
    const now = this.#loop.now
    if (this.#isShared) this.#seeTags()
    advanceTcr(world, now)
    advanceTke(world, now, random)
    const digestOf = (reference: string): string | undefined => this.digestOf(reference)
    const hooks = {
      imageExists: (reference: string) => !reference.startsWith(registryServer) || this.#canRun(digestOf(reference)),
      imageDigest: digestOf,
      random,
    }
    for (const cluster of Object.values(world.kubernetes)) advanceKubernetes(cluster, now, hooks)
    this.#look()
  }

  /** What others have done to tags: removed them, brought them back, pushed them once more. */
  #seeTags(): void {
    for (const repository of this.#scene.repositories) {
      const tags = this.core.world.tcr.repositories[repository]?.tags ?? {}
      for (const span of this.spans) {
        if (span.repository !== repository || span.untilMs !== Number.POSITIVE_INFINITY) continue
        const tag = Object.hasOwn(tags, span.tag) ? tags[span.tag] : undefined
        if (tag === undefined || tag.content.digest !== span.digest || tag.pushedAt !== span.atMs) span.untilMs = this.#loop.now
      }
      const open = new Set(this.spans.flatMap((span) => (isOpen(span, repository) ? [span.tag] : [])))
      for (const [tag, { content, pushedAt }] of Object.entries(tags)) {
        if (open.has(tag)) continue
        this.#pushed.add(`${repository} ${content.digest}`)
        this.spans.push({ repository, tag, digest: content.digest, atMs: pushedAt, untilMs: Number.POSITIVE_INFINITY })
      }
    }
  }

  #look(): void {
    this.#before = this.#scene.workloads.map((workload) => objectOfWorkload(this.core.world, workload))
  }

  #canRun(digest: string | undefined): boolean {
    return digest !== undefined && !this.#bad.has(digest)
  }

  isBad(digest: string): boolean {
    return this.#bad.has(digest)
  }

  /** What an image stands for now: a registry keeps what it is asked for by its digest. */
  digestOf(reference: string): string | undefined {
    const [, repository = '', , tag, digest] = /^[^/]+\/([^:@]+)(:([^@]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(reference) ?? []
    if (digest !== undefined) return this.#pushed.has(`${repository} ${digest}`) ? digest : undefined
    return this.spans.findLast((span) => span.repository === repository && span.tag === tag && span.untilMs === Number.POSITIVE_INFINITY)
      ?.digest
  }

  /** What an image by its tag stood for at an instant. */
  digestAt(reference: string, atMs: number): string | undefined {
    const [, repository, tag] = /^[^/]+\/([^:@]+):([^@]+)$/.exec(reference) ?? []
    const found = this.spans.find(
      (span) => span.repository === repository && span.tag === tag && span.atMs < atMs + 1000 && span.untilMs > atMs,
    )
    return found?.digest
  }

  /** The newest push that a rule counts, of the tags that there were at an instant. */
  newestAt(rule: SimHookRule, atMs: number): TagSpan | undefined {
    const there = this.spans.filter(
      ({ repository, atMs: from, untilMs }) => repository === rule.repository && from <= atMs && atMs < untilMs,
    )
    return newestOf(rule.tags, there)
  }

  #put(world: World, { repository, tag, content, isBad, atMs }: SimPush): void {
    const pushed = pushImage(world, { repo: repository, tag, content }, atMs)
    const { digest } = pushed.content
    this.#pushed.add(`${repository} ${digest}`)
    if (isBad) this.#bad.add(digest)
    this.#end(repository, tag, atMs)
    this.spans.push({ repository, tag, digest, atMs, untilMs: Number.POSITIVE_INFINITY })
  }

  #end(repository: string, tag: string, atMs: number): void {
    for (const span of this.spans) {
      if (span.repository === repository && span.tag === tag && span.untilMs === Number.POSITIVE_INFINITY) span.untilMs = atMs
    }
  }

  push(push: SimPush): void {
    this.core.advance()
    this.#put(this.core.world, push)
    const { repository, tag, content, isBad } = push
    this.#history.add({
      at: this.#loop.now,
      kind: 'note',
      text: `PUSH ${repository}:${tag} ${content}${isBad ? ', which never runs' : ''}`,
    })
    if (this.#isShared) this.core.advance()
  }

  remove(repository: string, tag: string): void {
    this.core.advance()
    const found = this.core.world.tcr.repositories[repository]
    if (found === undefined) return
    dropTags(found, [tag], this.#loop.now)
    this.#end(repository, tag, this.#loop.now)
    this.#history.add({ at: this.#loop.now, kind: 'note', text: `PERSON takes away ${repository}:${tag}` })
  }

  /** What a workload runs, by its pods; by its template where there are none. */
  running(workload: SimHookWorkload): readonly string[] {
    const object = objectOfWorkload(this.core.world, workload)
    if (object === undefined) return []
    const template = templateOf(object, workload.kind)
    const image = imageIn(template)
    if (workload.kind === 'Job') {
      const copy = recordOn(object, workload.name).set
      const job = copy === undefined ? undefined : this.jobOf(workload, stringAt(copy, 'job') ?? '')
      const own = imageIn(objectAt(job, 'spec', 'template')) ?? image
      // What it ran when it began it runs for ever.
      const beganMs = Date.parse(object.metadata.creationTimestamp ?? '')
      return compact([copy === undefined ? this.digestAt(own ?? '', beganMs) : (stringAt(copy, 'content') ?? this.digestOf(own ?? ''))])
    }
    const pods = this.podsOf(workload).map((pod) => stringAt(listAt(pod, 'status', 'containerStatuses')[0], 'imageID')?.split('@')[1] ?? '')
    return pods.length === 0 ? compact([this.digestOf(image ?? '')]) : [...new Set(pods)]
  }

  jobOf({ cluster }: Pick<SimHookWorkload, 'cluster'>, name: string): KubeObject | undefined {
    return getObject(clusterOf(this.core.world, cluster), 'batch', 'jobs', name, 'default')
  }

  podsOf({ cluster, name, kind }: SimHookWorkload): readonly KubeObject[] {
    if (kind === 'CronJob' || kind === 'Job') return []
    return listObjects(clusterOf(this.core.world, cluster), '', 'pods', 'default').filter(
      (pod) => pod.metadata.labels?.app === name && pod.metadata.deletionTimestamp === undefined,
    )
  }

  /** Whether all that a workload should run is of its template as it is, and ready. What a tag stands for nodes find out when they pull. */
  isComplete(workload: SimHookWorkload): boolean {
    if (workload.kind === 'CronJob' || workload.kind === 'Job') return true
    const object = objectOfWorkload(this.core.world, workload)
    const template = object === undefined ? undefined : templateOf(object, workload.kind)
    const pods = this.podsOf(workload)
    const wanted = workload.kind === 'DaemonSet' ? 1 : Number(at(object, 'spec', 'replicas') ?? 1)
    const marks = (holder: Json | undefined): string | undefined =>
      stringAt(holder, 'metadata', 'annotations', `longshore.dev/content.${workload.name}`)
    const ready = pods.filter(
      (pod) =>
        stringAt(listAt(pod, 'spec', 'containers')[0], 'image') === imageIn(template) &&
        marks(pod) === marks(template) &&
        listAt(pod, 'status', 'conditions').some((one) => stringAt(one, 'type') === 'Ready' && stringAt(one, 'status') === 'True'),
    )
    return ready.length >= wanted
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
    if (record?.effect === 'write' && record.applied && forwarded !== undefined) this.#compare(forwarded, sender, record.requestId)
    return exchange
  }

  #compare(forwarded: Forwarded, sender: Sender, requestId: string): void {
    const index = this.#scene.workloads.findIndex((workload) => isAt(workload, forwarded))
    const workload = this.#scene.workloads[index]
    const before = this.#before[index]
    if (workload === undefined || before === undefined) return
    const after = objectOfWorkload(this.core.world, workload)
    if (after === undefined || before === after) return
    const hook = this.#effectOf(workload, before, after)
    const { annotations } = before.metadata
    this.#history.add({
      at: this.#loop.now,
      kind: 'effect',
      effect: {
        ...sender,
        requestId,
        target: nameOfWorkload(workload),
        uid: after.metadata.uid,
        before: hook.shownBefore,
        after: hook.shownAfter,
        by: '',
        nominalMs: 0,
        wasOptedOut: annotations?.['longshore.dev/opt-out'] !== undefined && annotations['longshore.dev/opt-out'] !== 'false',
        wasDeleting: before.metadata.deletionTimestamp !== undefined,
        hook,
      },
    })
    this.#look()
  }

  #effectOf(workload: SimHookWorkload, before: KubeObject, after: KubeObject): HookEffect {
    const { kind, name } = workload
    const [was, is] = [recordOn(before, name), recordOn(after, name)]
    const images = [imageIn(templateOf(before, kind)) ?? '', imageIn(templateOf(after, kind)) ?? ''] as const
    const [from, to] = images
    const setBefore = was.set
    const set = is.set
    const isAnew = textIn(set, 'key') !== textIn(setBefore, 'key')
    const job = textIn(set, 'job')
    const facts = {
      workload: this.#scene.workloads.indexOf(workload),
      imageBefore: from,
      imageAfter: to,
      recordKey: textIn(set, 'key'),
      recordImage: textIn(set, 'image'),
      setBefore: textIn(setBefore, 'image'),
      contentBefore: textIn(setBefore, 'content'),
      content: textIn(set, 'content'),
      state: textIn(set, 'state'),
      stateBefore: textIn(setBefore, 'state'),
      atBeforeMs: Date.parse(textIn(setBefore, 'at') ?? ''),
      tag: textIn(is.mark, 'tag'),
      bad: is.bad,
      approved: is.approved,
      strays: straysOf(before, after, (path) => isOwn(path, kind)),
      isRecorded: is.text !== was.text,
      isComplete: this.isComplete(workload),
    }
    const isTemplate = !sameJson(templateOf(before, kind), templateOf(after, kind))
    if (isAnew || isTemplate) {
      const target = kind === 'Job' && job !== undefined ? (textIn(set, 'image') ?? '') : to
      const isBack =
        facts.state === 'failed' || (facts.state === 'done' && set !== undefined && at(set, 'previous') === undefined && kind !== 'CronJob')
      const isOlder = stringAt(set, 'previous', 'image') === target && stringAt(set, 'previous', 'content') !== facts.content
      const isAgain = target === from || isOlder
      const again = !isBack && isAgain ? ' (pushed again)' : ''
      return { ...facts, imageAfter: target, kind: isBack ? 'rollback' : 'set', shownBefore: from, shownAfter: `${target}${again}` }
    }
    if (is.approved !== undefined && is.approved !== was.approved)
      return { ...facts, kind: 'approve', shownBefore: '', shownAfter: `approved ${is.approved.slice(0, 19)}…` }
    return { ...facts, kind: 'settle', shownBefore: 'rolling', shownAfter: facts.state ?? '' }
  }

  /** What the kill switch in a cluster says now. */
  switchSays(): string {
    const state = clusterOf(this.core.world, this.#scenario.clusterIds[0] ?? '')
    return stringAt(getObject(state, '', 'configmaps', switchMap.name, switchMap.namespace), 'data', switchMap.key) ?? 'gone'
  }

  setSwitch(to: 'run' | 'stop' | 'gone'): void {
    setSwitchMap(this.core.world, this.#scenario, to, this.#loop.now)
  }

  /** Does what a person with kubectl does. Approvals are no matter of the cluster. */
  act({ deed, workload: index, pick }: SimHookDeed): void {
    const workload = this.#scene.workloads[index]
    if (workload === undefined) return
    this.core.advance()
    const { world } = this.core
    const before = objectOfWorkload(world, workload)
    const { group, resource } = placeOfKind[workload.kind]
    const version = workload.kind === 'CronJob' ? 'v1beta1' : 'v1'
    const path = `/apis/${group}/${version}/namespaces/default/${resource}/${workload.name}`
    const patch = (body: JsonObject): void => {
      const request = { method: 'PATCH', contentType: 'application/strategic-merge-patch+json', body: JSON.stringify(body), path }
      handleKubernetes(clusterOf(world, workload.cluster), request, { now: this.#loop.now, random: this.core.random, user: 'somebody' })
    }
    const annotate = (name: string, value: string | null): void => {
      const body = JSON.stringify({ metadata: { annotations: { [name]: value } } })
      const request = { method: 'PATCH', contentType: 'application/merge-patch+json', body, path }
      handleKubernetes(clusterOf(world, workload.cluster), request, { now: this.#loop.now, random: this.core.random, user: 'somebody' })
    }
    const template = (body: JsonObject): void =>
      patch(workload.kind === 'CronJob' ? { spec: { jobTemplate: { spec: { template: body } } } } : { spec: { template: body } })
    const rule = this.#scene.rules[workload.rule]
    switch (deed) {
      case 'set-image': {
        const spans = this.spans.filter(
          ({ repository, untilMs }) => repository === rule?.repository && untilMs === Number.POSITIVE_INFINITY,
        )
        const tags = spans.filter(({ digest }) => !this.#bad.has(digest)).map(({ tag }) => tag)
        const tag = tags[pick % tags.length]
        const image = `${registryServer}/${rule?.repository}:${tag}`
        if (tag !== undefined) template({ spec: { containers: [{ name: workload.name, image }] } })
        break
      }
      case 'scale':
        if (workload.kind !== 'DaemonSet' && workload.kind !== 'Job' && workload.kind !== 'CronJob') patch({ spec: { replicas: pick % 4 } })
        break
      case 'env':
        template({ spec: { containers: [{ name: workload.name, env: [{ name: 'PICK', value: String(pick) }] }] } })
        break
      case 'restart':
        template({ metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': new Date(this.#loop.now).toISOString() } } })
        break
      case 'opt-out':
        annotate('longshore.dev/opt-out', 'true')
        break
      case 'opt-in':
        annotate('longshore.dev/opt-out', null)
        break
      case 'garble':
        annotate('longshore.dev/redeploy-hook', '{garbled')
        break
      case 'forget':
        annotate('longshore.dev/redeploy-hook', null)
        break
      case 'recreate':
        createWorkload(world, this.#scene, workload, this.#loop.now)
        break
      case 'delete':
        removeWorkload(world, workload)
        break
      case 'approve':
      case 'approve-old':
        return
    }
    const after = objectOfWorkload(world, workload)
    const images = [
      imageIn(templateOf(before ?? {}, workload.kind)),
      after === undefined ? undefined : imageIn(templateOf(after, workload.kind)),
    ]
    const target = nameOfWorkload(workload)
    const text = `${deed} ${target}, now ${images[1] ?? 'not there'}`
    const isChanged = before !== after
    this.#history.add({ at: this.#loop.now, kind: 'hook-deed', target, deed, text, isChanged, image: images[1], uid: after?.metadata.uid })
    // What takes the record away is what the checks of the kernel have to know of.
    const what = deed === 'garble' || deed === 'forget' ? 'forget' : deed === 'recreate' || deed === 'delete' ? deed : undefined
    if (what !== undefined) this.#history.add({ at: this.#loop.now, kind: 'person', target, what, text })
    this.#look()
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

function compact(values: readonly (string | undefined)[]): readonly string[] {
  return values.filter((value): value is string => value !== undefined)
}

function isOpen(span: TagSpan, repository: string): boolean {
  return span.repository === repository && span.untilMs === Number.POSITIVE_INFINITY
}

function ownCore(scenario: Scenario, scene: HookScene, loop: EventLoop): SandboxCore {
  const clock = createSandboxClock({ source: () => loop.now })
  return createSandboxCore({ seed: scenario.seed, world: stageHook(scenario, scene), clock })
}

/** Whether a request is about a workload itself. */
function isAt(workload: SimHookWorkload, { cluster, path }: Forwarded): boolean {
  return cluster === workload.cluster && path.endsWith(`/namespaces/default/${placeOfKind[workload.kind].resource}/${workload.name}`)
}

/** The image of the one container. */
export function imageIn(template: Json | undefined): string | undefined {
  return stringAt(listAt(template, 'spec', 'containers')[0], 'image')
}

/** What the product may write, and what the API itself writes because of it. */
function isOwn(path: string, kind: SimHookWorkload['kind']): boolean {
  const template = kind === 'CronJob' ? '/spec/jobTemplate/spec/template' : '/spec/template'
  if (path === `${template}/spec/containers/0/image`) return true
  if (
    path.startsWith(`${template}/metadata/annotations/longshore.dev/content.`) ||
    path === '/metadata/annotations/longshore.dev/redeploy-hook'
  )
    return true
  // The API counts the templates of a DaemonSet in an annotation of its own.
  if (path === '/metadata/annotations/deprecated.daemonset.template.generation') return true
  return isOfApi(path)
}

/** The digest of a content by the name that it is pushed with. */
export function digestOfContent(content: string): string {
  return `sha256:${createHash('sha256').update(`manifest of ${content}`).digest('hex')}`
}
