import type { ApiRequest } from './api-request.ts'
import { forbidden } from './kube-fault.ts'
import type { ResourcePath } from './request-path.ts'
import type { KubernetesState } from './state.ts'

/** What a request does, in the words of access rules. */
function verbOf(path: ResourcePath, method: string): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      return path.watch ? 'watch' : path.name === '' ? 'list' : 'get'
    case 'POST':
      return 'create'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return path.name === '' ? 'deletecollection' : 'delete'
    default:
      return method.toLowerCase()
  }
}

/** Refuses a request that one of the state's rules denies, in the words of the server's own access control. */
export function checkAccess(state: KubernetesState, user: string, path: ResourcePath, request: ApiRequest): void {
  const verb = verbOf(path, request.method)
  const resource = path.part === '' ? path.plural : `${path.plural}/${path.part}`
  const namespace = path.plural === 'namespaces' && path.name !== '' ? path.name : path.namespace
  const isDenied = state.rbac.deny.some(
    (rule) =>
      (rule.user === undefined || rule.user === user) &&
      (rule.verb === undefined || rule.verb === verb) &&
      (rule.group === undefined || rule.group === path.group) &&
      (rule.resource === undefined || rule.resource === resource) &&
      (rule.namespace === undefined || rule.namespace === namespace),
  )
  if (!isDenied) return
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
  const why = `User ${JSON.stringify(user)} cannot ${verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(path.group)} ${where}`
  throw forbidden({ group: path.group, plural: path.plural }, path.name, why)
}
