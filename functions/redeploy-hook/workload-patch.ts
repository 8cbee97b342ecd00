import { type RedeployChange, recordTextAfter, type WorkloadChange } from './change.ts'
import { contentAnnotation, optOutAnnotation, recordAnnotation } from './record.ts'
import { templatePointer } from './workload-path.ts'
import type { LiveWorkload } from './workload-reading.ts'

/** One operation of a JSON Patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'test' | 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

/** The parts of a change that write the pod template. */
type TemplateChange = Extract<RedeployChange, { readonly kind: 'set-images' | 'rollback' }>

/**
 * The one patch that carries a change and its record. It tests everything that was decided by: the object's identity, that
 * nobody has opted it out, the record as it was read, and for each container its name and image at its place. What somebody else changed otherwise (replicas,
 * environment) it neither tests nor touches, so it is never lost. When any test fails nothing is written at all.
 */
export function patchOf(live: LiveWorkload, change: WorkloadChange, key: string, now: number): readonly PatchOperation[] {
  const { ref, uid, record, annotations, template } = live
  const at = templatePointer(ref.kind)
  const pods = change.kind === 'set-images' || change.kind === 'rollback' ? change : undefined
  return [
    { op: 'test', path: '/metadata/uid', value: uid },
    ...optOutOperations(annotations),
    ...annotationOperations('/metadata', annotations, { [recordAnnotation]: recordTextAfter(change, record.text, key, now) }),
    ...(pods === undefined ? [] : imageOperations(pods, at)),
    ...(pods === undefined ? [] : markOperations(live, pods, `${at}/metadata`, template.hasMetadata)),
  ]
}

/** Tests that nobody has opted it out since it was read. Where there are no annotations at all the test of those says so. */
function optOutOperations(annotations: LiveWorkload['annotations']): readonly PatchOperation[] {
  if (annotations === undefined) return []
  return [{ op: 'test', path: `/metadata/annotations/${escaped(optOutAnnotation)}`, value: annotations[optOutAnnotation] ?? null }]
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function imageOperations(change: TemplateChange, at: string): readonly PatchOperation[] {
  return change.containers.flatMap(({ name, index, isInit, from, to }) => {
    const container = `${at}/spec/${isInit ? 'initContainers' : 'containers'}/${index}`
    return [
      { op: 'test', path: `${container}/name`, value: name },
      { op: 'test', path: `${container}/image`, value: from },
      ...(from === to ? [] : [{ op: 'replace', path: `${container}/image`, value: to } as const]),
    ] as const
  })
}

/** The template's marks of contents: set where the image's name alone would not replace the pods, kept true where one is there. */
function markOperations(live: LiveWorkload, change: TemplateChange, at: string, hasMetadata: boolean): readonly PatchOperation[] {
  const marks: Record<string, string> = {}
  for (const container of change.containers) {
    const name = contentAnnotation(container.name)
    const isMarked = live.template.annotations?.[name] !== undefined
    const restarts = 'restart' in container ? container.restart : container.from === container.to
    if (!restarts && !isMarked) continue
    marks[name] = container.content ?? 'unknown'
  }
  if (Object.keys(marks).length === 0) return []
  const before: readonly PatchOperation[] = hasMetadata
    ? []
    : [
        { op: 'test', path: at, value: null },
        { op: 'add', path: at, value: {} },
      ]
  return [...before, ...annotationOperations(at, live.template.annotations, marks)]
}

/** Sets annotations, each tested to be as it was read. A missing value counts as null in a test of the API's server. */
function annotationOperations(
  at: string,
  before: Readonly<Record<string, string>> | undefined,
  values: Readonly<Record<string, string>>,
): readonly PatchOperation[] {
  if (before === undefined)
    return [
      { op: 'test', path: `${at}/annotations`, value: null },
      { op: 'add', path: `${at}/annotations`, value: values },
    ]
  return Object.entries(values).flatMap(([name, value]) => {
    const path = `${at}/annotations/${escaped(name)}`
    return [{ op: 'test', path, value: before[name] ?? null } as const, { op: 'add', path, value } as const]
  })
}
