import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import type { TcrLifecycleType } from '#infra/sandbox/tcr/state.ts'
import { interfering } from './interfering.ts'
import { clusterA, freely, hourMs, image, openStage, type SettingsInput, type Stage, saying, sentence } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage()
  for (let index = 1; index <= 4; index += 1) stage.push('shop/web', `v${index}`, 10 - index)
  stage.push('shop/api', 'v1', 2)
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('shop/web', 'v1') }))
})

afterEach(async () => {
  await stage.close()
})

type Wanted = 'none' | { type: TcrLifecycleType; value: number }

/** Everything is kept by us, so that only the registry's own clean-up is at stake. */
const settings = (lifecycle: SettingsInput['lifecycle'], more: SettingsInput = {}): SettingsInput =>
  freely({ last: 100 }, { lifecycle, ...more })

const forWeb = (policy: Wanted): SettingsInput => settings({ repositories: [{ name: 'shop/web', policy }] })

const present = () => {
  const policy = stage.repository('shop/web').lifecycle
  return policy === null ? undefined : { type: policy.type, value: policy.value }
}

const global = () => stage.world.tcr.globalLifecycles[stage.world.account.uin]

function setByHand(type: TcrLifecycleType, value: number, repo?: string): void {
  const policy = { type, value, createdAt: stage.now() }
  if (repo === undefined) stage.world.tcr.globalLifecycles[stage.world.account.uin] = policy
  else stage.repository(repo).lifecycle = policy
}

describe("the registry's own clean-up", () => {
  it('is set for a repository where nothing that has to stay would go, and then left', async () => {
    const wanted = { type: 'keep_last_nums', value: 4 } as const
    expect(saying(await stage.run(forWeb(wanted)), 'Applied')).toEqual(['Applied lifecycle-set'])
    expect(present()).toEqual(wanted)
    stage.pass(24 * hourMs)
    const next = await stage.run(forWeb(wanted))
    expect(saying(next, 'Applied')).toEqual([])
    expect(saying(next, 'NoChange')).toContain('NoChange lifecycle-in-place')
    expect(stage.tags('shop/web')).toHaveLength(4)
  })

  it('is set again when somebody has set another one by hand', async () => {
    const wanted = { type: 'keep_last_nums', value: 4 } as const
    for (let day = 0; day < 3; day += 1) {
      setByHand('keep_last_days', 300, 'shop/web')
      expect(saying(await stage.run(forWeb(wanted)), 'Applied'), `day ${day}`).toEqual(['Applied lifecycle-set'])
      stage.pass(24 * hourMs)
    }
    expect(present()).toEqual(wanted)
  })

  it('of all repositories is set, and taken away', async () => {
    await stage.run(settings({ global: { type: 'keep_last_days', value: 400 } }))
    expect(global()).toMatchObject({ type: 'keep_last_days', value: 400 })
    stage.pass(24 * hourMs)
    await stage.run(settings({ global: 'none' }))
    expect(global()).toBeUndefined()
  })

  it.for([
    ['a referenced image', { type: 'keep_last_nums', value: 3 }],
    ['a referenced image, by days', { type: 'keep_last_days', value: 8 }],
    ['a referenced image and all others', { type: 'keep_last_nums', value: 1 }],
  ] as const)('is refused when it would remove %s', async ([, wanted]) => {
    const report = await stage.run(forWeb(wanted))
    expect(saying(report, 'Held')).toEqual(['Held lifecycle-unsafe'])
    expect(sentence(report, 'lifecycle-unsafe')).toContain('shop/web:v1 (in use by')
    expect(present()).toBeUndefined()
    const all = await stage.run(settings({ global: wanted }), { fresh: true })
    expect(saying(all, 'Held')).toEqual(['Held lifecycle-unsafe'])
    expect(global()).toBeUndefined()
  })

  it('is refused when it would leave a repository empty', async () => {
    const report = await stage.run(settings({ global: { type: 'keep_last_days', value: 1 } }, {}), {})
    expect(sentence(report, 'lifecycle-unsafe')).toContain('shop/api:v1')
    expect(global()).toBeUndefined()
  })

  it('is refused while a cluster that uses the repository cannot be read', async () => {
    await stage.run(settings({ global: 'none' }))
    stage.pass(24 * hourMs)
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { clusterId: clusterA, pathIncludes: '/pods' } })
    const report = await stage.run(forWeb({ type: 'keep_last_nums', value: 3 }))
    expect(saying(report, 'Held')).toContain('Held lifecycle-unsafe')
    expect(present()).toBeUndefined()
  })

  it('is not set where the tags could not be read whole', async () => {
    stage.faults.add({ fault: { kind: 'lying-page', lie: 'skip-row' }, match: { action: 'DescribeImagePersonal' } })
    const report = await stage.run(settings({ global: { type: 'keep_last_nums', value: 50 } }))
    expect(saying(report, 'Held')).toContain('Held lifecycle-unknown')
    expect(global()).toBeUndefined()
  })

  it.for(['shop/web', undefined] as const)('that somebody set by hand and that is dangerous is reported and left (%s)', async (repo) => {
    setByHand('keep_last_nums', 2, repo)
    const report = await stage.run(settings({ repositories: [] }))
    expect(saying(report, 'Held')).toEqual(['Held lifecycle-dangerous'])
    expect(sentence(report, 'lifecycle-dangerous')).toContain('will remove 1 tag that has to stay, such as shop/web:v1')
    expect(stage.writes()).toEqual([])
  })

  it('is looked at even where the configuration says nothing about it', async () => {
    setByHand('keep_last_nums', 2, 'shop/web')
    const report = await stage.run(freely({ last: 100 }))
    expect(sentence(report, 'lifecycle-dangerous')).toContain('take it away, or configure it under lifecycle')
  })

  it('of a repository of its own is what counts there, and the one of all does not', async () => {
    setByHand('keep_last_nums', 2)
    setByHand('keep_last_nums', 50, 'shop/web')
    expect(saying(await stage.run(settings({ repositories: [] })), 'Held')).toEqual([])
  })

  it('of a repository is not taken away while the one of all, which counts then, would remove a referenced image', async () => {
    setByHand('keep_last_nums', 2)
    setByHand('keep_last_nums', 50, 'shop/web')
    const report = await stage.run(forWeb('none'))
    expect(saying(report, 'Held')).toEqual(['Held lifecycle-unsafe'])
    expect(sentence(report, 'lifecycle-unsafe')).toContain(
      'shop/web: without it the one of all repositories (keep the last 2 tags) would remove 1 tag that has to stay, such as shop/web:v1 (in use by',
    )
    expect(present()).toEqual({ type: 'keep_last_nums', value: 50 })
  })

  it('of a repository is taken away together with the one of all', async () => {
    setByHand('keep_last_nums', 2)
    setByHand('keep_last_nums', 50, 'shop/web')
    const both = settings({ global: 'none', repositories: [{ name: 'shop/web', policy: 'none' }] })
    await stage.run(both)
    stage.pass(24 * hourMs)
    await stage.run(both)
    expect([present(), global()]).toEqual([undefined, undefined])
  })

  it('of all repositories is not set while the own one of a repository goes away in which it would remove a referenced image', async () => {
    setByHand('keep_last_nums', 50, 'shop/web')
    const lifecycle = { global: { type: 'keep_last_nums', value: 2 }, repositories: [{ name: 'shop/web', policy: 'none' }] } as const
    const report = await stage.run(settings({ ...lifecycle, repositories: [...lifecycle.repositories] }))
    expect(saying(report, 'Held')).toEqual(['Held lifecycle-unsafe', 'Held lifecycle-unsafe'])
    expect([present(), global()]).toEqual([{ type: 'keep_last_nums', value: 50 }, undefined])
  })

  it('of all repositories waits until a repository that needs one of its own has it', async () => {
    const wanted = { type: 'keep_last_nums', value: 4 } as const
    const both = settings({ global: { type: 'keep_last_nums', value: 3 }, repositories: [{ name: 'shop/web', policy: wanted }] })
    expect(saying(await stage.run(both), 'Held', 'Applied')).toEqual(['Held lifecycle-unsafe', 'Applied lifecycle-set'])
    stage.pass(24 * hourMs)
    expect(saying(await stage.run(both), 'Held', 'Applied')).toEqual(['Applied lifecycle-set'])
    expect([present(), global()?.value]).toEqual([wanted, 3])
  })

  it('a dangerous one is taken away when it is configured away', async () => {
    setByHand('keep_last_nums', 2, 'shop/web')
    expect(saying(await stage.run(forWeb('none')), 'Applied')).toEqual(['Applied lifecycle-set'])
    expect(present()).toBeUndefined()
  })

  it('that somebody changes between plan and setting is left alone', async () => {
    let reads = 0
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (action !== 'DescribeImageLifecyclePersonal' || request.RepoName !== 'shop/web') return
        reads += 1
        if (reads === 2) setByHand('keep_last_nums', 77, 'shop/web')
      },
    })
    const report = await stage.run(forWeb({ type: 'keep_last_nums', value: 4 }), { cloud })
    expect(saying(report, 'Skipped')).toEqual(['Skipped world-changed'])
    expect(present()).toEqual({ type: 'keep_last_nums', value: 77 })
  })

  it.for([
    ['drop-after', 'Applied settled-applied'],
    ['drop-before', 'Held unknown-outcome'],
  ] as const)('whose answer is lost (%s) is settled by reading, and set once', async ([kind, said]) => {
    stage.faults.add({ fault: { kind }, match: { action: 'CreateImageLifecyclePersonal' }, count: 1 })
    const wanted = { type: 'keep_last_nums', value: 4 } as const
    expect(saying(await stage.run(forWeb(wanted)), 'Applied', 'Held')).toEqual([said])
    stage.pass(24 * hourMs)
    await stage.run(forWeb(wanted))
    expect(present()).toEqual(wanted)
    expect(stage.writes()).toEqual(['CreateImageLifecyclePersonal shop/web'])
  })

  describe('and the quarantine', () => {
    const bin = 'quarantine/bin'
    const quarantine = { repository: bin, days: 7 }
    const withBin = (policy: Wanted) => settings({ repositories: [{ name: bin, policy }] }, { quarantine })

    beforeEach(() => {
      stage.push(bin, 'copy', 3)
    })

    it('one that keeps the copies for their days is set', async () => {
      await stage.run(withBin({ type: 'keep_last_days', value: 8 }))
      expect(stage.repository(bin).lifecycle).toMatchObject({ type: 'keep_last_days', value: 8 })
    })

    it.for([
      { type: 'keep_last_days', value: 6 },
      { type: 'keep_last_nums', value: 500 },
    ] as const)('one that does not is refused: %o', async (policy) => {
      const report = await stage.run(withBin(policy))
      expect(sentence(report, 'lifecycle-unsafe')).toContain('copies of removed tags, kept there for 7 days')
      expect(stage.repository(bin).lifecycle).toBeNull()
    })

    it('one of all repositories is refused while the quarantine has none of its own', async () => {
      const report = await stage.run(settings({ global: { type: 'keep_last_nums', value: 100 } }, { quarantine }))
      expect(sentence(report, 'lifecycle-unsafe')).toContain(bin)
    })
  })
})
