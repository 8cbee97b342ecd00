import { autoscalerFromV1, autoscalerToV1, inKeptOrder } from './convert-autoscaler.ts'
import { decodeStructure } from './decode.ts'
import { fillDefaults } from './defaults.ts'
import type { JsonObject } from './json.ts'
import { listAt, objectAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { apiVersionOf } from './kinds.ts'
import type { KubeObject } from './shapes.ts'

const autoscalerV1 = 'autoscaling/v1.HorizontalPodAutoscaler'

/**
 * Brings an object that came in under a version into the shape the state keeps: typed, converted, defaults filled in.
 * Custom objects are taken as they are (their definition decides, see custom-resources.ts). Throws ShapeFault.
 */
export function toStored(facts: KindFacts, version: string, object: JsonObject): JsonObject {
  if (facts.structure === undefined) return { ...object, apiVersion: facts.storedAs, kind: facts.kind }
  const isOldAutoscaler = facts.kind === 'HorizontalPodAutoscaler' && version === 'v1'
  const typed = isOldAutoscaler ? autoscalerFromV1(decodeStructure(autoscalerV1, object)) : object
  const stored = decodeStructure(facts.structure, typed)
  fillDefaults(facts.kind, stored)
  const spec = objectAt(stored, 'spec')
  if (facts.kind === 'HorizontalPodAutoscaler' && spec !== undefined) spec.metrics = inKeptOrder(listAt(spec, 'metrics'))
  const metadata = objectAt(stored, 'metadata')
  if (metadata !== undefined) {
    delete metadata.managedFields
    delete metadata.selfLink
  }
  return { kind: facts.kind, apiVersion: facts.storedAs, ...stored }
}

/** An object as a version shows it. Only autoscalers differ in more than their `apiVersion`. */
export function toVersion(facts: KindFacts, version: string, object: KubeObject): JsonObject {
  const apiVersion = apiVersionOf(facts.group, version)
  if (facts.kind === 'HorizontalPodAutoscaler' && version === 'v1') {
    return { kind: facts.kind, apiVersion, ...decodeStructure(autoscalerV1, autoscalerToV1(object)) }
  }
  return apiVersion === object.apiVersion ? object : { ...object, apiVersion }
}
