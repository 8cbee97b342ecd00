import type { CreateImageLifecyclePersonal } from '#cloud/generated/tcr/create-image-lifecycle-personal.ts'
import type { DeleteImageLifecycleGlobalPersonal } from '#cloud/generated/tcr/delete-image-lifecycle-global-personal.ts'
import type { DeleteImageLifecyclePersonal } from '#cloud/generated/tcr/delete-image-lifecycle-personal.ts'
import type { DescribeImageLifecycleGlobalPersonal } from '#cloud/generated/tcr/describe-image-lifecycle-global-personal.ts'
import type { DescribeImageLifecyclePersonal } from '#cloud/generated/tcr/describe-image-lifecycle-personal.ts'
import type { ManageImageLifecycleGlobalPersonal } from '#cloud/generated/tcr/manage-image-lifecycle-global-personal.ts'
import type { AutoDelStrategyInfoResp } from '#cloud/generated/tcr/structures.ts'
import { PlatformFault, type Reducer } from '../reducer.ts'
import type { World } from '../world.ts'
import { dropTags } from './images.ts'
import { platformTime } from './platform-time.ts'
import { ownerOf, ownRepository } from './repositories.ts'
import { lookUp, type TcrLifecycle, type TcrLifecycleType, type TcrTag } from './state.ts'

const dayMs = 24 * 3600 * 1000

/**
 * The tags that a policy removes. `keep_last_nums` keeps the given number of latest pushes, `keep_last_days` what was
 * pushed within so many days. Blind, as the platform's own policies are: it asks neither who uses a tag nor whether any
 * is left.
 */
export function expiredTags(policy: TcrLifecycle, tags: { readonly [tag: string]: TcrTag }, now: number): string[] {
  const latestFirst = Object.entries(tags).sort(([, left], [, right]) => right.pushedAt - left.pushedAt || right.row - left.row)
  const expired =
    policy.type === 'keep_last_nums'
      ? latestFirst.slice(policy.value)
      : latestFirst.filter(([, { pushedAt }]) => now - pushedAt > policy.value * dayMs)
  return expired.map(([tag]) => tag)
}

/** Runs every policy over its repositories: a repository's own one, else its owner's global one. */
export function runLifecycles(world: World, now: number): void {
  for (const [repoName, repository] of Object.entries(world.tcr.repositories)) {
    const policy = repository.lifecycle ?? lookUp(world.tcr.globalLifecycles, ownerOf(world, repoName) ?? '')
    if (policy !== undefined) {
      dropTags(repository, expiredTags(policy, repository.tags, now), now)
    }
  }
}

/** Sets the repository's policy in place of the one it has. */
export const createImageLifecyclePersonal: Reducer<typeof CreateImageLifecyclePersonal> = (request, { world, now }) => {
  const repository = ownRepository(world, request.RepoName, 'InternalServerError.ErrUnauthorized')
  repository.lifecycle = policyOf(request, '', now)
  return {}
}

/** Takes the policy away; where there is none, nothing changes. */
export const deleteImageLifecyclePersonal: Reducer<typeof DeleteImageLifecyclePersonal> = (request, { world }) => {
  ownRepository(world, request.RepoName, 'ResourceNotFound.ErrNoRepo').lifecycle = null
  return {}
}

/** The repository's policy; none as well for a repository that is not there or not the account's. */
export const describeImageLifecyclePersonal: Reducer<typeof DescribeImageLifecyclePersonal> = (request, { world }) => {
  const isOwn = ownerOf(world, request.RepoName) === world.account.uin
  const policy = isOwn ? lookUp(world.tcr.repositories, request.RepoName)?.lifecycle : undefined
  return { Data: strategyOf(world, request.RepoName, policy ?? undefined, '') }
}

export const manageImageLifecycleGlobalPersonal: Reducer<typeof ManageImageLifecycleGlobalPersonal> = (request, { world, now }) => {
  world.tcr.globalLifecycles[world.account.uin] = policyOf(request, 'global_', now)
  return {}
}

export const deleteImageLifecycleGlobalPersonal: Reducer<typeof DeleteImageLifecycleGlobalPersonal> = (_request, { world }) => {
  delete world.tcr.globalLifecycles[world.account.uin]
  return {}
}

export const describeImageLifecycleGlobalPersonal: Reducer<typeof DescribeImageLifecycleGlobalPersonal> = (_request, { world }) => ({
  Data: strategyOf(world, '', lookUp(world.tcr.globalLifecycles, world.account.uin), 'global_'),
})

const lifecycleTypes: readonly TcrLifecycleType[] = ['keep_last_days', 'keep_last_nums']

function policyOf(request: { readonly Type: string; readonly Val: number | bigint }, prefix: '' | 'global_', now: number): TcrLifecycle {
  const type = lifecycleTypes.find((known) => request.Type === `${prefix}${known}`)
  if (type === undefined) {
    const known = lifecycleTypes.map((name) => `${prefix}${name}`).join(' or ')
    throw new PlatformFault('InvalidParameterValue', `Type is "${request.Type}"; it has to be ${known}.`)
  }
  if (request.Val < 1 || request.Val > 36_500) {
    throw new PlatformFault('InvalidParameterValue', `Val is ${request.Val}; a policy keeps at least 1 and at most 36500.`)
  }
  return { type, value: Number(request.Val), createdAt: now }
}

/** Written with `Val`, read back with `Value`: so the manual has it. */
function strategyOf(world: World, repoName: string, policy: TcrLifecycle | undefined, prefix: '' | 'global_'): AutoDelStrategyInfoResp {
  if (policy === undefined) {
    return { TotalCount: 0, StrategyInfo: null }
  }
  const strategy = {
    Username: world.account.uin,
    RepoName: repoName,
    Type: `${prefix}${policy.type}`,
    Value: policy.value,
    Valid: 1,
    CreationTime: platformTime(policy.createdAt),
  }
  return { TotalCount: 1, StrategyInfo: [strategy] }
}
