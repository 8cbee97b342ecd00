import { customKinds } from './custom-kinds.ts'
import { knownKind } from './kinds.ts'
import { definitionFinalizer } from './registry.ts'
import type { CustomResourceDefinition } from './shapes.ts'
import { isCustomResourceDefinition } from './shapes.ts'
import type { KubernetesState } from './state.ts'
import { allObjects, dropObject, storeObject } from './store.ts'
import { timeText } from './time.ts'

/**
 * Accepts the names of definitions that have no conditions yet and establishes them, which the server does by itself a
 * moment after they are made. A definition whose plural or kind another one of its group has is not accepted.
 */
export function establishDefinitions(state: KubernetesState, now: number): void {
  const facts = knownKind('apiextensions.k8s.io', 'CustomResourceDefinition')
  const definitions = allObjects(state, facts.group, facts.plural).filter(isCustomResourceDefinition)
  for (const definition of definitions) {
    if (definition.status.conditions !== null && definition.status.conditions !== undefined) continue
    const rival = definitions.find((other) => other !== definition && clashes(other, definition) && other.status.conditions)
    storeObject(state, facts, rival === undefined ? established(definition, now) : refused(definition, rival, now))
  }
}

/** Deletes the objects of definitions that are being deleted, and the definitions that nothing else keeps. */
export function cleanUpDefinitions(state: KubernetesState): void {
  const facts = knownKind('apiextensions.k8s.io', 'CustomResourceDefinition')
  for (const definition of allObjects(state, facts.group, facts.plural).filter(isCustomResourceDefinition)) {
    const { deletionTimestamp, finalizers = [], ...metadata } = definition.metadata
    if (deletionTimestamp === undefined || !finalizers.includes(definitionFinalizer)) continue
    const custom = customKinds(state).find((kind) => kind.definition === definition)
    if (custom !== undefined) {
      for (const { metadata: gone } of allObjects(state, custom.group, custom.plural)) dropObject(state, custom, gone.namespace, gone.name)
    }
    const others = finalizers.filter((finalizer) => finalizer !== definitionFinalizer)
    if (others.length === 0) dropObject(state, facts, undefined, metadata.name)
    else storeObject(state, facts, { ...definition, metadata: { ...metadata, deletionTimestamp, finalizers: others } })
  }
}

function clashes(left: CustomResourceDefinition, right: CustomResourceDefinition): boolean {
  const [a, b] = [left.spec, right.spec]
  return a.group === b.group && (a.names.plural === b.names.plural || a.names.kind === b.names.kind)
}

function established(definition: CustomResourceDefinition, now: number): CustomResourceDefinition {
  const lastTransitionTime = timeText(now)
  return {
    ...definition,
    status: {
      ...definition.status,
      conditions: [
        { type: 'NamesAccepted', status: 'True', lastTransitionTime, reason: 'NoConflicts', message: 'no conflicts found' },
        {
          type: 'Established',
          status: 'True',
          lastTransitionTime,
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        },
      ],
      acceptedNames: { ...definition.spec.names },
    },
  }
}

function refused(definition: CustomResourceDefinition, rival: CustomResourceDefinition, now: number): CustomResourceDefinition {
  const lastTransitionTime = timeText(now)
  const isPlural = rival.spec.names.plural === definition.spec.names.plural
  const what = isPlural ? definition.spec.names.plural : definition.spec.names.kind
  return {
    ...definition,
    status: {
      ...definition.status,
      conditions: [
        {
          type: 'NamesAccepted',
          status: 'False',
          lastTransitionTime,
          reason: isPlural ? 'PluralConflict' : 'KindConflict',
          message: `${JSON.stringify(what)} is already in use`,
        },
        { type: 'Established', status: 'False', lastTransitionTime, reason: 'NotAccepted', message: 'not all names are accepted' },
      ],
    },
  }
}
