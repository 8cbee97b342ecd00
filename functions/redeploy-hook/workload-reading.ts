import * as z from 'zod/mini'
import type { KubeObject } from '#cloud/kube.ts'
import { contentAnnotation, optOutAnnotation, parseRecord, recordAnnotation } from './record.ts'
import { rolloutOf } from './rollout.ts'
import type { ReadContainer, ReadWorkload, WorkloadKind, WorkloadRef } from './workload.ts'

const Annotations = z.optional(z.nullable(z.record(z.string(), z.string())))

const Container = z.object({
  name: z.string(),
  image: z.string(),
  imagePullPolicy: z.optional(z.nullable(z.string())),
})

const Template = z.object({
  metadata: z.optional(
    z.nullable(z.object({ annotations: Annotations, labels: z.optional(z.nullable(z.record(z.string(), z.string()))) })),
  ),
  spec: z.object({
    containers: z.array(Container),
    initContainers: z.optional(z.nullable(z.array(Container))),
    imagePullSecrets: z.optional(z.nullable(z.array(z.object({ name: z.optional(z.string()) })))),
    serviceAccountName: z.optional(z.nullable(z.string())),
    nodeSelector: z.optional(z.nullable(z.record(z.string(), z.string()))),
  }),
})

const Metadata = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  creationTimestamp: z.optional(z.nullable(z.string())),
  deletionTimestamp: z.optional(z.nullable(z.string())),
  annotations: Annotations,
})

const Workload = z.object({
  metadata: Metadata,
  spec: z.object({
    template: Template,
    paused: z.optional(z.nullable(z.boolean())),
    selector: z.optional(z.nullable(z.object({ matchLabels: z.optional(z.nullable(z.record(z.string(), z.string()))) }))),
    strategy: z.optional(z.nullable(z.object({ type: z.optional(z.nullable(z.string())) }))),
    updateStrategy: z.optional(z.nullable(z.object({ type: z.optional(z.nullable(z.string())) }))),
  }),
})

const CronJob = z.object({
  metadata: Metadata,
  spec: z.object({ jobTemplate: z.object({ spec: z.object({ template: Template }) }) }),
})

/** A workload with what a write to it, and a closer look at its pods, need. */
export interface LiveWorkload extends ReadWorkload {
  /** All annotations of the object; undefined where there are none, which a JSON Patch has to know. */
  readonly annotations: Readonly<Record<string, string>> | undefined
  /** The same of its pod template; also whether the template has metadata at all. */
  readonly template: {
    readonly hasMetadata: boolean
    readonly annotations: Readonly<Record<string, string>> | undefined
    readonly serviceAccount: string
    readonly namesPullSecrets: boolean
    readonly nodeSelector: Readonly<Record<string, string>>
  }
  /** Labels by which its pods are found; empty where it does not select by labels. */
  readonly matchLabels: Readonly<Record<string, string>>
}

const restartedAnnotation = 'kubectl.kubernetes.io/restartedAt'

/** What an object says as a workload; undefined when it does not look like its kind at all. */
export function workloadOf(object: KubeObject, ref: WorkloadRef): LiveWorkload | undefined {
  const shape = shapeOf(object, ref.kind)
  const rollout = rolloutOf(object, ref.kind)
  if (shape === undefined || rollout === undefined) return undefined
  const { metadata, template, strategy, isPaused, matchLabels } = shape
  const annotations = metadata.annotations ?? undefined
  const templateAnnotations = template.metadata?.annotations ?? undefined
  const restartedMs = Date.parse(templateAnnotations?.[restartedAnnotation] ?? '')
  const createdMs = Date.parse(metadata.creationTimestamp ?? '')
  return {
    ref,
    uid: metadata.uid,
    containers: [
      ...template.spec.containers.map((one, index) => containerOf(one, index, false, templateAnnotations)),
      ...(template.spec.initContainers ?? []).map((one, index) => containerOf(one, index, true, templateAnnotations)),
    ],
    record: parseRecord(annotations?.[recordAnnotation]),
    rollout,
    ...(strategy === 'RollingUpdate' || strategy === 'OnDelete' || strategy === 'Recreate' ? { updateStrategy: strategy } : {}),
    optOut: (annotations?.[optOutAnnotation] ?? 'false').toLowerCase() !== 'false',
    deleting: metadata.deletionTimestamp != null,
    paused: isPaused,
    podsSinceMs: Math.max(Number.isFinite(createdMs) ? createdMs : 0, Number.isFinite(restartedMs) ? restartedMs : 0),
    annotations,
    template: {
      hasMetadata: template.metadata != null,
      annotations: templateAnnotations,
      serviceAccount: template.spec.serviceAccountName ?? 'default',
      namesPullSecrets: (template.spec.imagePullSecrets ?? []).length > 0,
      nodeSelector: template.spec.nodeSelector ?? {},
    },
    matchLabels,
  }
}

interface Shape {
  readonly metadata: z.infer<typeof Metadata>
  readonly template: z.infer<typeof Template>
  readonly strategy: string | undefined
  readonly isPaused: boolean
  readonly matchLabels: Readonly<Record<string, string>>
}

function shapeOf(object: KubeObject, kind: WorkloadKind): Shape | undefined {
  if (kind === 'CronJob') {
    const parsed = z.safeParse(CronJob, object)
    if (!parsed.success) return undefined
    const { metadata, spec } = parsed.data
    return { metadata, template: spec.jobTemplate.spec.template, strategy: undefined, isPaused: false, matchLabels: {} }
  }
  const parsed = z.safeParse(Workload, object)
  if (!parsed.success) return undefined
  const { metadata, spec } = parsed.data
  return {
    metadata,
    template: spec.template,
    strategy: (kind === 'Deployment' ? spec.strategy : spec.updateStrategy)?.type ?? undefined,
    isPaused: kind === 'Deployment' && spec.paused === true,
    matchLabels: spec.selector?.matchLabels ?? {},
  }
}

function containerOf(
  { name, image, imagePullPolicy }: z.infer<typeof Container>,
  index: number,
  isInit: boolean,
  annotations: Readonly<Record<string, string>> | undefined,
): ReadContainer {
  const mark = annotations?.[contentAnnotation(name)]
  return {
    name,
    image,
    isInit,
    index,
    ...(imagePullPolicy == null ? {} : { pullPolicy: imagePullPolicy }),
    ...(mark === undefined ? {} : { contentMark: mark }),
  }
}
