import { minorOf } from './version.ts'

/** One version in which a kind is served, and by which minor versions of the server (`until` is the first without it). */
export interface ServedVersion {
  readonly version: string
  readonly since?: number
  readonly until?: number
}

/** What the sandbox knows about one kind of object. Custom kinds get the same facts from their definition. */
export interface KindFacts {
  /** Empty for the core group. */
  readonly group: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  /** In the order of discovery; the first that the server serves is the preferred one. */
  readonly versions: readonly ServedVersion[]
  /** The `apiVersion` the state keeps it in. */
  readonly storedAs: string
  /** Its structure in schema.json; absent for custom kinds. */
  readonly structure?: string
  readonly status: boolean
  readonly scale: boolean
  /** Whether a PUT without `resourceVersion` is accepted. */
  readonly unconditionalUpdate: boolean
  /** Whether a PUT to a name that does not exist creates it. */
  readonly createOnUpdate: boolean
  /** Whether DELETE answers the object rather than a Status. */
  readonly returnsDeleted: boolean
  /** Whether `metadata.generation` counts changes of the spec. */
  readonly generation: boolean
  readonly deleteCollection: boolean
}

type Variation = Partial<Omit<KindFacts, 'group' | 'plural' | 'kind' | 'versions' | 'structure'>>

function fact(structure: string, group: string, plural: string, versions: readonly ServedVersion[], variation: Variation = {}): KindFacts {
  const first = versions[0]?.version ?? 'v1'
  return {
    group,
    plural,
    kind: structure.slice(structure.indexOf('.') + 1),
    namespaced: true,
    versions,
    storedAs: group === '' ? first : `${group}/${first}`,
    structure,
    status: true,
    scale: false,
    unconditionalUpdate: true,
    createOnUpdate: false,
    returnsDeleted: false,
    generation: false,
    deleteCollection: true,
    ...variation,
  }
}

const v1 = [{ version: 'v1' }] as const
const all = { categories: ['all'] }

/** Every built-in kind of the sandbox, in the order of discovery. */
export const builtInKinds: readonly KindFacts[] = [
  fact('core/v1.ConfigMap', '', 'configmaps', v1, { shortNames: ['cm'], status: false }),
  fact('core/v1.Event', '', 'events', v1, { shortNames: ['ev'], status: false, createOnUpdate: true }),
  fact('core/v1.Namespace', '', 'namespaces', v1, {
    namespaced: false,
    shortNames: ['ns'],
    returnsDeleted: true,
    deleteCollection: false,
  }),
  fact('core/v1.Node', '', 'nodes', v1, { namespaced: false, shortNames: ['no'] }),
  fact('core/v1.PersistentVolumeClaim', '', 'persistentvolumeclaims', v1, { shortNames: ['pvc'], returnsDeleted: true }),
  fact('core/v1.Pod', '', 'pods', v1, { shortNames: ['po'], ...all, returnsDeleted: true }),
  fact('core/v1.Secret', '', 'secrets', v1, { status: false }),
  fact('core/v1.ServiceAccount', '', 'serviceaccounts', v1, {
    shortNames: ['sa'],
    status: false,
    returnsDeleted: true,
    unconditionalUpdate: false,
  }),
  fact('core/v1.Service', '', 'services', v1, {
    shortNames: ['svc'],
    ...all,
    createOnUpdate: true,
    deleteCollection: false,
  }),
  fact('apps/v1.ControllerRevision', 'apps', 'controllerrevisions', v1, { status: false }),
  fact('apps/v1.DaemonSet', 'apps', 'daemonsets', v1, { shortNames: ['ds'], ...all, generation: true }),
  fact('apps/v1.Deployment', 'apps', 'deployments', v1, { shortNames: ['deploy'], ...all, generation: true, scale: true }),
  fact('apps/v1.ReplicaSet', 'apps', 'replicasets', v1, { shortNames: ['rs'], ...all, generation: true, scale: true }),
  fact('apps/v1.StatefulSet', 'apps', 'statefulsets', v1, { shortNames: ['sts'], ...all, generation: true, scale: true }),
  fact(
    'autoscaling/v2beta2.HorizontalPodAutoscaler',
    'autoscaling',
    'horizontalpodautoscalers',
    [{ version: 'v2', since: 23 }, { version: 'v1' }, { version: 'v2beta2', since: 12, until: 26 }],
    { shortNames: ['hpa'], ...all, storedAs: 'autoscaling/v2beta2' },
  ),
  fact(
    'batch/v1beta1.CronJob',
    'batch',
    'cronjobs',
    [
      { version: 'v1', since: 21 },
      { version: 'v1beta1', until: 25 },
    ],
    {
      shortNames: ['cj'],
      ...all,
    },
  ),
  fact('batch/v1.Job', 'batch', 'jobs', v1, all),
  fact('coordination/v1.Lease', 'coordination.k8s.io', 'leases', [{ version: 'v1', since: 14 }], {
    status: false,
    unconditionalUpdate: false,
    createOnUpdate: true,
  }),
  fact(
    'policy/v1beta1.PodDisruptionBudget',
    'policy',
    'poddisruptionbudgets',
    [
      { version: 'v1', since: 21 },
      { version: 'v1beta1', until: 25 },
    ],
    { shortNames: ['pdb'], unconditionalUpdate: false, generation: true },
  ),
  fact('apiextensions/v1.CustomResourceDefinition', 'apiextensions.k8s.io', 'customresourcedefinitions', [{ version: 'v1', since: 16 }], {
    namespaced: false,
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    unconditionalUpdate: false,
    generation: true,
  }),
]

const byResource = new Map(builtInKinds.map((facts) => [resourceKey(facts.group, facts.plural), facts]))
const byGroupKind = new Map(builtInKinds.map((facts) => [resourceKey(facts.group, facts.kind), facts]))

/** How the state names a kind: `apps/deployments`, `/pods`. */
export function resourceKey(group: string, plural: string): string {
  return `${group}/${plural}`
}

export function builtInResource(group: string, plural: string): KindFacts | undefined {
  return byResource.get(resourceKey(group, plural))
}

export function builtInKind(group: string, kind: string): KindFacts | undefined {
  return byGroupKind.get(resourceKey(group, kind))
}

/** The facts of a kind that the table certainly has. Throws on a misspelt one. */
export function knownKind(group: string, kind: string): KindFacts {
  const facts = builtInKind(group, kind)
  if (facts === undefined) throw new Error(`kinds.ts has no ${kind} in group "${group}"`)
  return facts
}

/** The versions of a kind that a server of this version serves, preferred first. */
export function servedVersions(facts: KindFacts, serverVersion: string): readonly string[] {
  const minor = minorOf(serverVersion)
  return facts.versions
    .filter(({ since, until }) => (since === undefined || minor >= since) && (until === undefined || minor < until))
    .map(({ version }) => version)
}

/** Splits `apps/v1` into group and version; the core group is empty. */
export function groupOf(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? { group: '', version: apiVersion } : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) }
}

/** Joins group and version as objects carry them. */
export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`
}
