import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { newWorld } from '#infra/sandbox/seeds/new-world.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { codeOf, must, refusalOf } from './sandbox-call.ts'

const start = Date.parse('2026-03-01T02:00:00Z')
const dayMs = 24 * 3600 * 1000

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ world: newWorld(), clock: createSandboxClock({ startMs: start, frozen: true }), rates: false })
})

afterEach(() => sandbox.close())

/** A namespace `team` that another account holds, with a private and a public repository. */
function addForeigners(): void {
  const { tcr } = sandbox.world
  tcr.namespaces.team = { owner: '100000000002', createdAt: start }
  for (const [name, isPublic] of [
    ['team/private', false],
    ['team/public', true],
  ] as const) {
    tcr.repositories[name] = {
      createdAt: start,
      updatedAt: start,
      public: isPublic,
      description: '',
      pullCount: 3,
      foreignFavourites: 2,
      lifecycle: null,
      tags: {},
    }
  }
}

async function tagsOf(repo: string): Promise<string[]> {
  const { Data } = await must(sandbox, 'DescribeImagePersonal', { RepoName: repo, Limit: 100 })
  return Data.TagInfo.map(({ TagName }) => TagName)
}

describe('users and quotas', () => {
  test('an account is unknown until it registers, and registers once', async () => {
    expect(await codeOf(sandbox, 'CreateNamespacePersonal', { Namespace: 'shop' })).toBe('ResourceNotFound.ErrNoUser')
    expect(await codeOf(sandbox, 'ModifyUserPasswordPersonal', { Password: 'p' })).toBe('ResourceNotFound.ErrNoUser')
    expect(await codeOf(sandbox, 'CreateUserPersonal', { Password: '' })).toBe('MissingParameter.MissingParameter')
    await must(sandbox, 'CreateUserPersonal', { Password: 'correct horse' })
    expect(await codeOf(sandbox, 'CreateUserPersonal', { Password: 'correct horse' })).toBe('InvalidParameter.ErrUserExist')
    const before = sandbox.world.tcr.users['100000000001']?.passwordHash
    await must(sandbox, 'ModifyUserPasswordPersonal', { Password: 'battery staple' })
    expect(sandbox.world.tcr.users['100000000001']?.passwordHash).not.toBe(before)
    expect(JSON.stringify(sandbox.world)).not.toContain('battery')
  })

  test('quotas are told and kept: namespaces, repositories, tags, triggers', async () => {
    Object.assign(sandbox.world.tcr.limits, { namespace: 2, repo: 2, tag: 2, triggers: 1 })
    await must(sandbox, 'CreateUserPersonal', { Password: 'p' })
    const { Data } = await must(sandbox, 'DescribeUserQuotaPersonal', {})
    expect(Data.LimitInfo).toEqual(
      Object.entries({ namespace: 2, repo: 2, tag: 2, triggers: 1 }).map(([Type, Value]) => ({ Username: '100000000001', Type, Value })),
    )
    for (const Namespace of ['a1', 'a2']) {
      await must(sandbox, 'CreateNamespacePersonal', { Namespace })
    }
    expect(await codeOf(sandbox, 'CreateNamespacePersonal', { Namespace: 'a3' })).toBe('LimitExceeded.ErrNamespaceMaxLimit')
    for (const RepoName of ['a1/x', 'a2/y']) {
      await must(sandbox, 'CreateRepositoryPersonal', { RepoName })
    }
    expect(await codeOf(sandbox, 'CreateRepositoryPersonal', { RepoName: 'a1/z' })).toBe('LimitExceeded')
    sandbox.push({ repo: 'a1/x', tag: '1' })
    sandbox.push({ repo: 'a1/x', tag: '2' })
    sandbox.push({ repo: 'a1/x', tag: '2' })
    expect(() => sandbox.push({ repo: 'a1/x', tag: '3' })).toThrow(/2 tags/)
    expect(await codeOf(sandbox, 'DuplicateImagePersonal', { SrcImage: 'a1/x:1', DestImage: 'a1/x:3' })).toBe('LimitExceeded')
    await must(sandbox, 'CreateApplicationTriggerPersonal', triggerFor('a1/x', 'one'))
    expect(await codeOf(sandbox, 'CreateApplicationTriggerPersonal', triggerFor('a1/x', 'two'))).toBe('LimitExceeded.ErrTriggerMaxLimit')
  })
})

describe('namespaces', () => {
  test('are unique over all accounts, may be reserved, and have to be names', async () => {
    addForeigners()
    await must(sandbox, 'CreateUserPersonal', { Password: 'p' })
    await must(sandbox, 'CreateNamespacePersonal', { Namespace: 'shop' })
    expect(await codeOf(sandbox, 'CreateNamespacePersonal', { Namespace: 'shop' })).toBe('InvalidParameter.ErrNamespaceExist')
    expect(await codeOf(sandbox, 'CreateNamespacePersonal', { Namespace: 'team' })).toBe('InvalidParameter.ErrNamespaceExist')
    expect(await codeOf(sandbox, 'CreateNamespacePersonal', { Namespace: 'library' })).toBe('InvalidParameter.ErrNamespaceReserved')
    for (const Namespace of ['', 'Shop', 'a/b', '-a', '__proto__', 'a'.repeat(65)]) {
      expect(await codeOf(sandbox, 'CreateNamespacePersonal', { Namespace }), Namespace).toBe('InvalidParameter')
    }
    const exists = async (Namespace: string) => (await must(sandbox, 'ValidateNamespaceExistPersonal', { Namespace })).Data
    expect(await exists('team')).toEqual({ IsExist: true, IsPreserved: false })
    expect(await exists('library')).toEqual({ IsExist: false, IsPreserved: true })
    expect(await exists('constructor')).toEqual({ IsExist: false, IsPreserved: false })
  })

  test('are listed by part of the name, own ones only, with their repositories counted and local times', async () => {
    addForeigners()
    for (const repo of ['shop-b/x', 'shop-a/x', 'shop-a/y', 'bank/x']) {
      sandbox.push({ repo, tag: 'latest' })
    }
    const { Data } = await must(sandbox, 'DescribeNamespacePersonal', { Namespace: 'shop', Limit: 1, Offset: 0 })
    expect(Data).toEqual({ NamespaceCount: 2, NamespaceInfo: [{ Namespace: 'shop-a', CreationTime: '2026-03-01 10:00:00', RepoCount: 2 }] })
    expect((await must(sandbox, 'DescribeNamespacePersonal', { Namespace: '', Limit: 20, Offset: 0 })).Data.NamespaceCount).toBe(3)
    expect(await codeOf(sandbox, 'DescribeNamespacePersonal', { Namespace: '' })).toBe('MissingParameter')
  })

  test("go with everything in them, and only when they are the account's own", async () => {
    addForeigners()
    sandbox.push({ repo: 'shop/x', tag: '1' })
    await must(sandbox, 'CreateApplicationTriggerPersonal', triggerFor('shop/x', 'deploy'))
    expect(await codeOf(sandbox, 'DeleteNamespacePersonal', { Namespace: 'team' })).toBe('InternalServerError.ErrUnauthorized')
    expect(await codeOf(sandbox, 'DeleteNamespacePersonal', { Namespace: 'nobody' })).toBe('ResourceNotFound.ErrNoNamespace')
    await must(sandbox, 'DeleteNamespacePersonal', { Namespace: 'shop' })
    expect(await codeOf(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/x' })).toBe('ResourceNotFound.ErrNoRepo')
    expect((await must(sandbox, 'DescribeApplicationTriggerPersonal', {})).Data.TotalCount).toBe(0)
  })
})

describe('repositories', () => {
  test('are created in own namespaces, changed, described and deleted', async () => {
    addForeigners()
    await must(sandbox, 'CreateUserPersonal', { Password: 'p' })
    await must(sandbox, 'CreateNamespacePersonal', { Namespace: 'shop' })
    await must(sandbox, 'CreateRepositoryPersonal', { RepoName: 'shop/web', Public: 1, Description: 'the shop' })
    expect(await codeOf(sandbox, 'CreateRepositoryPersonal', { RepoName: 'shop/web' })).toBe('InvalidParameter.ErrRepoExist')
    expect(await codeOf(sandbox, 'CreateRepositoryPersonal', { RepoName: 'team/web' })).toBe('InvalidParameter.ErrNSMismatch')
    expect(await codeOf(sandbox, 'CreateRepositoryPersonal', { RepoName: 'nobody/web' })).toBe('InvalidParameter.ErrNSMismatch')
    expect(await codeOf(sandbox, 'CreateRepositoryPersonal', { RepoName: 'web' })).toBe('InvalidParameter')
    expect(await codeOf(sandbox, 'CreateRepositoryPersonal', { RepoName: 'shop/other', Public: 2 })).toBe('InvalidParameterValue')
    sandbox.clock.move(3600_000)
    await must(sandbox, 'ModifyRepositoryAccessPersonal', { RepoName: 'shop/web', Public: 0 })
    await must(sandbox, 'ModifyRepositoryInfoPersonal', { RepoName: 'shop/web', Description: 'closed' })
    expect(await codeOf(sandbox, 'ModifyRepositoryInfoPersonal', { RepoName: 'team/public', Description: '' })).toBe(
      'InvalidParameter.ErrNSMismatch',
    )
    expect(await codeOf(sandbox, 'ModifyRepositoryAccessPersonal', { RepoName: 'shop/none', Public: 0 })).toBe('ResourceNotFound.ErrNoRepo')
    expect((await must(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'shop/web' })).Data).toEqual({
      RepoName: 'shop/web',
      RepoType: 'USER',
      Server: 'ccr.ccs.tencentyun.com',
      CreationTime: '2026-03-01 10:00:00',
      Description: 'closed',
      Public: 0,
      PullCount: 0,
      FavorCount: 0,
      IsUserFavor: false,
      IsQcloudOfficial: false,
    })
    expect((await must(sandbox, 'ValidateRepositoryExistPersonal', { RepoName: 'shop/web' })).Data).toEqual({ IsExist: true })
    expect((await must(sandbox, 'ValidateRepositoryExistPersonal', { RepoName: 'shop/none' })).Data).toEqual({ IsExist: false })
    expect(await codeOf(sandbox, 'ValidateRepositoryExistPersonal', { RepoName: 'team/public' })).toBe('InvalidParameter.ErrNSMismatch')
    await must(sandbox, 'DeleteRepositoryPersonal', { RepoName: 'shop/web' })
    expect(await codeOf(sandbox, 'DeleteRepositoryPersonal', { RepoName: 'shop/web' })).toBe('ResourceNotFound.ErrNoRepo')
    expect(await codeOf(sandbox, 'DeleteRepositoryPersonal', { RepoName: 'team/public' })).toBe('InternalServerError.ErrUnauthorized')
  })

  test('of others are seen when public, and hidden when private', async () => {
    addForeigners()
    expect((await must(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'team/public' })).Data.FavorCount).toBe(2)
    expect((await must(sandbox, 'DescribeImagePersonal', { RepoName: 'team/public' })).Data.TagCount).toBe(0)
    expect(await codeOf(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'team/private' })).toBe('ResourceNotFound.ErrNoRepo')
    expect(await codeOf(sandbox, 'DescribeImagePersonal', { RepoName: 'team/private' })).toBe('InternalError.ErrUnauthorized')
    expect(await codeOf(sandbox, 'DescribeImageFilterPersonal', { RepoName: 'team/private', Tag: 'x' })).toBe(
      'InternalError.ErrUnauthorized',
    )
    expect(await codeOf(sandbox, 'DeleteImagePersonal', { RepoName: 'team/public', Tag: 'x' })).toBe('InternalServerError.ErrUnauthorized')
    expect(await codeOf(sandbox, 'BatchDeleteImagePersonal', { RepoName: 'team/public', Tags: ['x'] })).toBe('ResourceNotFound.ErrNoRepo')
    expect((await must(sandbox, 'DescribeRepositoryOwnerPersonal', {})).Data.TotalCount).toBe(0)
  })

  test('are deleted in a batch as a whole or not at all, those that are gone passed over', async () => {
    addForeigners()
    sandbox.push({ repo: 'shop/a', tag: '1' })
    sandbox.push({ repo: 'shop/b', tag: '1' })
    expect(await codeOf(sandbox, 'BatchDeleteRepositoryPersonal', { RepoNames: ['shop/a', 'team/public'] })).toBe(
      'InternalServerError.ErrUnauthorized',
    )
    expect(Object.keys(sandbox.world.tcr.repositories)).toContain('shop/a')
    await must(sandbox, 'BatchDeleteRepositoryPersonal', { RepoNames: ['shop/a', 'shop/gone', 'shop/b'] })
    expect((await must(sandbox, 'DescribeRepositoryOwnerPersonal', {})).Data.TotalCount).toBe(0)
  })

  test('are listed and filtered, 20 unless told and never more than 100, with the total of all that fit', async () => {
    for (let index = 0; index < 130; index++) {
      sandbox.push({ repo: `${index % 2 === 0 ? 'shop' : 'bank'}/r${String(index).padStart(3, '0')}`, tag: '1' })
      sandbox.clock.move(1000)
    }
    const owner = async (request: object) => (await must(sandbox, 'DescribeRepositoryOwnerPersonal', request)).Data
    expect((await owner({})).RepoInfo).toHaveLength(20)
    expect((await owner({ Limit: 1000 })).RepoInfo).toHaveLength(100)
    const rest = await owner({ Limit: 100, Offset: 100 })
    expect([rest.RepoInfo.length, rest.TotalCount, rest.Server]).toEqual([30, 130, 'ccr.ccs.tencentyun.com'])
    expect((await owner({ Offset: 500 })).RepoInfo).toEqual([])
    const all = [...(await owner({ Limit: 100 })).RepoInfo, ...rest.RepoInfo].map(({ RepoName }) => RepoName)
    expect(new Set(all).size).toBe(130)
    expect(all[0]).toBe('bank/r129')
    expect((await owner({ RepoName: 'shop/r01' })).TotalCount).toBe(5)
    expect(await codeOf(sandbox, 'DescribeRepositoryOwnerPersonal', { Offset: -1 })).toBe('InvalidParameter')
    await must(sandbox, 'ModifyRepositoryAccessPersonal', { RepoName: 'shop/r000', Public: 1 })
    const filter = async (request: object) => (await must(sandbox, 'DescribeRepositoryFilterPersonal', request)).Data
    expect((await filter({ Namespace: 'shop' })).TotalCount).toBe(65)
    expect((await filter({ Public: 1 })).RepoInfo.map(({ RepoName, Public }) => [RepoName, Public])).toEqual([['shop/r000', 1]])
    expect((await filter({ Public: 0, RepoName: 'r00', Namespace: 'shop' })).TotalCount).toBe(4)
  })

  test('are starred: the list follows what is starred, filtered and paged', async () => {
    addForeigners()
    sandbox.push({ repo: 'shop/web', tag: '1' })
    const favourites = async (RepoName: string) =>
      (await must(sandbox, 'DescribeFavorRepositoryPersonal', { RepoName, Limit: 10, Offset: 0 })).Data
    expect(await favourites('')).toEqual({ TotalCount: 0, RepoInfo: null })
    sandbox.world.tcr.favourites['100000000001'] = ['team/public', 'shop/web']
    expect((await favourites('')).RepoInfo?.map(({ RepoName, FavorCount }) => [RepoName, FavorCount])).toEqual([
      ['team/public', 3],
      ['shop/web', 1],
    ])
    expect((await favourites('web')).TotalCount).toBe(1)
    expect((await must(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'shop/web' })).Data.IsUserFavor).toBe(true)
    await must(sandbox, 'DeleteRepositoryPersonal', { RepoName: 'shop/web' })
    expect((await favourites('')).TotalCount).toBe(1)
  })
})

describe('tags', () => {
  test('look as the manual shows them', async () => {
    sandbox.push({ repo: 'shop/web', tag: 'v1', content: 'one', sizeBytes: 12_345_678, builtAt: start - 3 * dayMs, author: 'ci' })
    sandbox.clock.move(90_000)
    const { Data } = await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' })
    expect(Data).toEqual({
      TagCount: 1,
      Server: 'ccr.ccs.tencentyun.com',
      RepoName: 'shop/web',
      TagInfo: [
        {
          TagName: 'v1',
          TagId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
          ImageId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
          Size: '12.3 MB',
          CreationTime: '2026-02-26 10:00:00',
          DurationDays: '3',
          Author: 'ci',
          Architecture: 'amd64',
          DockerVersion: '20.10.7',
          OS: 'linux',
          SizeByte: 12_345_678,
          Id: 1,
          UpdateTime: '2026-03-01 10:00:00',
          PushTime: '2026-03-01 10:00:00',
        },
      ],
    })
    expect(Data.TagInfo[0]?.TagId).not.toBe(Data.TagInfo[0]?.ImageId)
  })

  test('have equal ids exactly when their content is equal, and that is what the filter answers', async () => {
    sandbox.push({ repo: 'shop/web', tag: 'v1', content: 'one' })
    sandbox.push({ repo: 'shop/web', tag: 'latest', content: 'one' })
    sandbox.push({ repo: 'shop/web', tag: 'v2', content: 'two' })
    sandbox.push({ repo: 'shop/api', tag: 'v1', content: 'one' })
    const ids = async (repo: string) => {
      const { Data } = await must(sandbox, 'DescribeImagePersonal', { RepoName: repo })
      return Object.fromEntries(Data.TagInfo.map(({ TagName, TagId, ImageId }) => [TagName, `${TagId} ${ImageId}`]))
    }
    const web = await ids('shop/web')
    expect(web.v1).toBe(web.latest)
    expect(web.v1).not.toBe(web.v2)
    expect((await ids('shop/api')).v1).toBe(web.v1)
    const same = async (Tag: string) => (await must(sandbox, 'DescribeImageFilterPersonal', { RepoName: 'shop/web', Tag })).Data.SameImages
    expect(await same('v1')).toEqual(['v1', 'latest'])
    expect(await same('v2')).toEqual(['v2'])
    expect(await same('none')).toBeNull()
  })

  test('a new push of a tag moves it: another id, another push time, the same row', async () => {
    sandbox.push({ repo: 'shop/web', tag: 'latest' })
    const read = async () => (await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' })).Data.TagInfo[0]
    const before = await read()
    sandbox.clock.move(60_000)
    sandbox.push({ repo: 'shop/web', tag: 'latest' })
    const after = await read()
    expect(after?.TagId).not.toBe(before?.TagId)
    expect([before?.PushTime, after?.PushTime]).toEqual(['2026-03-01 10:00:00', '2026-03-01 10:01:00'])
    expect(after?.Id).toBe(before?.Id)
  })

  test('are listed latest push first, searched by part of the name, and counted over all pages', async () => {
    for (const tag of ['v1', 'v2', 'beta-1', 'v10']) {
      sandbox.push({ repo: 'shop/web', tag })
    }
    sandbox.clock.move(1000)
    sandbox.push({ repo: 'shop/web', tag: 'v1' })
    expect(await tagsOf('shop/web')).toEqual(['v1', 'v10', 'beta-1', 'v2'])
    const { Data } = await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web', Tag: 'v', Offset: 1, Limit: 1 })
    expect([Data.TagCount, Data.TagInfo.map(({ TagName }) => TagName)]).toEqual([3, ['v10']])
    expect(await codeOf(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/none' })).toBe('ResourceNotFound.ErrNoRepo')
  })

  test('of a large repository, whose order is kept between pages, are listed as they are after a push, a second push, and a removal', async () => {
    sandbox.world.tcr.limits.tag = 5000
    for (let index = 0; index < 1001; index += 1) sandbox.push({ repo: 'shop/web', tag: `b${index}` })
    const firstAndLast = async () => {
      const { Data } = await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web', Limit: 100 })
      const { Data: end } = await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web', Offset: Number(Data.TagCount) - 1 })
      return [Data.TagCount, Data.TagInfo[0]?.TagName, end.TagInfo[0]?.TagName]
    }
    expect(await firstAndLast()).toEqual([1001, 'b1000', 'b0'])
    sandbox.clock.move(1000)
    sandbox.push({ repo: 'shop/web', tag: 'b0' })
    expect(await firstAndLast()).toEqual([1001, 'b0', 'b1'])
    sandbox.push({ repo: 'shop/web', tag: 'new' })
    expect(await firstAndLast()).toEqual([1002, 'new', 'b1'])
    await must(sandbox, 'BatchDeleteImagePersonal', { RepoName: 'shop/web', Tags: ['new', 'b1'] })
    expect(await firstAndLast()).toEqual([1000, 'b0', 'b2'])
    await must(sandbox, 'DeleteRepositoryPersonal', { RepoName: 'shop/web' })
    sandbox.push({ repo: 'shop/web', tag: 'again' })
    expect(await firstAndLast()).toEqual([1, 'again', 'again'])
  })

  test('are deleted alone: a tag of equal content stays, one that is gone is no error, the answer says nothing', async () => {
    for (const tag of ['v1', 'stable', 'v2', 'v3']) {
      sandbox.push({ repo: 'shop/web', tag, content: tag === 'stable' ? 'v1' : tag })
    }
    const single = await must(sandbox, 'DeleteImagePersonal', { RepoName: 'shop/web', Tag: 'v1' })
    expect(Object.keys(single)).toEqual(['RequestId'])
    expect(await tagsOf('shop/web')).toEqual(['v3', 'v2', 'stable'])
    await must(sandbox, 'DeleteImagePersonal', { RepoName: 'shop/web', Tag: 'v1' })
    const batch = await must(sandbox, 'BatchDeleteImagePersonal', { RepoName: 'shop/web', Tags: ['v1', 'v3', 'never'] })
    expect(Object.keys(batch)).toEqual(['RequestId'])
    expect(await tagsOf('shop/web')).toEqual(['v2', 'stable'])
    expect(await codeOf(sandbox, 'BatchDeleteImagePersonal', { RepoName: 'shop/none', Tags: ['v1'] })).toBe('ResourceNotFound.ErrNoRepo')
  })

  test('are copied on the server with content and digest, as a push of now, into a repository that is made', async () => {
    addForeigners()
    sandbox.push({ repo: 'shop/web', tag: 'v1', content: 'one' })
    sandbox.clock.move(60_000)
    const { Data } = await must(sandbox, 'DuplicateImagePersonal', { SrcImage: 'shop/web:v1', DestImage: 'shop/quarantine:web-v1' })
    const copied = (await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/quarantine' })).Data.TagInfo[0]
    expect([copied?.TagId, copied?.PushTime]).toEqual([Data.Digest, '2026-03-01 10:01:00'])
    const copy = (SrcImage: string, DestImage: string) => codeOf(sandbox, 'DuplicateImagePersonal', { SrcImage, DestImage })
    expect(await copy('shop/web:none', 'shop/web:x')).toBe('ResourceNotFound.ErrNoTag')
    expect(await copy('team/private:x', 'shop/web:x')).toBe('ResourceNotFound.ErrNoTag')
    expect(await copy('shop/web:v1', 'team/public:x')).toBe('InvalidParameter.ErrNSMismatch')
    expect(await copy('shop/web:v1', 'nobody/web:x')).toBe('InvalidParameter.ErrNSMismatch')
    expect(await copy('shop/web:v1', 'shop')).toBe('InvalidParameter')
  })
})

describe('clean-up policies', () => {
  const policyOf = async (RepoName: string) => (await must(sandbox, 'DescribeImageLifecyclePersonal', { RepoName })).Data

  async function pushDaily(repo: string, days: number): Promise<void> {
    for (let day = 0; day < days; day++) {
      sandbox.push({ repo, tag: `d${day}` })
      sandbox.clock.move(dayMs)
    }
  }

  test('are written with Val and read back with Value, one per repository, replaced and taken away', async () => {
    addForeigners()
    sandbox.push({ repo: 'shop/web', tag: '1' })
    expect(await policyOf('shop/web')).toEqual({ TotalCount: 0, StrategyInfo: null })
    await must(sandbox, 'CreateImageLifecyclePersonal', { RepoName: 'shop/web', Type: 'keep_last_days', Val: 30 })
    await must(sandbox, 'CreateImageLifecyclePersonal', { RepoName: 'shop/web', Type: 'keep_last_nums', Val: 5 })
    expect(await policyOf('shop/web')).toEqual({
      TotalCount: 1,
      StrategyInfo: [
        { Username: '100000000001', RepoName: 'shop/web', Type: 'keep_last_nums', Value: 5, Valid: 1, CreationTime: '2026-03-01 10:00:00' },
      ],
    })
    const create = (request: object) => codeOf(sandbox, 'CreateImageLifecyclePersonal', request)
    expect(await create({ RepoName: 'shop/web', Type: 'global_keep_last_nums', Val: 5 })).toBe('InvalidParameterValue')
    expect(await create({ RepoName: 'shop/web', Type: 'keep_last_nums', Val: 0 })).toBe('InvalidParameterValue')
    expect(await create({ RepoName: 'team/public', Type: 'keep_last_nums', Val: 5 })).toBe('InternalServerError.ErrUnauthorized')
    expect(await create({ RepoName: 'shop/none', Type: 'keep_last_nums', Val: 5 })).toBe('ResourceNotFound.ErrNoRepo')
    await must(sandbox, 'DeleteImageLifecyclePersonal', { RepoName: 'shop/web' })
    await must(sandbox, 'DeleteImageLifecyclePersonal', { RepoName: 'shop/web' })
    expect(await policyOf('shop/web')).toEqual({ TotalCount: 0, StrategyInfo: null })
    expect(await policyOf('shop/none')).toEqual({ TotalCount: 0, StrategyInfo: null })
  })

  test('keep_last_nums keeps the latest pushes, and runs at the next local midnight, not before', async () => {
    await pushDaily('shop/web', 6)
    await must(sandbox, 'CreateImageLifecyclePersonal', { RepoName: 'shop/web', Type: 'keep_last_nums', Val: 2 })
    expect(await tagsOf('shop/web')).toHaveLength(6)
    const nextMidnight = Date.parse('2026-03-07T16:00:00Z')
    sandbox.clock.set(nextMidnight - 1)
    expect(await tagsOf('shop/web')).toHaveLength(6)
    sandbox.clock.set(nextMidnight)
    expect(await tagsOf('shop/web')).toEqual(['d5', 'd4'])
  })

  test('keep_last_days keeps what was pushed within the days, blind to whether anything is left', async () => {
    await pushDaily('shop/web', 6)
    await must(sandbox, 'CreateImageLifecyclePersonal', { RepoName: 'shop/web', Type: 'keep_last_days', Val: 3 })
    sandbox.clock.move(dayMs)
    expect(await tagsOf('shop/web')).toEqual(['d5', 'd4'])
    sandbox.clock.move(30 * dayMs)
    expect(await tagsOf('shop/web')).toEqual([])
  })

  test('the global one is for repositories that have none of their own', async () => {
    await pushDaily('shop/a', 4)
    await pushDaily('shop/b', 4)
    await must(sandbox, 'CreateImageLifecyclePersonal', { RepoName: 'shop/a', Type: 'keep_last_nums', Val: 3 })
    expect(await codeOf(sandbox, 'ManageImageLifecycleGlobalPersonal', { Type: 'keep_last_nums', Val: 1 })).toBe('InvalidParameterValue')
    await must(sandbox, 'ManageImageLifecycleGlobalPersonal', { Type: 'global_keep_last_nums', Val: 1 })
    const { Data } = await must(sandbox, 'DescribeImageLifecycleGlobalPersonal', {})
    expect(Data.StrategyInfo).toMatchObject([{ RepoName: '', Type: 'global_keep_last_nums', Value: 1 }])
    sandbox.clock.move(dayMs)
    expect([await tagsOf('shop/a'), await tagsOf('shop/b')]).toEqual([['d3', 'd2', 'd1'], ['d3']])
    await must(sandbox, 'DeleteImageLifecycleGlobalPersonal', {})
    expect((await must(sandbox, 'DescribeImageLifecycleGlobalPersonal', {})).Data).toEqual({ TotalCount: 0, StrategyInfo: null })
  })
})

function triggerFor(RepoName: string, TriggerName: string) {
  return {
    RepoName,
    TriggerName,
    InvokeMethod: 'all',
    ClusterId: 'cls-none',
    Namespace: 'default',
    WorkloadType: 'Deployment',
    WorkloadName: 'web',
    ContainerName: 'app',
    ClusterRegion: 1,
  }
}

describe('application triggers, as records', () => {
  beforeEach(() => {
    sandbox.push({ repo: 'shop/web', tag: '1' })
    sandbox.push({ repo: 'shop/api', tag: '1' })
  })

  test('are made, listed, changed, renamed and deleted', async () => {
    await must(sandbox, 'CreateApplicationTriggerPersonal', { ...triggerFor('shop/web', 'web-all') })
    sandbox.clock.move(1000)
    await must(sandbox, 'CreateApplicationTriggerPersonal', { ...triggerFor('shop/api', 'api-v'), InvokeMethod: 'regex', InvokeExpr: '^v' })
    expect(await codeOf(sandbox, 'CreateApplicationTriggerPersonal', triggerFor('shop/web', 'web-all'))).toBe(
      'InvalidParameter.ErrTriggerExist',
    )
    expect(await codeOf(sandbox, 'CreateApplicationTriggerPersonal', triggerFor('shop/none', 'x'))).toBe('ResourceNotFound.ErrNoRepo')
    const list = async (request: object) => (await must(sandbox, 'DescribeApplicationTriggerPersonal', request)).Data
    const all = await list({})
    expect(all.TriggerInfo.map(({ TriggerName }) => TriggerName)).toEqual(['api-v', 'web-all'])
    expect((await list({ RepoName: 'shop/web' })).TriggerInfo).toEqual([
      {
        TriggerName: 'web-all',
        InvokeSource: 'IMAGE_PUSH',
        InvokeAction: 'SERVICE_UPDATE',
        CreateTime: '2026-03-01 10:00:00',
        UpdateTime: '2026-03-01 10:00:00',
        InvokeCondition: { InvokeMethod: 'all', InvokeExpr: '' },
        InvokePara: {
          AppId: '1250000001',
          ClusterId: 'cls-none',
          Namespace: 'default',
          ServiceName: 'web',
          ContainerName: 'app',
          ClusterRegion: 1,
        },
      },
    ])
    expect((await list({ TriggerName: 'api-v', Limit: 1 })).TotalCount).toBe(1)
    await must(sandbox, 'ModifyApplicationTriggerPersonal', {
      TriggerName: 'web-all',
      NewTriggerName: 'web-list',
      InvokeMethod: 'taglist',
      InvokeExpr: 'stable',
    })
    const changed = (await list({ TriggerName: 'web-list' })).TriggerInfo[0]
    expect(changed?.InvokeCondition).toEqual({ InvokeMethod: 'taglist', InvokeExpr: 'stable' })
    expect([changed?.CreateTime, changed?.UpdateTime, changed?.InvokePara?.ServiceName]).toEqual([
      '2026-03-01 10:00:00',
      '2026-03-01 10:00:01',
      'web',
    ])
    const modify = (request: object) => codeOf(sandbox, 'ModifyApplicationTriggerPersonal', request)
    expect(await modify({ InvokeMethod: 'all' })).toBe('MissingParameter')
    expect(await modify({ TriggerName: 'web-all' })).toBe('ResourceNotFound')
    expect(await modify({ TriggerName: 'web-list', NewTriggerName: 'api-v' })).toBe('InvalidParameter')
    expect(await modify({ TriggerName: 'web-list', RepoName: 'shop/none' })).toBe('ResourceNotFound.ErrNoRepo')
    await must(sandbox, 'DeleteApplicationTriggerPersonal', { TriggerName: 'web-list' })
    expect(await codeOf(sandbox, 'DeleteApplicationTriggerPersonal', { TriggerName: 'web-list' })).toBe('ResourceNotFound.ErrNoTrigger')
  })

  test('are refused when their condition or workload is none', async () => {
    const create = (change: object) => refusalOf(sandbox, 'CreateApplicationTriggerPersonal', { ...triggerFor('shop/web', 'x'), ...change })
    expect(await create({ InvokeMethod: 'some' })).toMatchObject({
      Code: 'InvalidParameterValue',
      Message: expect.stringContaining('all, taglist, regex'),
    })
    expect(await create({ InvokeMethod: 'taglist' })).toMatchObject({ Code: 'MissingParameter' })
    expect(await create({ InvokeMethod: 'regex', InvokeExpr: '(' })).toMatchObject({ Code: 'InvalidParameterValue' })
    expect(await create({ WorkloadType: 'Pod' })).toMatchObject({ Code: 'InvalidParameterValue' })
    expect(await create({ TriggerName: '' })).toMatchObject({ Code: 'MissingParameter' })
    expect(sandbox.world.tcr.triggers).toEqual({})
  })

  test('fire on pushes that fit, each into the log with its result: here the cluster is gone', async () => {
    const conditions = { all: ['all', ''], list: ['taglist', 'stable, v2;v3'], regex: ['regex', '^v[0-9]+$'] } as const
    for (const [name, [InvokeMethod, InvokeExpr]] of Object.entries(conditions)) {
      await must(sandbox, 'CreateApplicationTriggerPersonal', { ...triggerFor('shop/web', name), InvokeMethod, InvokeExpr })
    }
    for (const tag of ['v2', 'stable', 'v2-rc']) {
      sandbox.clock.move(1000)
      sandbox.push({ repo: 'shop/web', tag })
    }
    sandbox.push({ repo: 'shop/api', tag: 'v2' })
    const log = async (request: object) => (await must(sandbox, 'DescribeApplicationTriggerLogPersonal', request)).Data
    const fired = await log({ Order: 'asc' })
    expect(fired.LogInfo?.map(({ TagName, TriggerName }) => `${TagName} ${TriggerName}`)).toEqual([
      'v2 all',
      'v2 list',
      'v2 regex',
      'stable all',
      'stable list',
      'v2-rc all',
    ])
    expect(fired.LogInfo?.[0]).toMatchObject({
      RepoName: 'shop/web',
      InvokeTime: '2026-03-01 10:00:01',
      InvokeSource: 'IMAGE_PUSH',
      InvokePara: { ClusterId: 'cls-none', ServiceName: 'web' },
      InvokeResult: { ReturnCode: 404, ReturnMsg: 'cluster cls-none not found' },
    })
    expect((await log({ Limit: 1 })).LogInfo?.[0]?.TagName).toBe('v2-rc')
    expect((await log({ OrderBy: 'trigger_name', Order: 'desc', Limit: 1 })).LogInfo?.[0]?.TriggerName).toBe('regex')
    expect(await log({ RepoName: 'shop/api' })).toEqual({ TotalCount: 0, LogInfo: null })
    expect(await codeOf(sandbox, 'DescribeApplicationTriggerLogPersonal', { RepoName: 'shop/none' })).toBe('ResourceNotFound.ErrNoRepo')
    expect(await codeOf(sandbox, 'DescribeApplicationTriggerLogPersonal', { Order: 'up' })).toBe('InvalidParameterValue')
    expect(await codeOf(sandbox, 'DescribeApplicationTriggerLogPersonal', { OrderBy: 'tag' })).toBe('InvalidParameterValue')
  })

  test('a pattern that backtracks without end holds nothing up, and does not match', async () => {
    await must(sandbox, 'CreateApplicationTriggerPersonal', {
      ...triggerFor('shop/web', 'evil'),
      InvokeMethod: 'regex',
      InvokeExpr: '^(a+)+$',
    })
    const startedAt = performance.now()
    sandbox.push({ repo: 'shop/web', tag: `${'a'.repeat(100)}-` })
    expect(performance.now() - startedAt).toBeLessThan(500)
    sandbox.push({ repo: 'shop/web', tag: 'aaa' })
    expect(sandbox.world.tcr.triggerLog.map(({ tag }) => tag)).toEqual(['aaa'])
  })

  test('fire on a copy on the server as well, since that is a push', async () => {
    await must(sandbox, 'CreateApplicationTriggerPersonal', triggerFor('shop/web', 'all'))
    await must(sandbox, 'DuplicateImagePersonal', { SrcImage: 'shop/api:1', DestImage: 'shop/web:promoted' })
    expect(sandbox.world.tcr.triggerLog.map(({ tag }) => tag)).toEqual(['promoted'])
  })
})

describe('enterprise instances', () => {
  test('are Pending, then Running after a while, and give a token only then', async () => {
    const { RegistryId } = await must(sandbox, 'CreateInstance', { RegistryName: 'payments', RegistryType: 'basic' })
    expect(RegistryId).toMatch(/^tcr-[a-z0-9]{8}$/)
    const status = async () => (await must(sandbox, 'DescribeInstanceStatus', { RegistryIds: [RegistryId] })).RegistryStatusSet[0]
    expect(await status()).toMatchObject({
      RegistryId,
      Status: 'Pending',
      Conditions: [{ Status: 'Creating' }, { Status: 'Waiting' }, { Status: 'Waiting' }],
    })
    expect(await codeOf(sandbox, 'CreateInstanceToken', { RegistryId })).toBe('UnsupportedOperation')
    sandbox.clock.move(60_000)
    expect(await status()).toMatchObject({
      Status: 'Pending',
      Conditions: [{ Status: 'Complete' }, { Status: 'Creating' }, { Status: 'Waiting' }],
    })
    sandbox.clock.move(60_000)
    expect(await status()).toMatchObject({
      Status: 'Running',
      Conditions: [{ Status: 'Complete' }, { Status: 'Complete' }, { Status: 'Complete' }],
    })
    const first = await must(sandbox, 'CreateInstanceToken', { RegistryId })
    const second = await must(sandbox, 'CreateInstanceToken', { RegistryId })
    expect(first.Token).not.toBe(second.Token)
    expect(first.ExpTime).toBe(start + 120_000 + 3600_000)
    expect(await codeOf(sandbox, 'CreateInstanceToken', { RegistryId: 'tcr-00000000' })).toBe('InvalidParameter')
    expect(await codeOf(sandbox, 'DescribeInstanceStatus', { RegistryIds: ['tcr-00000000'] })).toBe('InvalidParameter')
  })

  test('are refused for a taken name, an unknown type and a used-up quota', async () => {
    sandbox.world.tcr.limits.instances = 1
    await must(sandbox, 'CreateInstance', { RegistryName: 'payments', RegistryType: 'basic' })
    expect(await codeOf(sandbox, 'CreateInstance', { RegistryName: 'payments', RegistryType: 'basic' })).toBe('InternalError.ErrorConflict')
    expect(await codeOf(sandbox, 'CreateInstance', { RegistryName: 'lending', RegistryType: 'huge' })).toBe('InvalidParameter')
    expect(await codeOf(sandbox, 'CreateInstance', { RegistryName: 'P', RegistryType: 'basic' })).toBe('InvalidParameter')
    expect(await codeOf(sandbox, 'CreateInstance', { RegistryName: 'lending', RegistryType: 'basic' })).toBe('InternalError.ErrorOverLimit')
  })

  test('are listed by ids and filters: all filters, any value of one', async () => {
    const ids: string[] = []
    for (const [RegistryName, RegistryType] of [
      ['payments', 'basic'],
      ['lending', 'premium'],
      ['trading', 'premium'],
    ] as const) {
      ids.push((await must(sandbox, 'CreateInstance', { RegistryName, RegistryType })).RegistryId)
      sandbox.clock.move(50_000)
    }
    const names = async (request: object) =>
      (await must(sandbox, 'DescribeInstances', request)).Registries.map(({ RegistryName }) => RegistryName)
    expect(await names({})).toEqual(['payments', 'lending', 'trading'])
    expect(await names({ Registryids: [ids[2], 'tcr-00000000'] })).toEqual(['trading'])
    expect(await names({ Filters: [{ Name: 'RegistryType', Values: ['premium'] }] })).toEqual(['lending', 'trading'])
    expect(await names({ Filters: [{ Name: 'RegistryName', Values: ['payments', 'lending'] }] })).toEqual(['payments', 'lending'])
    const both = [
      { Name: 'RegistryType', Values: ['premium', 'basic'] },
      { Name: 'Status', Values: ['Running'] },
    ]
    expect(await names({ Filters: both })).toEqual(['payments'])
    expect(await names({ Offset: 1, Limit: 1 })).toEqual(['lending'])
    expect(await codeOf(sandbox, 'DescribeInstances', { Filters: [{ Name: 'Colour', Values: ['red'] }] })).toBe('InvalidParameter')
    expect((await must(sandbox, 'DescribeInstances', { Limit: 1, AllRegion: true })).Registries[0]).toEqual({
      RegistryId: ids[0],
      RegistryName: 'payments',
      RegistryType: 'basic',
      Status: 'Running',
      PublicDomain: 'payments.tencentcloudcr.com',
      CreatedAt: '2026-03-01T02:00:00Z',
      RegionName: 'ap-guangzhou',
      RegionId: 1,
      EnableAnonymous: false,
      TokenValidTime: 3600,
    })
  })
})
