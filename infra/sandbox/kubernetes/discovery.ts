import type { CustomKind } from './custom-kinds.ts'
import { customKinds, servedCustomVersion } from './custom-kinds.ts'
import type { JsonObject } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { apiVersionOf, builtInKinds, servedVersions } from './kinds.ts'
import type { KubernetesState } from './state.ts'
import { minorOf } from './version.ts'

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const customVerbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch']
const partVerbs = ['get', 'patch', 'update']

/** What `/version` answers. */
export function versionInfo(state: KubernetesState): JsonObject {
  return {
    major: '1',
    minor: String(minorOf(state.version)),
    gitVersion: `v${state.version}`,
    gitCommit: '0000000000000000000000000000000000000000',
    gitTreeState: 'clean',
    buildDate: '2021-01-01T00:00:00Z',
    goVersion: 'go1.15.8',
    compiler: 'gc',
    platform: 'linux/amd64',
  }
}

/** What `/api` answers: the versions of the core group. */
export function coreVersions(): JsonObject {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: '10.0.0.1:443' }] }
}

function groupInfo(name: string, versions: readonly string[]): JsonObject {
  const entries = versions.map((version) => ({ groupVersion: apiVersionOf(name, version), version }))
  const [preferred] = entries
  return { name, versions: entries, ...(preferred === undefined ? {} : { preferredVersion: { ...preferred } }) }
}

/** The versions a group serves, preferred first. */
export function groupVersions(state: KubernetesState, group: string): string[] {
  const builtIn = builtInKinds.filter((facts) => facts.group === group).flatMap((facts) => servedVersions(facts, state.version))
  const custom = customKinds(state)
    .filter((facts) => facts.group === group)
    .flatMap((facts) => facts.versions.map(({ version }) => version))
  const order = ['v2', 'v1', 'v2beta2', 'v1beta1']
  const rank = (version: string): number => (order.includes(version) ? order.indexOf(version) : order.length)
  return builtIn.length > 0 ? [...new Set(builtIn)].sort((left, right) => rank(left) - rank(right)) : [...new Set(custom)]
}

/** The built-in groups in the order in which the server lists them. */
const builtInGroups = ['apps', 'autoscaling', 'batch', 'policy', 'apiextensions.k8s.io', 'coordination.k8s.io']

/** Whether the server itself has a group, so that what is missing in it is a Status and not a page. */
export function isBuiltInGroup(group: string): boolean {
  return group === '' || builtInGroups.includes(group)
}

/** What `/apis` answers: every group with its versions. */
export function groupList(state: KubernetesState): JsonObject {
  const builtIn = builtInGroups
  const custom = [...new Set(customKinds(state).map(({ group }) => group))].sort()
  const groups = [...builtIn, ...custom.filter((group) => !builtIn.includes(group))]
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groups.flatMap((group) => {
      const versions = groupVersions(state, group)
      return versions.length === 0 ? [] : [groupInfo(group, versions)]
    }),
  }
}

/** What `/apis/<group>` answers; undefined when there is no such group. */
export function groupOfName(state: KubernetesState, group: string): JsonObject | undefined {
  const versions = group === '' ? [] : groupVersions(state, group)
  return versions.length === 0 ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupInfo(group, versions) }
}

/** What `/api/v1` and `/apis/<group>/<version>` answer; undefined when nothing is served there. */
export function resourceList(state: KubernetesState, group: string, version: string): JsonObject | undefined {
  const builtIn = builtInKinds.filter((facts) => facts.group === group && servedVersions(facts, state.version).includes(version))
  const custom = customKinds(state).filter((facts) => facts.group === group && servedCustomVersion(facts, version) !== undefined)
  if (builtIn.length + custom.length === 0) return undefined
  return {
    kind: 'APIResourceList',
    ...(group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: apiVersionOf(group, version),
    resources: [...builtIn.flatMap((facts) => builtInEntries(state, facts)), ...custom.flatMap((facts) => customEntries(facts, version))],
  }
}

function names(facts: KindFacts): JsonObject {
  return {
    ...(facts.shortNames === undefined ? {} : { shortNames: [...facts.shortNames] }),
    ...(facts.categories === undefined ? {} : { categories: [...facts.categories] }),
  }
}

function builtInEntries(state: KubernetesState, facts: KindFacts): JsonObject[] {
  const { plural, namespaced, kind } = facts
  const entry = (part: string, extra: JsonObject): JsonObject => ({
    name: part === '' ? plural : `${plural}/${part}`,
    singularName: '',
    namespaced,
    ...extra,
  })
  const entries = [
    entry('', { kind, verbs: facts.deleteCollection ? [...verbs] : verbs.filter((verb) => verb !== 'deletecollection'), ...names(facts) }),
  ]
  if (kind === 'Pod') {
    const version = minorOf(state.version) >= 22 ? 'v1' : 'v1beta1'
    entries.push(entry('eviction', { group: 'policy', version, kind: 'Eviction', verbs: ['create'] }))
  }
  if (facts.scale) entries.push(entry('scale', { group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: [...partVerbs] }))
  if (facts.status) entries.push(entry('status', { kind, verbs: [...partVerbs] }))
  return entries
}

function customEntries(facts: CustomKind, version: string): JsonObject[] {
  const { plural, namespaced, kind, definition } = facts
  const served = servedCustomVersion(facts, version)
  const part = (name: string, extra: JsonObject): JsonObject => ({ name: `${plural}/${name}`, singularName: '', namespaced, ...extra })
  return [
    {
      name: plural,
      singularName: definition.spec.names.singular ?? kind.toLowerCase(),
      namespaced,
      kind,
      verbs: [...customVerbs],
      ...names(facts),
    },
    ...(served?.subresources?.status === undefined ? [] : [part('status', { kind, verbs: [...partVerbs] })]),
    ...(served?.subresources?.scale === undefined
      ? []
      : [part('scale', { group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: [...partVerbs] })]),
  ]
}
