import { createHash } from 'node:crypto'
import { internalIpOf, isNodeReady } from '../nodes.ts'
import type { Condition, Container, ContainerState, ContainerStatus, Node, Pod } from '../shapes.ts'
import { isNode } from '../shapes.ts'
import type { KubernetesState } from '../state.ts'
import { allObjects, dropObject } from '../store.ts'
import { epochMsOf, timeText } from '../time.ts'
import type { Cluster, Controller } from './cluster.ts'
import { conditionOf, earlier, kinds, podsOf, remove, save, withCondition } from './cluster.ts'
import { emit } from './events.ts'
import { tolerates } from './scheduler.ts'

/**
 * How the sandbox's containers behave. They take these times unless their pod says otherwise in annotations:
 * `sandbox/ready-after-seconds` (or `never`), `sandbox/run-seconds`, `sandbox/exit-code`. A pod that always restarts runs
 * on for good unless it has an exit code; one that does not ends after its run.
 */
export const podTiming = {
  pullMs: 1000,
  readyMs: 2000,
  runMs: 5000,
  crashMs: 1000,
  stopMs: 2000,
  /** How long the failed attempt shows before the wait for the next one does. */
  pullFailedMs: 5000,
  backOffMs: 10_000,
  mostBackOffMs: 300_000,
} as const

export const behaviourAnnotations = {
  readyAfter: 'sandbox/ready-after-seconds',
  run: 'sandbox/run-seconds',
  exitCode: 'sandbox/exit-code',
} as const

/** Runs the containers of scheduled pods, ends the deleted ones, and lets pods go from nodes that are gone or silent. */
export const kubeletController: Controller = {
  name: 'kubelet',
  watches: ['/pods', '/nodes'],
  run: (cluster) => {
    const nodes = new Map(
      allObjects(cluster.state, '', 'nodes')
        .filter(isNode)
        .map((node) => [node.metadata.name, node]),
    )
    let wakeAt: number | undefined
    for (const pod of podsOf(cluster)) {
      const name = pod.spec.nodeName ?? ''
      if (name === '') continue
      const node = nodes.get(name)
      if (node === undefined) dropObject(cluster.state, kinds.pod, pod.metadata.namespace, pod.metadata.name)
      else wakeAt = earlier(wakeAt, new PodRun(cluster, pod, node).step())
    }
    return wakeAt
  },
}

/** One look at one pod on its node. */
class PodRun {
  private readonly cluster: Cluster
  private readonly pod: Pod
  private readonly node: Node

  constructor(cluster: Cluster, pod: Pod, node: Node) {
    this.cluster = cluster
    this.pod = pod
    this.node = node
  }

  step(): number | undefined {
    const { pod, node } = this
    if (pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed') return undefined
    if (!isNodeReady(node)) return this.onSilentNode()
    if (pod.metadata.deletionTimestamp !== undefined) return this.end()
    const evictAt = this.evictionAt()
    if (evictAt !== undefined && evictAt <= this.cluster.now) {
      remove(this.cluster, kinds.pod, pod)
      return undefined
    }
    return earlier(evictAt, pod.status.phase === 'Running' ? this.keepRunning() : this.start())
  }

  /** A deleted pod ends a moment after it was asked to, at the latest when its grace is over. */
  private end(): number | undefined {
    const { pod, cluster } = this
    const limit = epochMsOf(pod.metadata.deletionTimestamp) ?? cluster.now
    const asked = limit - (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000
    const endsAt = Math.min(limit, asked + podTiming.stopMs)
    if (endsAt > cluster.now) return endsAt
    const finalizers = pod.metadata.finalizers ?? []
    if (finalizers.length === 0) dropObject(cluster.state, kinds.pod, pod.metadata.namespace, pod.metadata.name)
    return undefined
  }

  /** The node does not report: its pods are not ready, and after their patience they are deleted but do not end. */
  private onSilentNode(): number | undefined {
    const { pod, cluster } = this
    const ready = conditionOf(pod.status.conditions, 'Ready')
    if (ready?.status === 'True') {
      save(cluster, kinds.pod, {
        ...pod,
        status: { ...pod.status, conditions: withCondition(pod.status.conditions, { type: 'Ready', status: 'False' }, cluster.now) },
      })
      return undefined
    }
    if (pod.metadata.deletionTimestamp !== undefined) return undefined
    const evictAt = this.evictionAt()
    if (evictAt === undefined || evictAt > cluster.now) return evictAt
    remove(cluster, kinds.pod, pod)
    return undefined
  }

  /** When a taint of the node makes the pod leave; undefined when none does. */
  private evictionAt(): number | undefined {
    let result: number | undefined
    for (const taint of this.node.spec.taints ?? []) {
      if (taint.effect !== 'NoExecute') continue
      const since = epochMsOf(taint.timeAdded) ?? this.cluster.now
      const covering = (this.pod.spec.tolerations ?? []).filter((toleration) => tolerates([toleration], taint))
      if (covering.length === 0) result = earlier(result, since)
      else if (covering.every(({ tolerationSeconds }) => tolerationSeconds !== undefined)) {
        result = earlier(result, since + Math.min(...covering.map(({ tolerationSeconds }) => (tolerationSeconds ?? 0) * 1000)))
      }
    }
    return result
  }

  private start(): number | undefined {
    const { pod, cluster } = this
    const scheduledAt = epochMsOf(pod.status.startTime) ?? cluster.now
    if (pod.status.startTime === undefined) {
      this.saveWaiting('ContainerCreating', undefined, timeText(cluster.now))
      return scheduledAt + podTiming.pullMs
    }
    const { attemptAt, nextAt } = pullAttempt(scheduledAt, cluster.now)
    if (attemptAt === undefined) return nextAt
    const missing = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find(
      (container) => !cluster.hooks.imageExists(container.image ?? ''),
    )
    const isAttempt = cluster.now < attemptAt + podTiming.pullFailedMs
    if (missing === undefined && (isAttempt || !this.isPullFailing())) return this.run()
    const image = missing?.image ?? pod.spec.containers[0]?.image ?? ''
    if (isAttempt) {
      this.saveWaiting('ErrImagePull', `rpc error: code = Unknown desc = manifest for ${image} not found`, pod.status.startTime, missing)
      return attemptAt + podTiming.pullFailedMs
    }
    this.saveWaiting('ImagePullBackOff', `Back-off pulling image ${JSON.stringify(image)}`, pod.status.startTime, missing)
    return nextAt
  }

  private isPullFailing(): boolean {
    return this.waitingReasons().some((reason) => reason.includes('ImagePull'))
  }

  private waitingReasons(): string[] {
    const { initContainerStatuses = [], containerStatuses = [] } = this.pod.status
    return [...initContainerStatuses, ...containerStatuses].flatMap(({ state }) => state.waiting?.reason ?? [])
  }

  /** All containers wait; where `missing` is one that runs before the others, they wait for it and it waits for its image. */
  private saveWaiting(reason: string, message: string | undefined, startTime: string, missing?: Container): void {
    const { pod, cluster } = this
    const waiting = { reason, ...(message === undefined ? {} : { message }) }
    const isNews = !this.waitingReasons().includes(reason)
    const { initContainers = [] } = pod.spec
    const isBefore = missing !== undefined && initContainers.includes(missing)
    const forInit = { reason: 'PodInitializing' }
    const statusOf = (container: Container, own: NonNullable<ContainerState['waiting']>) =>
      this.containerStatus(container, { waiting: own }, false, 0, {})
    if (isNews && reason === 'ErrImagePull') emit(cluster, pod, 'Warning', 'Failed', message ?? reason, 'kubelet')
    if (isNews && reason === 'ImagePullBackOff') emit(cluster, pod, 'Normal', 'BackOff', message ?? reason, 'kubelet')
    save(cluster, kinds.pod, {
      ...pod,
      status: {
        ...pod.status,
        phase: 'Pending',
        conditions: this.conditions(false, startTime),
        hostIP: internalIpOf(this.node),
        startTime,
        ...(isBefore
          ? { initContainerStatuses: initContainers.map((container) => statusOf(container, container === missing ? waiting : forInit)) }
          : {}),
        containerStatuses: pod.spec.containers.map((container) => statusOf(container, isBefore ? forInit : waiting)),
      },
    })
  }

  private conditions(ready: boolean, since: string): Condition[] {
    const { pod, cluster } = this
    const notReady = ready
      ? {}
      : {
          reason: 'ContainersNotReady',
          message: `containers with unready status: [${pod.spec.containers.map(({ name }) => name).join(' ')}]`,
        }
    const status = ready ? 'True' : 'False'
    const initialized = conditionOf(pod.status.conditions, 'Initialized') ?? {
      type: 'Initialized',
      status: 'True',
      lastProbeTime: null,
      lastTransitionTime: since,
    }
    const moved = (type: string): Condition => {
      const before = conditionOf(pod.status.conditions, type)
      const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? since) : timeText(cluster.now)
      return { type, status, lastProbeTime: null, lastTransitionTime, ...notReady }
    }
    const scheduled = conditionOf(pod.status.conditions, 'PodScheduled') ?? {
      type: 'PodScheduled',
      status: 'True',
      lastProbeTime: null,
      lastTransitionTime: since,
    }
    return [initialized, moved('Ready'), moved('ContainersReady'), scheduled]
  }

  private containerStatus(
    container: Container,
    state: ContainerState,
    ready: boolean,
    restartCount: number,
    lastState: ContainerState,
  ): ContainerStatus {
    const image = container.image ?? ''
    const hasRun = state.waiting === undefined || restartCount > 0
    return {
      name: container.name,
      state,
      lastState,
      ready,
      restartCount,
      image,
      imageID: hasRun ? imageIdOf(image, this.cluster.hooks.imageDigest?.(image)) : '',
      ...(hasRun
        ? {
            containerID: `docker://${createHash('sha256').update(`${this.pod.metadata.uid}/${container.name}/${restartCount}`).digest('hex')}`,
          }
        : {}),
      started: state.running !== undefined,
    }
  }

  private run(): number | undefined {
    const { pod, cluster } = this
    const startedAt = timeText(cluster.now)
    const podIp = podAddress(cluster.state)
    const { initContainerStatuses: _, ...status } = pod.status
    const running: Pod = {
      ...pod,
      status: {
        ...status,
        phase: 'Running',
        conditions: this.conditions(false, pod.status.startTime ?? startedAt),
        hostIP: internalIpOf(this.node),
        podIP: podIp,
        podIPs: [{ ip: podIp }],
        containerStatuses: pod.spec.containers.map((container) =>
          this.containerStatus(container, { running: { startedAt } }, false, 0, {}),
        ),
      },
    }
    save(cluster, kinds.pod, running)
    return new PodRun(cluster, running, this.node).keepRunning()
  }

  private annotation(name: string): number | 'never' | undefined {
    const value = this.pod.metadata.annotations?.[name]
    if (value === undefined) return undefined
    return value === 'never' ? 'never' : Number.isNaN(Number(value)) ? undefined : Number(value)
  }

  private keepRunning(): number | undefined {
    const { pod, cluster } = this
    const exit = this.annotation(behaviourAnnotations.exitCode)
    const isLasting = (pod.spec.restartPolicy ?? 'Always') === 'Always'
    if (isLasting && exit === undefined) {
      const isReady = conditionOf(pod.status.conditions, 'Ready')?.status === 'True'
      return isReady ? undefined : this.becomeReady(this.firstStartMs(), 0, {})
    }
    const firstStart = this.firstStartMs()
    const run = this.annotation(behaviourAnnotations.run)
    const runMs = typeof run === 'number' ? run * 1000 : isLasting ? podTiming.crashMs : podTiming.runMs
    if (run === 'never') return this.becomeReady(firstStart, 0, {})
    const exitCode = typeof exit === 'number' ? exit : 0
    const isRestarted = isLasting || (pod.spec.restartPolicy === 'OnFailure' && exitCode !== 0)
    if (isRestarted) return this.crash(firstStart, runMs, exitCode)
    if (cluster.now < firstStart + runMs) return earlier(firstStart + runMs, this.becomeReady(firstStart, 0, {}))
    this.finish(exitCode, firstStart)
    return undefined
  }

  private firstStartMs(): number {
    const first = this.pod.status.containerStatuses?.[0]
    const marked = epochMsOf(first?.state.running?.startedAt) ?? this.cluster.now
    return first === undefined || first.restartCount === 0
      ? marked
      : (epochMsOf(this.pod.metadata.annotations?.['sandbox/first-start']) ?? marked)
  }

  private becomeReady(startedAt: number, restartCount: number, lastState: ContainerState): number | undefined {
    const { pod, cluster } = this
    const after = this.annotation(behaviourAnnotations.readyAfter)
    const probeMs = Math.max(0, ...pod.spec.containers.map(({ readinessProbe }) => (readinessProbe?.initialDelaySeconds ?? 0) * 1000))
    const readyAt = after === 'never' ? undefined : startedAt + (after === undefined ? Math.max(podTiming.readyMs, probeMs) : after * 1000)
    const isReady = readyAt !== undefined && readyAt <= cluster.now
    const state: ContainerState = { running: { startedAt: timeText(startedAt) } }
    save(cluster, kinds.pod, {
      ...pod,
      status: {
        ...pod.status,
        conditions: this.conditions(isReady, timeText(startedAt)),
        containerStatuses: pod.spec.containers.map((container) => this.containerStatus(container, state, isReady, restartCount, lastState)),
      },
    })
    return isReady ? undefined : readyAt
  }

  /** Containers that end and are started again, ever later. Where they are follows from the time of the first start alone. */
  private crash(firstStart: number, runMs: number, exitCode: number): number | undefined {
    const { pod, cluster } = this
    let restarts = 0
    let startedAt = firstStart
    let previousStart = firstStart
    let backOff: number = podTiming.backOffMs
    while (cluster.now >= startedAt + runMs + backOff) {
      previousStart = startedAt
      startedAt += runMs + backOff
      backOff = Math.min(backOff * 2, podTiming.mostBackOffMs)
      restarts += 1
    }
    const annotated: Pod = {
      ...pod,
      metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, 'sandbox/first-start': timeText(firstStart) } },
    }
    const last = (start: number): ContainerState => ({
      terminated: {
        exitCode,
        reason: exitCode === 0 ? 'Completed' : 'Error',
        startedAt: timeText(start),
        finishedAt: timeText(start + runMs),
      },
    })
    if (cluster.now < startedAt + runMs) {
      const previous = restarts === 0 ? {} : last(previousStart)
      const wakeAt = new PodRun(cluster, annotated, this.node).becomeReady(startedAt, restarts, previous)
      return earlier(startedAt + runMs, wakeAt)
    }
    const waiting = { reason: 'CrashLoopBackOff', message: `back-off ${backOff / 1000}s restarting failed container` }
    if (pod.status.containerStatuses?.[0]?.state.waiting?.reason !== 'CrashLoopBackOff') {
      emit(cluster, pod, 'Warning', 'BackOff', 'Back-off restarting failed container', 'kubelet')
    }
    save(cluster, kinds.pod, {
      ...annotated,
      status: {
        ...pod.status,
        conditions: this.conditions(false, timeText(startedAt)),
        containerStatuses: pod.spec.containers.map((container) =>
          this.containerStatus(container, { waiting }, false, restarts + 1, last(startedAt)),
        ),
      },
    })
    return startedAt + runMs + backOff
  }

  private finish(exitCode: number, startedAt: number): void {
    const { pod, cluster } = this
    const state: ContainerState = {
      terminated: {
        exitCode,
        reason: exitCode === 0 ? 'Completed' : 'Error',
        startedAt: timeText(startedAt),
        finishedAt: timeText(cluster.now),
      },
    }
    const reason = exitCode === 0 ? { reason: 'PodCompleted' } : {}
    const conditions = this.conditions(false, timeText(startedAt)).map((condition) =>
      condition.type.endsWith('Ready') ? { ...condition, ...reason } : condition,
    )
    save(cluster, kinds.pod, {
      ...pod,
      status: {
        ...pod.status,
        phase: exitCode === 0 ? 'Succeeded' : 'Failed',
        conditions,
        containerStatuses: pod.spec.containers.map((container) => this.containerStatus(container, state, false, 0, {})),
      },
    })
  }
}

/** The attempt to pull that an instant belongs to: when it was made (undefined before the first) and when the next one is. */
function pullAttempt(scheduledAt: number, now: number): { readonly attemptAt: number | undefined; readonly nextAt: number } {
  let attemptAt: number | undefined
  let nextAt = scheduledAt + podTiming.pullMs
  let backOff: number = podTiming.backOffMs
  while (nextAt <= now) {
    attemptAt = nextAt
    nextAt += backOff
    backOff = Math.min(backOff * 2, podTiming.mostBackOffMs)
  }
  return { attemptAt, nextAt }
}

/** The id of an image as a node reports it; the digest is the registry's where it is known, else made of the name. */
function imageIdOf(image: string, digest: string | undefined): string {
  const at = image.indexOf('@')
  if (at >= 0) return `docker-pullable://${image}`
  const colon = image.lastIndexOf(':')
  const repository = colon > image.lastIndexOf('/') ? image.slice(0, colon) : image
  return `docker-pullable://${repository}@${digest ?? `sha256:${createHash('sha256').update(image).digest('hex')}`}`
}

/** An address for a pod, out of the range of the cluster's pods: different until 64,000 later ones. */
function podAddress(state: KubernetesState): string {
  const number = state.revision % 64_000
  return `172.16.${Math.floor(number / 256)}.${(number % 255) + 1}`
}
