import { KubeError, refusedHere } from './kube-error.ts'
import { quote } from './quote.ts'

/** Subresources this product touches. */
export type KubeSubresource = 'scale' | 'status' | 'eviction'

/** What a path of a Kubernetes API names. Without name: a collection. Without namespace: a cluster-wide one, or that of all namespaces. */
export interface KubeTarget {
  /** Absent or empty for the core group. */
  readonly group?: string | undefined
  readonly version: string
  /** In the plural, as in discovery: `deployments`. */
  readonly resource: string
  readonly namespace?: string | undefined
  readonly name?: string | undefined
  readonly subresource?: KubeSubresource | undefined
}

/** DNS label (RFC 1123): at most 63 characters. */
const label = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?'
const labelPattern = new RegExp(`^${label}$`)
/** DNS subdomain (RFC 1123): labels with dots between them; at most 253 characters, counted apart. */
const subdomainPattern = new RegExp(`^${label}(?:\\.${label})*$`)
const versionPattern = /^v[1-9][0-9]{0,3}(?:(?:alpha|beta)[1-9][0-9]{0,3})?$/

/**
 * The path of an object or collection, `/apis/apps/v1/namespaces/default/deployments/web`. Every segment is checked, so
 * that no name can lead to another place: nothing of it ever needs encoding. Throws `kube.invalid`, and nothing is sent.
 *
 * @example kubePath({ version: 'v1', resource: 'pods' }) // '/api/v1/pods'
 * @example kubePath({ group: 'apps', version: 'v1', namespace: 'a', resource: 'deployments', name: 'b' }) // '/apis/apps/v1/namespaces/a/deployments/b'
 */
export function kubePath(target: KubeTarget, clusterId = ''): string {
  const { group = '', version, resource, namespace, name, subresource } = target
  const root = kubeVersionPath(group, version, clusterId)
  check(clusterId, 'resource', resource, labelPattern.test(resource))
  if (namespace !== undefined) check(clusterId, 'namespace', namespace, labelPattern.test(namespace))
  if (name !== undefined) check(clusterId, 'name of an object', name, isSubdomain(name))
  if (subresource !== undefined) check(clusterId, 'subresource that may be used', subresource, isSubresource(subresource))
  if (subresource !== undefined && name === undefined)
    throw refusedHere(clusterId, '', `the subresource ${subresource} needs the name of an object`)
  return [
    root,
    ...(namespace === undefined ? [] : ['namespaces', namespace]),
    resource,
    ...(name === undefined ? [] : [name]),
    ...(subresource === undefined ? [] : [subresource]),
  ].join('/')
}

/** The path of one version of a group, where it says what it offers: `/apis/apps/v1`, `/api/v1`. Throws like kubePath. */
export function kubeVersionPath(group: string, version: string, clusterId = ''): string {
  check(clusterId, 'API group', group, group === '' || isSubdomain(group))
  check(clusterId, 'API version', version, versionPattern.test(version))
  return `${group === '' ? '/api' : `/apis/${group}`}/${version}`
}

function check(clusterId: string, what: string, value: string, fits: boolean): void {
  if (!fits) throw refusedHere(clusterId, '', `${quote(JSON.stringify(value))} is no ${what}`)
}

/** Reads a path back into what it names; refuses every one that kubePath would not have made. Throws `kube.invalid`. */
export function parseKubePath(path: string, clusterId = ''): KubeTarget {
  const target = targetOf(path)
  let again: string | undefined
  try {
    again = target === undefined ? undefined : kubePath(target, clusterId)
  } catch (error) {
    if (!(error instanceof KubeError)) throw error
  }
  if (target === undefined || again !== path)
    throw refusedHere(clusterId, path, 'this is no path of an object or collection; build it with kubePath')
  return target
}

function targetOf(path: string): KubeTarget | undefined {
  const [empty, root, ...segments] = path.split('/')
  if (empty !== '' || (root !== 'api' && root !== 'apis')) return undefined
  const group = root === 'apis' ? segments.shift() : ''
  const version = segments.shift()
  const namespaced = segments[0] === 'namespaces' && segments.length > 2 && !(segments.length === 3 && segments[2] === 'status')
  if (namespaced) segments.shift()
  const namespace = namespaced ? segments.shift() : undefined
  const [resource, name, subresource, ...rest] = segments
  if (group === undefined || version === undefined || resource === undefined || rest.length > 0) return undefined
  if (subresource !== undefined && !isSubresource(subresource)) return undefined
  return { group, version, resource, namespace, name, subresource }
}

function isSubdomain(text: string): boolean {
  return text.length <= 253 && subdomainPattern.test(text)
}

function isSubresource(text: string): text is KubeSubresource {
  return text === 'scale' || text === 'status' || text === 'eviction'
}
