import * as z from 'zod/mini'
import type { KubeObject } from '#cloud/kube.ts'
import { parseInstant } from '#shared/pure/civil.ts'
import { sizeManagerOf } from './field-manager.ts'
import { parseOverride } from './override.ts'
import type { ObservedAutoscaler, ObservedTarget } from './plan.ts'
import { parseRecord, recordAnnotation } from './record.ts'
import type { Size, TargetKind } from './target.ts'

/** What a person may write on a target. Anything but `false` opts out: whoever wrote `yes` did not mean no. */
export const targetAnnotations = {
  optOut: 'longshore.dev/opt-out',
  holdUntil: 'longshore.dev/hold-until',
  override: 'longshore.dev/override',
} as const

const Metadata = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  deletionTimestamp: z.optional(z.nullable(z.string())),
  annotations: z.optional(z.nullable(z.record(z.string(), z.string()))),
  // Only tells who was it: nothing about it makes an object strange.
  managedFields: z.optional(z.unknown()),
})

export const Workload = z.object({
  metadata: Metadata,
  spec: z.object({ replicas: z.optional(z.nullable(z.int())) }),
})

const AutoscalerReference = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({ scaleTargetRef: z.object({ apiVersion: z.nullish(z.string()), kind: z.string(), name: z.string() }) }),
})

const Autoscaler = z.object({
  metadata: Metadata,
  spec: z.object({
    minReplicas: z.optional(z.nullable(z.int())),
    maxReplicas: z.int(),
  }),
})

/** An object with what a write needs to be safe. */
export interface VersionedTarget extends ObservedTarget {
  readonly resourceVersion: string
}

/**
 * What an object says as a target; undefined when it does not look like its kind at all. Absent replicas and minReplicas
 * are 1, as the API has it.
 */
export function targetOf(object: KubeObject, kind: TargetKind): VersionedTarget | undefined {
  const parsed = kind === 'HorizontalPodAutoscaler' ? z.safeParse(Autoscaler, object) : z.safeParse(Workload, object)
  if (!parsed.success) return undefined
  const { metadata, spec } = parsed.data
  const size: Size =
    'maxReplicas' in spec
      ? { kind: 'bounds', min: spec.minReplicas ?? 1, max: spec.maxReplicas }
      : { kind: 'replicas', replicas: spec.replicas ?? 1 }
  const annotations = metadata.annotations ?? {}
  const recordText = annotations[recordAnnotation]
  const record = recordText === undefined ? undefined : parseRecord(recordText)
  const holdText = annotations[targetAnnotations.holdUntil]
  const overrideText = annotations[targetAnnotations.override]
  const override = overrideText === undefined ? undefined : parseOverride(overrideText, kind)
  const manager = sizeManagerOf(metadata.managedFields, kind)
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    size,
    deleting: metadata.deletionTimestamp != null,
    optOut: (annotations[targetAnnotations.optOut] ?? 'false').toLowerCase() !== 'false',
    ...(holdText === undefined ? {} : { hold: holdOf(holdText) }),
    ...(override === undefined ? {} : { override: override.ok ? override.value : { problem: override.error } }),
    ...(manager === undefined ? {} : { manager }),
    ...(record === undefined ? {} : record.ok ? { record: record.value } : { recordProblem: record.error }),
  }
}

/** An instant with its zone written out; anything else stays text, and holds. */
function holdOf(text: string): number | string {
  const instant = parseInstant(text)
  return instant.ok ? instant.value : text
}

/**
 * Which workload an autoscaler sizes; undefined when it does not say. Looks at nothing else, so that an autoscaler which is
 * strange in another way still keeps its workload from being sized twice.
 */
export function autoscalerOf(object: KubeObject): ObservedAutoscaler | undefined {
  const parsed = z.safeParse(AutoscalerReference, object)
  if (!parsed.success) return undefined
  const { metadata, spec } = parsed.data
  const { apiVersion, kind, name } = spec.scaleTargetRef
  return { namespace: metadata.namespace, name: metadata.name, workload: { apiVersion: apiVersion ?? '', kind, name } }
}
