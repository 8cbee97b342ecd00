import type { JsonObject } from '../json.ts'
import { isJsonObject, objectAt, sameJson } from '../json.ts'
import type { ControllerRevision, DaemonSet, PodTemplate, StatefulSet } from '../shapes.ts'
import { isControllerRevision } from '../shapes.ts'
import { dropObject, nextUid, readObject, storeObject } from '../store.ts'
import { timeText } from '../time.ts'
import type { Cluster } from './cluster.ts'
import { controllerReference, kinds, templateHash } from './cluster.ts'

/** The revision of a set's template: the one that has it, moved to the end of the history, or a new one. */
export function currentRevision(
  cluster: Cluster,
  set: StatefulSet | DaemonSet,
  template: PodTemplate,
  revisions: readonly ControllerRevision[],
): ControllerRevision {
  const data = { spec: { template: { ...toJson(template), $patch: 'replace' } } }
  const latest = Math.max(0, ...revisions.map(({ revision }) => revision))
  const same = revisions.find((each) => sameJson(each.data, data))
  if (same !== undefined) {
    if (same.revision === latest) return same
    const moved = storeObject(cluster.state, kinds.revision, { ...same, revision: latest + 1 })
    return isControllerRevision(moved) ? moved : same
  }
  const namespace = set.metadata.namespace ?? ''
  let hash = templateHash([set.metadata.uid, data])
  for (let salt = 1; readObject(cluster.state, kinds.revision, namespace, `${set.metadata.name}-${hash}`) !== undefined; salt += 1) {
    hash = templateHash([set.metadata.uid, data, salt])
  }
  const created: ControllerRevision = {
    kind: 'ControllerRevision',
    apiVersion: 'apps/v1',
    metadata: {
      name: `${set.metadata.name}-${hash}`,
      namespace,
      uid: nextUid(cluster.state),
      resourceVersion: '',
      creationTimestamp: timeText(cluster.now),
      labels: { ...template.metadata.labels, 'controller.kubernetes.io/hash': hash },
      ownerReferences: [controllerReference(set)],
    },
    data,
    revision: latest + 1,
  }
  const stored = storeObject(cluster.state, kinds.revision, created)
  return isControllerRevision(stored) ? stored : created
}

function toJson(template: PodTemplate): JsonObject {
  return structuredClone(template)
}

/** The template a revision keeps. */
export function templateOfRevision(revision: ControllerRevision, fallback: PodTemplate): PodTemplate {
  const template = objectAt(revision.data, 'spec', 'template')
  const spec = objectAt(template, 'spec')
  return template !== undefined && spec !== undefined && isTemplate(template)
    ? { metadata: template.metadata, spec: template.spec }
    : fallback
}

function isTemplate(value: JsonObject): value is JsonObject & PodTemplate {
  return isJsonObject(value.metadata) && isJsonObject(value.spec) && Array.isArray(objectAt(value, 'spec')?.containers)
}

/** Forgets the oldest revisions that nothing uses, beyond a limit. */
export function forgetRevisions(
  cluster: Cluster,
  revisions: readonly ControllerRevision[],
  inUse: ReadonlySet<string>,
  limit: number,
): void {
  const unused = revisions.filter(({ metadata }) => !inUse.has(metadata.name)).sort((left, right) => left.revision - right.revision)
  for (const { metadata } of unused.slice(0, Math.max(0, unused.length - limit))) {
    dropObject(cluster.state, kinds.revision, metadata.namespace, metadata.name)
  }
}
