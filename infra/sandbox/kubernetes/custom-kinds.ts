import { listAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { apiVersionOf } from './kinds.ts'
import type { CustomResourceDefinition, CustomResourceVersion } from './shapes.ts'
import { isCustomResourceDefinition } from './shapes.ts'
import type { KubernetesState } from './state.ts'
import { allObjects } from './store.ts'

/** A kind that a definition in the cluster added. */
export interface CustomKind extends KindFacts {
  readonly definition: CustomResourceDefinition
}

const known = new WeakMap<CustomResourceDefinition, CustomKind>()

/** The kinds that the cluster's definitions add; a definition counts once it is established. */
export function customKinds(state: KubernetesState): CustomKind[] {
  return allObjects(state, 'apiextensions.k8s.io', 'customresourcedefinitions').flatMap((object) =>
    isCustomResourceDefinition(object) && isEstablished(object) ? [factsOf(object)] : [],
  )
}

export function isCustomKind(facts: KindFacts): facts is CustomKind {
  return 'definition' in facts
}

/** One version of a custom kind, when it is served. */
export function servedCustomVersion(facts: CustomKind, version: string): CustomResourceVersion | undefined {
  return facts.definition.spec.versions.find((each) => each.name === version && each.served)
}

function isEstablished(definition: CustomResourceDefinition): boolean {
  return (
    listAt(definition, 'status', 'conditions').length > 0 &&
    (definition.status.conditions ?? []).some(({ type, status }) => type === 'Established' && status === 'True')
  )
}

function factsOf(definition: CustomResourceDefinition): CustomKind {
  const present = known.get(definition)
  if (present !== undefined) return present
  const { group, names, scope, versions } = definition.spec
  const storage = versions.find((version) => version.storage)?.name ?? 'v1'
  const facts: CustomKind = {
    group,
    plural: names.plural,
    kind: names.kind,
    namespaced: scope === 'Namespaced',
    ...(names.shortNames === undefined ? {} : { shortNames: names.shortNames }),
    ...(names.categories === undefined ? {} : { categories: names.categories }),
    versions: versions
      .filter((version) => version.served)
      .map((version) => ({ version: version.name }))
      .sort((left, right) => byVersionPriority(left.version, right.version)),
    storedAs: apiVersionOf(group, storage),
    status: versions.some((version) => version.subresources?.status !== undefined),
    scale: versions.some((version) => version.subresources?.scale !== undefined),
    unconditionalUpdate: false,
    createOnUpdate: false,
    returnsDeleted: false,
    generation: true,
    deleteCollection: true,
    definition,
  }
  known.set(definition, facts)
  return facts
}

/** Stable versions before beta before alpha, higher numbers first, everything else last in the order of letters. */
function byVersionPriority(left: string, right: string): number {
  const rank = (version: string): readonly number[] => {
    const parts = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
    if (parts === null) return [0, 0, 0]
    const [, major = '0', stage, minor = '0'] = parts
    const stability = stage === undefined ? 3 : stage === 'beta' ? 2 : 1
    return [stability, Number.parseInt(major, 10), Number.parseInt(minor, 10)]
  }
  const [a, b] = [rank(left), rank(right)]
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0
    if (value !== other) return other - value
  }
  return left < right ? -1 : left > right ? 1 : 0
}
