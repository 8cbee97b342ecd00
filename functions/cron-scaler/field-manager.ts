import { parseInstant } from '#shared/pure/civil.ts'
import { clip } from '#shared/pure/clip.ts'
import { recordAnnotation } from './record.ts'
import type { TargetKind } from './target.ts'

/** Who set a target's size, as the cluster notes it in `metadata.managedFields`. */
export interface FieldManager {
  readonly name: string
  /** To the second; absent where the cluster does not say. */
  readonly changedMs?: number | undefined
}

const sizeFields: Readonly<Record<TargetKind, readonly string[]>> = {
  Deployment: ['f:replicas'],
  StatefulSet: ['f:replicas'],
  HorizontalPodAutoscaler: ['f:minReplicas', 'f:maxReplicas'],
}

/** Names are shown in one line of a report. */
const longestName = 80

/**
 * The manager that owns a target's size, other than this product: whoever owns the record is us, and a person who goes the same
 * way into the cluster as we do cannot be told from us. Of several the one that changed something last. Undefined where nobody
 * else owns it, and where the cluster (before 1.18) or the object says nothing about managers; what looks strange is passed over.
 */
export function sizeManagerOf(managedFields: unknown, kind: TargetKind): FieldManager | undefined {
  let found: FieldManager | undefined
  for (const entry of Array.isArray(managedFields) ? managedFields : []) {
    const name = memberOf(entry, 'manager')
    const fields = memberOf(entry, 'fieldsV1')
    const spec = memberOf(fields, 'f:spec')
    if (typeof name !== 'string' || name === '' || !sizeFields[kind].some((field) => memberOf(spec, field) !== undefined)) continue
    if (memberOf(memberOf(memberOf(fields, 'f:metadata'), 'f:annotations'), `f:${recordAnnotation}`) !== undefined) continue
    const time = memberOf(entry, 'time')
    const at = typeof time === 'string' ? parseInstant(time) : undefined
    const changedMs = at?.ok === true ? at.value : undefined
    if (found === undefined || (changedMs ?? 0) > (found.changedMs ?? 0)) found = { name: clip(name, longestName), changedMs }
  }
  if (found === undefined) return undefined
  return found.changedMs === undefined ? { name: found.name } : { name: found.name, changedMs: found.changedMs }
}

/** What keeps such a manager from setting the size again and again. */
export function adviceFor(manager: FieldManager | undefined, kind: TargetKind): string {
  const paths = kind === 'HorizontalPodAutoscaler' ? ['spec.minReplicas', 'spec.maxReplicas'] : ['spec.replicas']
  const fields = paths.join(' and ')
  const name = manager?.name ?? ''
  if (/argo/i.test(name)) {
    const pointers = paths.map((path) => `/${path.replaceAll('.', '/')}`).join(' and ')
    return `leave ${fields} out of the manifest in Git, or list ${pointers} under ignoreDifferences of the Argo CD application`
  }
  if (/kustomize-controller|helm-controller|flux/i.test(name)) return `leave ${fields} out of the manifest in Git`
  if (/helm/i.test(name)) return `leave ${fields} out of the chart's templates`
  if (/^kubectl/.test(name)) return `leave ${fields} out of the manifest that is applied with kubectl`
  if (/kube-controller-manager|autoscaler|keda/i.test(name)) {
    return kind === 'HorizontalPodAutoscaler'
      ? `let only one of them set ${fields}`
      : 'an autoscaler sizes it: name that autoscaler as the target, or take it away'
  }
  return `leave ${fields} out of what sets it, or take the rule away`
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}
