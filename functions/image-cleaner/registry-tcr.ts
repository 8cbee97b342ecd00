import type { CloudReader, CloudWriter } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { BatchDeleteImagePersonal } from '#cloud/generated/tcr/batch-delete-image-personal.ts'
import { CreateImageLifecyclePersonal } from '#cloud/generated/tcr/create-image-lifecycle-personal.ts'
import { DeleteImageLifecycleGlobalPersonal } from '#cloud/generated/tcr/delete-image-lifecycle-global-personal.ts'
import { DeleteImageLifecyclePersonal } from '#cloud/generated/tcr/delete-image-lifecycle-personal.ts'
import { DescribeImageFilterPersonal } from '#cloud/generated/tcr/describe-image-filter-personal.ts'
import { DescribeImageLifecycleGlobalPersonal } from '#cloud/generated/tcr/describe-image-lifecycle-global-personal.ts'
import { DescribeImageLifecyclePersonal } from '#cloud/generated/tcr/describe-image-lifecycle-personal.ts'
import { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import { DescribeRepositoryOwnerPersonal } from '#cloud/generated/tcr/describe-repository-owner-personal.ts'
import { DuplicateImagePersonal } from '#cloud/generated/tcr/duplicate-image-personal.ts'
import { ManageImageLifecycleGlobalPersonal } from '#cloud/generated/tcr/manage-image-lifecycle-global-personal.ts'
import type { AutoDelStrategyInfo, RepoInfo, TagInfo } from '#cloud/generated/tcr/structures.ts'
import { pages } from '#cloud/pages.ts'
import { RegistryError } from '#cloud/registry-error.ts'
import { Turns } from '#cloud/turns.ts'
import { quote } from '#shared/pure/clip.ts'
import { parsePlatformTime } from '#shared/pure/platform-time.ts'
import { compareTexts } from './compare-texts.ts'
import type {
  ListedRepository,
  ListedTag,
  RegistryReader,
  RegistryWriter,
  ServerPolicy,
  ServerPolicyReader,
  ServerPolicyWriter,
} from './registry.ts'

const title = 'TCR Personal'

/** Calls of one list that are under way at a time: enough for the published 20 a second when an answer takes half a second. */
const callsAtOnce = 10

export interface TcrOptions {
  /** Zone of the times that the registry gives, which name none. */
  readonly timeZone: string
}

/** TCR Personal, for reading. */
export function tcrReader(cloud: CloudReader, { timeZone }: TcrOptions): RegistryReader & ServerPolicyReader {
  // Of the rate each repository gets as much as any other that is read at the same time, however many pages it has.
  const turns = new Turns(callsAtOnce)
  const readTags = async (repository: string, filter?: string, expected?: number): Promise<readonly ListedTag[]> => {
    const request = { RepoName: repository, ...(filter === undefined ? {} : { Tag: filter }) }
    const options = { ahead: callsAtOnce, expected, inTurn: <T>(call: () => Promise<T>) => turns.run(repository, call) }
    const rows = (await unlessGone(async () => await pages(cloud, DescribeImagePersonal, request, options))) ?? []
    return rows.map((row) => listedTag(row, repository, timeZone))
  }
  return {
    title,
    repositories: async () => {
      const rows = await pages(cloud, DescribeRepositoryOwnerPersonal, {}, { ahead: callsAtOnce })
      if (!rows.every(({ RepoName }) => typeof RepoName === 'string' && RepoName !== ''))
        throw new RegistryError('registry.bad-answer', `${title}: a repository in the list of all has no name; nothing is removed.`)
      return rows.map(listedRepository).toSorted((left, right) => compareTexts(left.name, right.name))
    },
    tags: (repository, expected) => readTags(repository, undefined, expected),
    // The filter matches anywhere in a name, so that of v1 may bring v1.0 and dev1, too.
    tag: async (repository, name) => (await readTags(repository, name)).find((tag) => tag.name === name),
    sameContent: async (repository, name) => {
      const found = await unlessGone(async () => await cloud.send(DescribeImageFilterPersonal, { RepoName: repository, Tag: name }))
      return found?.Data.SameImages ?? []
    },
    serverPolicy: async (repository) => {
      const { Data } =
        repository === undefined
          ? await cloud.send(DescribeImageLifecycleGlobalPersonal, {})
          : await cloud.send(DescribeImageLifecyclePersonal, { RepoName: repository })
      const [policy] = (Data.StrategyInfo ?? []).filter((one) => repository === undefined || one.RepoName === repository)
      return policy === undefined ? undefined : serverPolicyOf(policy)
    },
  }
}

/** TCR Personal, for reading and writing. */
export function tcrWriter(cloud: CloudWriter, options: TcrOptions): RegistryWriter & ServerPolicyWriter {
  return {
    ...tcrReader(cloud, options),
    remove: async (repository, names) => {
      const done = await unlessGone(async () => await cloud.send(BatchDeleteImagePersonal, { RepoName: repository, Tags: names }))
      return done === undefined ? { wasGone: true } : { requestId: done.RequestId }
    },
    copy: async (from, to) => {
      const { Data, RequestId } = await cloud.send(DuplicateImagePersonal, {
        SrcImage: `${from.repository}:${from.tag}`,
        DestImage: `${to.repository}:${to.tag}`,
      })
      return { digest: Data.Digest, requestId: RequestId }
    },
    setServerPolicy: async (policy, repository) => {
      const { RequestId } = await sendPolicy(cloud, policy, repository)
      return { requestId: RequestId }
    },
  }
}

/** What a call answers; undefined when the repository it is about is not there. Another refusal is thrown on. */
async function unlessGone<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof CloudError && (error.code === 'ResourceNotFound' || error.code === 'ResourceNotFound.ErrNoRepo')) return undefined
    throw error
  }
}

async function sendPolicy(
  cloud: CloudWriter,
  policy: ServerPolicy | undefined,
  repository: string | undefined,
): Promise<{ readonly RequestId: string }> {
  if (repository === undefined) {
    // The global types are spelt apart from those of a repository.
    if (policy === undefined) return await cloud.send(DeleteImageLifecycleGlobalPersonal, {})
    return await cloud.send(ManageImageLifecycleGlobalPersonal, { Type: `global_${policy.type}`, Val: policy.value })
  }
  if (policy === undefined) return await cloud.send(DeleteImageLifecyclePersonal, { RepoName: repository })
  return await cloud.send(CreateImageLifecyclePersonal, { RepoName: repository, Type: policy.type, Val: policy.value })
}

function serverPolicyOf({ Type, Value, RepoName }: AutoDelStrategyInfo): ServerPolicy {
  const type = Type.replace(/^global_/, '')
  if (type === 'keep_last_days' || type === 'keep_last_nums') return { type, value: Number(Value) }
  throw new RegistryError(
    'registry.bad-answer',
    `${title}: the clean-up policy of ${RepoName === '' ? 'all repositories' : RepoName} is of the type ${quote(Type)}, which nobody knows the meaning of; nothing is done about it.`,
  )
}

function listedRepository({ RepoName: name, TagCount }: RepoInfo): ListedRepository {
  const tags = Number(TagCount)
  return { name, ...(Number.isSafeInteger(tags) && tags >= 0 ? { tags } : {}) }
}

function listedTag(row: TagInfo, repository: string, timeZone: string): ListedTag {
  const { TagName: name, TagId: contentId, ImageId: imageId, SizeByte, PushTime } = row
  const refuse = (what: string): RegistryError =>
    new RegistryError(
      'registry.bad-answer',
      `${title}: the tag ${quote(String(name))} of ${repository} ${what}; nothing of the repository is removed.`,
    )
  if (typeof name !== 'string' || !/^\w[\w.-]{0,127}$/.test(name)) throw refuse('has a name that no tag can have')
  if (typeof contentId !== 'string' || contentId === '') throw refuse('has no TagId')
  const pushedMs = parsePlatformTime(PushTime, timeZone)
  if (pushedMs === undefined) throw refuse(`was pushed at ${quote(PushTime)}, which is no time such as "2026-10-01 08:00:00"`)
  return { name, contentId, ...(imageId === '' ? {} : { imageId }), sizeBytes: Number(SizeByte), pushedMs }
}
