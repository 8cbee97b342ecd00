import { byText, sameJson } from '../json.ts'
import type { Condition, Deployment, DeploymentStatus, PodTemplate, ReplicaSet, StringMap } from '../shapes.ts'
import { isDeployment, isReplicaSet } from '../shapes.ts'
import { allObjects, nextUid, readObject, storeObject } from '../store.ts'
import { epochMsOf, timeText } from '../time.ts'
import type { Cluster, Controller } from './cluster.ts'
import { byAge, byController, conditionOf, controllerReference, earlier, kinds, podsOf, remove, share, templateHash } from './cluster.ts'
import { emit } from './events.ts'

const revisionKey = 'deployment.kubernetes.io/revision'
const historyKey = 'deployment.kubernetes.io/revision-history'
const desiredKey = 'deployment.kubernetes.io/desired-replicas'
const mostKey = 'deployment.kubernetes.io/max-replicas'
const hashLabel = 'pod-template-hash'
const notCopied = [
  revisionKey,
  historyKey,
  desiredKey,
  mostKey,
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
]
const component = 'deployment-controller'
/** A deadline that means there is none. */
const noDeadline = 2147483647

/** Rolls deployments out through replica sets: one step per pass, as far as surge and availability allow. */
export const deploymentController: Controller = {
  name: 'deployment',
  watches: ['apps/deployments', 'apps/replicasets'],
  run: (cluster) => {
    const deployments = allObjects(cluster.state, 'apps', 'deployments').filter(isDeployment)
    if (deployments.length === 0) return undefined
    const owned = byController(allObjects(cluster.state, 'apps', 'replicasets').filter(isReplicaSet))
    let wakeAt: number | undefined
    for (const deployment of deployments.sort((left, right) => byText(keyOf(left), keyOf(right)))) {
      wakeAt = earlier(wakeAt, new Rollout(cluster, deployment, owned.get(deployment.metadata.uid) ?? []).step())
    }
    return wakeAt
  },
}

function keyOf(deployment: Deployment): string {
  return `${deployment.metadata.namespace}/${deployment.metadata.name}`
}

/** What a replica set's template is without the label that tells the sets apart. */
function plainTemplate(template: PodTemplate): PodTemplate {
  const labels = template.metadata.labels
  if (labels === undefined || labels[hashLabel] === undefined) return template
  const { [hashLabel]: _, ...rest } = labels
  return { ...template, metadata: { ...template.metadata, labels: rest } }
}

function revisionOf(set: { readonly metadata: { readonly annotations?: StringMap } }): number {
  const revision = Number.parseInt(set.metadata.annotations?.[revisionKey] ?? '', 10)
  return Number.isNaN(revision) ? 0 : revision
}

/** One look at one deployment. */
class Rollout {
  private readonly cluster: Cluster
  private deployment: Deployment
  private readonly sets: ReplicaSet[]
  private newest: ReplicaSet | undefined

  constructor(cluster: Cluster, deployment: Deployment, sets: readonly ReplicaSet[]) {
    this.cluster = cluster
    this.deployment = deployment
    this.sets = [...sets].sort(byAge)
    this.newest = this.sets.find((set) => sameJson(plainTemplate(set.spec.template), deployment.spec.template))
  }

  step(): number | undefined {
    const { deployment } = this
    if (deployment.metadata.deletionTimestamp !== undefined) {
      this.saveStatus(this.status())
      return undefined
    }
    this.notePause()
    if (deployment.spec.paused === true) {
      if (this.newest !== undefined) this.annotateNewest()
      this.scale()
      this.cleanUp()
      this.saveStatus(this.status())
      return undefined
    }
    if (this.isScaled()) {
      if (this.newest !== undefined) this.annotateNewest()
      this.scale()
      this.saveStatus(this.status())
      return undefined
    }
    if (deployment.spec.strategy.type === 'Recreate') this.recreate()
    else this.roll()
    return this.progress()
  }

  private old(): ReplicaSet[] {
    return this.sets.filter((set) => set !== this.newest)
  }

  private active(): ReplicaSet[] {
    return this.sets.filter((set) => set.spec.replicas > 0)
  }

  private maxSurge(): number {
    const { strategy, replicas } = this.deployment.spec
    if (strategy.type !== 'RollingUpdate') return 0
    return share(strategy.rollingUpdate?.maxSurge ?? '25%', replicas, 'up')
  }

  private maxUnavailable(): number {
    const { strategy, replicas } = this.deployment.spec
    if (strategy.type !== 'RollingUpdate' || replicas === 0) return 0
    const unavailable = share(strategy.rollingUpdate?.maxUnavailable ?? '25%', replicas, 'down')
    const fixed = unavailable === 0 && this.maxSurge() === 0 ? 1 : unavailable
    return Math.min(fixed, replicas)
  }

  /** Whether the number of replicas was changed since the sets were last sized. */
  private isScaled(): boolean {
    const wanted = String(this.deployment.spec.replicas)
    return this.active().some((set) => (set.metadata.annotations?.[desiredKey] ?? wanted) !== wanted)
  }

  private replace(set: ReplicaSet, next: ReplicaSet): ReplicaSet {
    const stored = storeObject(this.cluster.state, kinds.replicaSet, next)
    const kept = isReplicaSet(stored) ? stored : next
    this.sets[this.sets.indexOf(set)] = kept
    if (this.newest === set) this.newest = kept
    return kept
  }

  private resize(set: ReplicaSet, replicas: number): ReplicaSet {
    const { deployment } = this
    const annotations = {
      ...set.metadata.annotations,
      [desiredKey]: String(deployment.spec.replicas),
      [mostKey]: String(deployment.spec.replicas + this.maxSurge()),
    }
    const isSized = set.spec.replicas !== replicas
    if (!isSized && sameJson(annotations, set.metadata.annotations ?? {})) return set
    const direction = replicas > set.spec.replicas ? 'up' : 'down'
    const resized = this.replace(set, {
      ...set,
      metadata: { ...set.metadata, annotations, generation: (set.metadata.generation ?? 0) + (isSized ? 1 : 0) },
      spec: { ...set.spec, replicas },
    })
    if (isSized) {
      emit(
        this.cluster,
        deployment,
        'Normal',
        'ScalingReplicaSet',
        `Scaled ${direction} replica set ${set.metadata.name} to ${replicas}`,
        component,
      )
    }
    return resized
  }

  /** The annotations a set takes from its deployment, and its revision when it becomes the newest again. */
  private annotateNewest(): void {
    const { newest, deployment } = this
    if (newest === undefined) return
    const copied = Object.fromEntries(Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !notCopied.includes(key)))
    const annotations = { ...newest.metadata.annotations, ...copied }
    const latest = Math.max(0, ...this.old().map(revisionOf)) + 1
    const before = revisionOf(newest)
    if (before < latest) {
      annotations[revisionKey] = String(latest)
      if (before > 0)
        annotations[historyKey] = [...(annotations[historyKey] ?? '').split(',').filter((each) => each !== ''), String(before)].join(',')
    }
    let set = newest
    const minReady = deployment.spec.minReadySeconds
    if (!sameJson(annotations, newest.metadata.annotations ?? {}) || (newest.spec.minReadySeconds ?? 0) !== (minReady ?? 0)) {
      const { minReadySeconds: _, ...spec } = newest.spec
      set = this.replace(newest, {
        ...newest,
        metadata: { ...newest.metadata, annotations },
        spec: { ...spec, ...(minReady === undefined ? {} : { minReadySeconds: minReady }) },
      })
    }
    this.noteRevision(annotations[revisionKey] ?? '1')
    if (conditionOf(this.deployment.status.conditions, 'Progressing') === undefined) {
      this.noteProgress('True', 'FoundNewReplicaSet', `Found new replica set ${JSON.stringify(set.metadata.name)}`)
    }
  }

  /** Writes the revision on the deployment, which does not count as a change of it. */
  private noteRevision(revision: string): void {
    const { metadata } = this.deployment
    if (metadata.annotations?.[revisionKey] === revision) return
    this.keep({ ...this.deployment, metadata: { ...metadata, annotations: { ...metadata.annotations, [revisionKey]: revision } } })
  }

  private keep(deployment: Deployment): void {
    if (sameJson(deployment, this.deployment)) return
    const stored = storeObject(this.cluster.state, kinds.deployment, deployment)
    this.deployment = isDeployment(stored) ? stored : deployment
  }

  /** Makes the set of the current template when there is none. */
  private ensureNewest(): ReplicaSet {
    if (this.newest !== undefined) {
      this.annotateNewest()
      return this.newest
    }
    const { deployment, cluster } = this
    const namespace = deployment.metadata.namespace ?? ''
    let hash = templateHash([deployment.spec.template, deployment.status.collisionCount ?? 0])
    for (
      let salt = 1;
      readObject(cluster.state, kinds.replicaSet, namespace, `${deployment.metadata.name}-${hash}`) !== undefined;
      salt += 1
    ) {
      hash = templateHash([deployment.spec.template, deployment.status.collisionCount ?? 0, salt])
    }
    const name = `${deployment.metadata.name}-${hash}`
    const revision = String(Math.max(0, ...this.sets.map(revisionOf)) + 1)
    const copied = Object.fromEntries(Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !notCopied.includes(key)))
    const labels = { ...deployment.spec.template.metadata.labels, [hashLabel]: hash }
    const created: ReplicaSet = {
      kind: 'ReplicaSet',
      apiVersion: 'apps/v1',
      metadata: {
        name,
        namespace,
        uid: nextUid(cluster.state),
        resourceVersion: '',
        generation: 1,
        creationTimestamp: timeText(cluster.now),
        labels,
        annotations: {
          ...copied,
          [desiredKey]: String(deployment.spec.replicas),
          [mostKey]: String(deployment.spec.replicas + this.maxSurge()),
          [revisionKey]: revision,
        },
        ownerReferences: [controllerReference(deployment)],
      },
      spec: {
        replicas: 0,
        ...(deployment.spec.minReadySeconds === undefined ? {} : { minReadySeconds: deployment.spec.minReadySeconds }),
        selector: { ...deployment.spec.selector, matchLabels: { ...deployment.spec.selector.matchLabels, [hashLabel]: hash } },
        template: { ...deployment.spec.template, metadata: { ...deployment.spec.template.metadata, labels } },
      },
      status: { replicas: 0 },
    }
    created.spec.replicas = this.roomForNewest(created)
    const stored = storeObject(cluster.state, kinds.replicaSet, created)
    const set = isReplicaSet(stored) ? stored : created
    this.sets.push(set)
    this.newest = set
    if (set.spec.replicas > 0) {
      emit(cluster, deployment, 'Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} to ${set.spec.replicas}`, component)
    }
    this.noteRevision(revision)
    this.noteProgress('True', 'NewReplicaSetCreated', `Created new replica set ${JSON.stringify(name)}`)
    return set
  }

  /** How many replicas the newest set may have now. */
  private roomForNewest(newest: ReplicaSet): number {
    const { replicas, strategy } = this.deployment.spec
    if (strategy.type === 'Recreate') return this.old().length === 0 || this.isEveryOldOneGone() ? replicas : newest.spec.replicas
    const total = this.sets.reduce((sum, set) => sum + set.spec.replicas, 0)
    const room = replicas + this.maxSurge() - total
    return room <= 0 ? newest.spec.replicas : newest.spec.replicas + Math.min(room, replicas - newest.spec.replicas)
  }

  private roll(): void {
    const newest = this.ensureNewest()
    const { replicas } = this.deployment.spec
    const wanted = newest.spec.replicas > replicas ? replicas : this.roomForNewest(newest)
    if (wanted !== newest.spec.replicas) {
      this.resize(newest, wanted)
      return
    }
    if (this.scaleOldDown(newest)) return
    if (this.isComplete(this.status())) this.cleanUp()
  }

  /** Takes replicas from the old sets: first those that are not available, then as many as availability allows. */
  private scaleOldDown(newest: ReplicaSet): boolean {
    const total = this.sets.reduce((sum, set) => sum + set.spec.replicas, 0)
    const least = this.deployment.spec.replicas - this.maxUnavailable()
    const newUnavailable = newest.spec.replicas - (newest.status.availableReplicas ?? 0)
    let removable = total - least - newUnavailable
    if (removable <= 0) return false
    let isChanged = false
    for (const set of this.old()) {
      const unhealthy = set.spec.replicas - (set.status.availableReplicas ?? 0)
      const count = Math.min(removable, unhealthy)
      if (set.spec.replicas === 0 || count <= 0) continue
      this.resize(set, set.spec.replicas - count)
      removable -= count
      isChanged = true
    }
    let spare = this.sets.reduce((sum, set) => sum + (set.status.availableReplicas ?? 0), 0) - least
    for (const set of this.old()) {
      const count = Math.min(spare, set.spec.replicas)
      if (count <= 0) continue
      this.resize(set, set.spec.replicas - count)
      spare -= count
      isChanged = true
    }
    return isChanged
  }

  private recreate(): void {
    const old = this.old().filter((set) => set.spec.replicas > 0)
    for (const set of old) this.resize(set, 0)
    if (old.length > 0 || !this.isEveryOldOneGone()) return
    const newest = this.ensureNewest()
    this.resize(newest, this.deployment.spec.replicas)
    if (this.isComplete(this.status())) this.cleanUp()
  }

  /** Whether no pod of an older set is left, not even one that is ending. */
  private isEveryOldOneGone(): boolean {
    const uids = new Set(this.old().map((set) => set.metadata.uid))
    if (uids.size === 0) return true
    return !podsOf(this.cluster).some(
      (pod) =>
        (pod.metadata.ownerReferences ?? []).some(({ uid }) => uids.has(uid)) &&
        pod.status.phase !== 'Succeeded' &&
        pod.status.phase !== 'Failed',
    )
  }

  /** Gives every set its share after the number of replicas was changed. */
  private scale(): void {
    const { replicas, strategy } = this.deployment.spec
    const active = this.active()
    const only = active.length === 0 ? (this.newest ?? this.sets.at(-1)) : active.length === 1 ? active[0] : undefined
    if (only !== undefined) {
      this.resize(only, replicas)
      return
    }
    if (this.newest !== undefined && this.isSaturated(this.newest)) {
      for (const set of this.old()) if (set.spec.replicas > 0) this.resize(set, 0)
      return
    }
    if (strategy.type !== 'RollingUpdate') return
    const total = active.reduce((sum, set) => sum + set.spec.replicas, 0)
    const allowed = replicas > 0 ? replicas + this.maxSurge() : 0
    const toAdd = allowed - total
    const ordered = [...active].sort(
      (left, right) => right.spec.replicas - left.spec.replicas || (toAdd > 0 ? byAge(right, left) : byAge(left, right)),
    )
    let added = 0
    const sizes = new Map<ReplicaSet, number>()
    for (const set of ordered) {
      const most = Number.parseInt(set.metadata.annotations?.[mostKey] ?? '', 10)
      const base = Number.isNaN(most) || most === 0 ? (this.deployment.status.replicas ?? total) : most
      const fraction =
        replicas === 0
          ? -set.spec.replicas
          : Math.round((set.spec.replicas * (replicas + this.maxSurge())) / Math.max(base, 1)) - set.spec.replicas
      const left = toAdd - added
      const part = toAdd === 0 ? 0 : toAdd > 0 ? Math.min(fraction, left) : Math.max(fraction, left)
      sizes.set(set, set.spec.replicas + part)
      added += part
    }
    for (const [index, set] of ordered.entries()) {
      const size = (sizes.get(set) ?? set.spec.replicas) + (index === 0 ? toAdd - added : 0)
      this.resize(set, Math.max(0, size))
    }
  }

  private isSaturated(set: ReplicaSet): boolean {
    const { replicas } = this.deployment.spec
    return (
      set.spec.replicas === replicas &&
      (set.status.availableReplicas ?? 0) === replicas &&
      set.metadata.annotations?.[desiredKey] === String(replicas)
    )
  }

  /** Forgets the oldest sets beyond the limit that nothing runs in any more. */
  private cleanUp(): void {
    const limit = this.deployment.spec.revisionHistoryLimit
    const old = this.old()
      .filter((set) => set.metadata.deletionTimestamp === undefined)
      .sort((left, right) => revisionOf(left) - revisionOf(right))
    for (const set of old.slice(0, Math.max(0, old.length - limit))) {
      const isEmpty = set.spec.replicas === 0 && set.status.replicas === 0
      if (!isEmpty || (set.metadata.generation ?? 0) > (set.status.observedGeneration ?? 0)) continue
      remove(this.cluster, kinds.replicaSet, set)
      this.sets.splice(this.sets.indexOf(set), 1)
    }
  }

  private status(): DeploymentStatus {
    const { deployment, newest, cluster } = this
    const sum = (count: (set: ReplicaSet) => number | undefined): number => this.sets.reduce((total, set) => total + (count(set) ?? 0), 0)
    const available = sum((set) => set.status.availableReplicas)
    const counts = {
      replicas: sum((set) => set.status.replicas),
      updatedReplicas: newest?.status.replicas ?? 0,
      readyReplicas: sum((set) => set.status.readyReplicas),
      availableReplicas: available,
      unavailableReplicas: Math.max(0, sum((set) => set.spec.replicas) - available),
    }
    const isEnough = available >= deployment.spec.replicas - this.maxUnavailable()
    const before = deployment.status.conditions
    const conditions = withDeploymentCondition(
      before,
      {
        type: 'Available',
        status: isEnough ? 'True' : 'False',
        reason: isEnough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
        message: isEnough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
      },
      cluster.now,
    )
    return {
      observedGeneration: deployment.metadata.generation ?? 0,
      ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
      conditions,
      ...(deployment.status.collisionCount === undefined ? {} : { collisionCount: deployment.status.collisionCount }),
    }
  }

  private saveStatus(status: DeploymentStatus): void {
    this.keep({ ...this.deployment, status })
  }

  private isComplete(status: DeploymentStatus): boolean {
    const { replicas } = this.deployment.spec
    return (
      (status.updatedReplicas ?? 0) === replicas &&
      (status.replicas ?? 0) === replicas &&
      (status.availableReplicas ?? 0) === replicas &&
      (status.observedGeneration ?? 0) >= (this.deployment.metadata.generation ?? 0)
    )
  }

  /** Says how the rollout goes, and when it will have taken too long. */
  private progress(): number | undefined {
    const { deployment, cluster, newest } = this
    const status = this.status()
    const before = deployment.status
    const current = conditionOf(before.conditions, 'Progressing')
    const deadlineMs = deployment.spec.progressDeadlineSeconds * 1000
    const isSettled = (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && current?.reason === 'NewReplicaSetAvailable'
    const subject =
      newest === undefined ? `Deployment ${JSON.stringify(deployment.metadata.name)}` : `ReplicaSet ${JSON.stringify(newest.metadata.name)}`
    if (deployment.spec.progressDeadlineSeconds === noDeadline || isSettled) {
      this.saveStatus(status)
      return undefined
    }
    if (this.isComplete(status)) {
      status.conditions = withDeploymentCondition(
        status.conditions,
        { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message: `${subject} has successfully progressed.` },
        cluster.now,
      )
    } else if (isProgress(status, before)) {
      const next: Condition = { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message: `${subject} is progressing.` }
      const updated = { ...next, lastUpdateTime: timeText(cluster.now), lastTransitionTime: timeText(cluster.now) }
      if (current?.status === 'True') updated.lastTransitionTime = current.lastTransitionTime ?? updated.lastTransitionTime
      status.conditions = [...(status.conditions ?? []).filter(({ type }) => type !== 'Progressing'), updated]
    } else if (this.isTimedOut(current)) {
      status.conditions = withDeploymentCondition(
        status.conditions,
        { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: `${subject} has timed out progressing.` },
        cluster.now,
      )
    }
    this.saveStatus(status)
    const after = conditionOf(status.conditions, 'Progressing')
    if (after === undefined || after.reason === 'NewReplicaSetAvailable' || after.reason === 'ProgressDeadlineExceeded') return undefined
    return (epochMsOf(after.lastUpdateTime) ?? cluster.now) + deadlineMs + 1000
  }

  private isTimedOut(current: Condition | undefined): boolean {
    if (current === undefined || current.reason === 'NewReplicaSetAvailable') return false
    if (current.reason === 'ProgressDeadlineExceeded') return true
    const since = epochMsOf(current.lastUpdateTime) ?? this.cluster.now
    return this.cluster.now > since + this.deployment.spec.progressDeadlineSeconds * 1000
  }

  private notePause(): void {
    const { paused, progressDeadlineSeconds } = this.deployment.spec
    const current = conditionOf(this.deployment.status.conditions, 'Progressing')
    if (progressDeadlineSeconds === noDeadline || current?.reason === 'ProgressDeadlineExceeded') return
    const isMarked = current?.reason === 'DeploymentPaused'
    if (paused === true && !isMarked) this.noteProgress('Unknown', 'DeploymentPaused', 'Deployment is paused')
    else if (paused !== true && isMarked) this.noteProgress('Unknown', 'DeploymentResumed', 'Deployment is resumed')
  }

  private noteProgress(status: string, reason: string, message: string): void {
    const conditions = withDeploymentCondition(
      this.deployment.status.conditions,
      { type: 'Progressing', status, reason, message },
      this.cluster.now,
    )
    this.saveStatus({ ...this.deployment.status, conditions })
  }
}

/** Deployments keep the time of the last update beside that of the last transition; the same status and reason change neither. */
function withDeploymentCondition(conditions: readonly Condition[] | undefined, next: Condition, now: number): Condition[] {
  const before = conditionOf(conditions, next.type)
  if (before !== undefined && before.status === next.status && before.reason === next.reason) return [...(conditions ?? [])]
  const lastTransitionTime =
    before !== undefined && before.status === next.status ? (before.lastTransitionTime ?? timeText(now)) : timeText(now)
  return [...(conditions ?? []).filter(({ type }) => type !== next.type), { ...next, lastUpdateTime: timeText(now), lastTransitionTime }]
}

function isProgress(status: DeploymentStatus, before: DeploymentStatus): boolean {
  const updated = status.updatedReplicas ?? 0
  const oldUpdated = before.updatedReplicas ?? 0
  return (
    updated > oldUpdated ||
    (status.replicas ?? 0) - updated < (before.replicas ?? 0) - oldUpdated ||
    (status.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  )
}
