import type { CreateNamespacePersonal } from '#cloud/generated/tcr/create-namespace-personal.ts'
import type { DeleteNamespacePersonal } from '#cloud/generated/tcr/delete-namespace-personal.ts'
import type { DescribeNamespacePersonal } from '#cloud/generated/tcr/describe-namespace-personal.ts'
import type { ValidateNamespaceExistPersonal } from '#cloud/generated/tcr/validate-namespace-exist-personal.ts'
import { PlatformFault, type Reducer } from '../reducer.ts'
import type { World } from '../world.ts'
import { isNamespaceName, isReservedNamespace, parseRepoName } from './names.ts'
import { pageOf } from './page.ts'
import { platformTime } from './platform-time.ts'
import { dropRepository } from './repositories.ts'
import { lookUp, type TcrNamespace } from './state.ts'
import { registeredUser } from './users.ts'

/**
 * Gives the account a namespace. Names are unique over all accounts. Throws PlatformFault when the name is no name, kept
 * by the platform or taken, or when the account has as many as it may have.
 */
export function addNamespace(world: World, name: string, now: number): void {
  if (!isNamespaceName(name)) {
    throw new PlatformFault(
      'InvalidParameter',
      `"${name}" is no name for a namespace; use lower-case letters, digits and single separators.`,
    )
  }
  if (isReservedNamespace(name)) {
    throw new PlatformFault('InvalidParameter.ErrNamespaceReserved', `The namespace "${name}" is reserved.`)
  }
  if (lookUp(world.tcr.namespaces, name) !== undefined) {
    throw new PlatformFault('InvalidParameter.ErrNamespaceExist', `The namespace "${name}" exists already.`)
  }
  if (ownNamespaces(world).length >= world.tcr.limits.namespace) {
    throw new PlatformFault(
      'LimitExceeded.ErrNamespaceMaxLimit',
      `The account has ${world.tcr.limits.namespace} namespaces, as many as it may have.`,
    )
  }
  world.tcr.namespaces[name] = { owner: world.account.uin, createdAt: now }
}

function ownNamespaces(world: World): [string, TcrNamespace][] {
  return Object.entries(world.tcr.namespaces).filter(([, { owner }]) => owner === world.account.uin)
}

export const createNamespacePersonal: Reducer<typeof CreateNamespacePersonal> = (request, { world, now }) => {
  registeredUser(world)
  addNamespace(world, request.Namespace, now)
  return {}
}

/** Deletes the namespace with everything in it, as the platform does. */
export const deleteNamespacePersonal: Reducer<typeof DeleteNamespacePersonal> = (request, { world }) => {
  registeredUser(world)
  const namespace = lookUp(world.tcr.namespaces, request.Namespace)
  if (namespace === undefined) {
    throw new PlatformFault('ResourceNotFound.ErrNoNamespace', `There is no namespace "${request.Namespace}".`)
  }
  if (namespace.owner !== world.account.uin) {
    throw new PlatformFault('InternalServerError.ErrUnauthorized', `The namespace "${request.Namespace}" belongs to another account.`)
  }
  for (const repoName of reposOf(world, request.Namespace)) {
    dropRepository(world, repoName)
  }
  delete world.tcr.namespaces[request.Namespace]
  return {}
}

function reposOf(world: World, namespace: string): string[] {
  return Object.keys(world.tcr.repositories).filter((repoName) => parseRepoName(repoName)?.namespace === namespace)
}

/** Lists the account's namespaces whose name contains the text, by name. */
export const describeNamespacePersonal: Reducer<typeof DescribeNamespacePersonal> = (request, { world }) => {
  registeredUser(world)
  const found = ownNamespaces(world)
    .filter(([name]) => name.includes(request.Namespace))
    .sort(([left], [right]) => (left < right ? -1 : 1))
  const rows = pageOf(found, request).map(([Namespace, { createdAt }]) => ({
    Namespace,
    CreationTime: platformTime(createdAt),
    RepoCount: reposOf(world, Namespace).length,
  }))
  return { Data: { NamespaceCount: found.length, NamespaceInfo: rows } }
}

export const validateNamespaceExistPersonal: Reducer<typeof ValidateNamespaceExistPersonal> = (request, { world }) => ({
  Data: {
    IsExist: lookUp(world.tcr.namespaces, request.Namespace) !== undefined,
    IsPreserved: isReservedNamespace(request.Namespace),
  },
})
