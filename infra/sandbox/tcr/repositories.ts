import type { BatchDeleteRepositoryPersonal } from '#cloud/generated/tcr/batch-delete-repository-personal.ts'
import type { CreateRepositoryPersonal } from '#cloud/generated/tcr/create-repository-personal.ts'
import type { DeleteRepositoryPersonal } from '#cloud/generated/tcr/delete-repository-personal.ts'
import type { DescribeFavorRepositoryPersonal } from '#cloud/generated/tcr/describe-favor-repository-personal.ts'
import type { DescribeRepositoryFilterPersonal } from '#cloud/generated/tcr/describe-repository-filter-personal.ts'
import type { DescribeRepositoryOwnerPersonal } from '#cloud/generated/tcr/describe-repository-owner-personal.ts'
import type { DescribeRepositoryPersonal } from '#cloud/generated/tcr/describe-repository-personal.ts'
import type { ModifyRepositoryAccessPersonal } from '#cloud/generated/tcr/modify-repository-access-personal.ts'
import type { ModifyRepositoryInfoPersonal } from '#cloud/generated/tcr/modify-repository-info-personal.ts'
import type { RepoInfo } from '#cloud/generated/tcr/structures.ts'
import type { ValidateRepositoryExistPersonal } from '#cloud/generated/tcr/validate-repository-exist-personal.ts'
import { PlatformFault, type Reducer } from '../reducer.ts'
import type { World } from '../world.ts'
import { parseRepoName } from './names.ts'
import { pageOf } from './page.ts'
import { platformTime } from './platform-time.ts'
import { lookUp, registryServer, type TcrRepository } from './state.ts'

/**
 * How an action refuses a repository of somebody else. Actions differ: some document a code of their own for it, the
 * others say that there is no such repository.
 */
export type ForeignCode =
  | 'InternalServerError.ErrUnauthorized'
  | 'InternalError.ErrUnauthorized'
  | 'InvalidParameter.ErrNSMismatch'
  | 'ResourceNotFound.ErrNoRepo'

/** The account's own repository. Throws PlatformFault ErrNoRepo when there is none, and `foreignCode` when it is another's. */
export function ownRepository(world: World, repoName: string, foreignCode: ForeignCode): TcrRepository {
  const repository = lookUp(world.tcr.repositories, repoName)
  const owner = ownerOf(world, repoName)
  if (owner !== undefined && owner !== world.account.uin) {
    throw new PlatformFault(foreignCode, `The namespace of "${repoName}" does not belong to the account ${world.account.uin}.`)
  }
  if (repository === undefined) {
    throw noRepository(repoName)
  }
  return repository
}

/** A repository that the account may read: its own, or a public one of anybody. Otherwise as `ownRepository`. */
export function readableRepository(world: World, repoName: string, foreignCode: ForeignCode): TcrRepository {
  const repository = lookUp(world.tcr.repositories, repoName)
  return repository?.public === true ? repository : ownRepository(world, repoName, foreignCode)
}

/** The account that the repository's namespace belongs to; undefined when there is no such namespace. */
export function ownerOf(world: World, repoName: string): string | undefined {
  const namespace = parseRepoName(repoName)?.namespace
  return namespace === undefined ? undefined : lookUp(world.tcr.namespaces, namespace)?.owner
}

function noRepository(repoName: string): PlatformFault {
  return new PlatformFault('ResourceNotFound.ErrNoRepo', `There is no repository "${repoName}".`)
}

/**
 * Makes an empty repository in one of the account's namespaces. Throws PlatformFault when the name is none, the namespace
 * is not the account's, the repository is there already or the account has as many as it may have.
 */
export function addRepository(
  world: World,
  repoName: string,
  now: number,
  properties: { readonly public?: boolean; readonly description?: string } = {},
): TcrRepository {
  if (parseRepoName(repoName) === undefined) {
    throw new PlatformFault(
      'InvalidParameter',
      `"${repoName}" is no name for a repository; it is namespace/name in lower-case letters, digits and separators.`,
    )
  }
  if (ownerOf(world, repoName) !== world.account.uin) {
    throw new PlatformFault(
      'InvalidParameter.ErrNSMismatch',
      `The namespace of "${repoName}" does not belong to the account ${world.account.uin}.`,
    )
  }
  if (lookUp(world.tcr.repositories, repoName) !== undefined) {
    throw new PlatformFault('InvalidParameter.ErrRepoExist', `The repository "${repoName}" exists already.`)
  }
  if (ownRepositories(world).length >= world.tcr.limits.repo) {
    throw new PlatformFault('LimitExceeded', `The account has ${world.tcr.limits.repo} repositories, as many as it may have.`)
  }
  const repository: TcrRepository = {
    createdAt: now,
    updatedAt: now,
    public: properties.public ?? false,
    description: properties.description ?? '',
    pullCount: 0,
    foreignFavourites: 0,
    lifecycle: null,
    tags: {},
  }
  world.tcr.repositories[repoName] = repository
  return repository
}

/** Removes a repository with its tags, its policy, its star and the triggers that waited for it. */
export function dropRepository(world: World, repoName: string): void {
  delete world.tcr.repositories[repoName]
  for (const [triggerName, trigger] of Object.entries(world.tcr.triggers)) {
    if (trigger.repoName === repoName) {
      delete world.tcr.triggers[triggerName]
    }
  }
  for (const stars of Object.values(world.tcr.favourites)) {
    const index = stars.indexOf(repoName)
    if (index !== -1) {
      stars.splice(index, 1)
    }
  }
}

/** The account's repositories: youngest first, then by name, an order that does not move while somebody pages through it. */
function ownRepositories(world: World): [string, TcrRepository][] {
  return Object.entries(world.tcr.repositories)
    .filter(([repoName]) => ownerOf(world, repoName) === world.account.uin)
    .sort(([leftName, left], [rightName, right]) => right.createdAt - left.createdAt || (leftName < rightName ? -1 : 1))
}

function starsOf(world: World): readonly string[] {
  return lookUp(world.tcr.favourites, world.account.uin) ?? []
}

function favourCount(world: World, repoName: string, repository: TcrRepository): number {
  return repository.foreignFavourites + (starsOf(world).includes(repoName) ? 1 : 0)
}

function repoInfoOf(world: World, repoName: string, repository: TcrRepository): RepoInfo {
  return {
    RepoName: repoName,
    RepoType: 'USER',
    TagCount: Object.keys(repository.tags).length,
    Public: repository.public ? 1 : 0,
    IsUserFavor: starsOf(world).includes(repoName),
    IsQcloudOfficial: false,
    FavorCount: favourCount(world, repoName, repository),
    PullCount: repository.pullCount,
    Description: repository.description,
    CreationTime: platformTime(repository.createdAt),
    UpdateTime: platformTime(repository.updatedAt),
  }
}

export const createRepositoryPersonal: Reducer<typeof CreateRepositoryPersonal> = (request, { world, now }) => {
  addRepository(world, request.RepoName, now, {
    public: flagOf(request.Public ?? 0),
    description: request.Description ?? '',
  })
  return {}
}

export const deleteRepositoryPersonal: Reducer<typeof DeleteRepositoryPersonal> = (request, { world }) => {
  ownRepository(world, request.RepoName, 'InternalServerError.ErrUnauthorized')
  dropRepository(world, request.RepoName)
  return {}
}

/** Deletes those that are there; a name that is not is passed over. One of another account refuses the whole batch. */
export const batchDeleteRepositoryPersonal: Reducer<typeof BatchDeleteRepositoryPersonal> = (request, { world }) => {
  const there = request.RepoNames.filter((repoName) => lookUp(world.tcr.repositories, repoName) !== undefined)
  for (const repoName of there) {
    ownRepository(world, repoName, 'InternalServerError.ErrUnauthorized')
  }
  for (const repoName of there) {
    dropRepository(world, repoName)
  }
  return {}
}

export const describeRepositoryPersonal: Reducer<typeof DescribeRepositoryPersonal> = (request, { world }) => {
  const repository = readableRepository(world, request.RepoName, 'ResourceNotFound.ErrNoRepo')
  return {
    Data: {
      RepoName: request.RepoName,
      RepoType: 'USER',
      Server: registryServer,
      CreationTime: platformTime(repository.createdAt),
      Description: repository.description,
      Public: repository.public ? 1 : 0,
      PullCount: repository.pullCount,
      FavorCount: favourCount(world, request.RepoName, repository),
      IsUserFavor: starsOf(world).includes(request.RepoName),
      IsQcloudOfficial: false,
    },
  }
}

export const describeRepositoryOwnerPersonal: Reducer<typeof DescribeRepositoryOwnerPersonal> = (request, { world }) => {
  const found = ownRepositories(world).filter(([repoName]) => repoName.includes(request.RepoName ?? ''))
  const rows = pageOf(found, request).map(([repoName, repository]) => repoInfoOf(world, repoName, repository))
  return { Data: { TotalCount: found.length, RepoInfo: rows, Server: registryServer } }
}

export const describeRepositoryFilterPersonal: Reducer<typeof DescribeRepositoryFilterPersonal> = (request, { world }) => {
  const isPublic = request.Public === undefined ? undefined : flagOf(request.Public)
  const found = ownRepositories(world).filter(
    ([repoName, repository]) =>
      repoName.includes(request.RepoName ?? '') &&
      (isPublic === undefined || repository.public === isPublic) &&
      (!request.Namespace || parseRepoName(repoName)?.namespace === request.Namespace),
  )
  const rows = pageOf(found, request).map(([repoName, repository]) => repoInfoOf(world, repoName, repository))
  return { Data: { TotalCount: found.length, RepoInfo: rows, Server: registryServer, PrivilegeFiltered: false } }
}

/** Lists the starred repositories whose name contains the text, in the order of starring. */
export const describeFavorRepositoryPersonal: Reducer<typeof DescribeFavorRepositoryPersonal> = (request, { world }) => {
  const found = starsOf(world).filter((repoName) => repoName.includes(request.RepoName))
  const rows = pageOf(found, request).flatMap((repoName) => {
    const repository = lookUp(world.tcr.repositories, repoName)
    return repository === undefined
      ? []
      : [
          {
            RepoName: repoName,
            RepoType: 'USER',
            PullCount: repository.pullCount,
            FavorCount: favourCount(world, repoName, repository),
            Public: repository.public ? 1 : 0,
            IsQcloudOfficial: false,
            TagCount: Object.keys(repository.tags).length,
            Logo: null,
            Region: 'ap-guangzhou',
            RegionId: 1,
          },
        ]
  })
  return { Data: { TotalCount: found.length, RepoInfo: found.length === 0 ? null : rows } }
}

export const modifyRepositoryAccessPersonal: Reducer<typeof ModifyRepositoryAccessPersonal> = (request, { world, now }) => {
  const repository = ownRepository(world, request.RepoName, 'InvalidParameter.ErrNSMismatch')
  repository.public = flagOf(request.Public)
  repository.updatedAt = now
  return {}
}

export const modifyRepositoryInfoPersonal: Reducer<typeof ModifyRepositoryInfoPersonal> = (request, { world, now }) => {
  const repository = ownRepository(world, request.RepoName, 'InvalidParameter.ErrNSMismatch')
  repository.description = request.Description
  repository.updatedAt = now
  return {}
}

export const validateRepositoryExistPersonal: Reducer<typeof ValidateRepositoryExistPersonal> = (request, { world }) => {
  if (ownerOf(world, request.RepoName) !== world.account.uin) {
    throw new PlatformFault(
      'InvalidParameter.ErrNSMismatch',
      `The namespace of "${request.RepoName}" does not belong to the account ${world.account.uin}.`,
    )
  }
  return { Data: { IsExist: lookUp(world.tcr.repositories, request.RepoName) !== undefined } }
}

/** 1 is public, 0 is private. Throws PlatformFault InvalidParameterValue for anything else. */
function flagOf(value: number | bigint): boolean {
  if (value !== 0 && value !== 1 && value !== 0n && value !== 1n) {
    throw new PlatformFault('InvalidParameterValue', `Public is ${value}; it has to be 0 (private) or 1 (public).`)
  }
  return Number(value) === 1
}
