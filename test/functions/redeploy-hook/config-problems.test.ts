import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { configProblems } from '#functions/redeploy-hook/config-problems.ts'
import { Settings } from '#functions/redeploy-hook/event.ts'
import { refsOf } from '#functions/redeploy-hook/targets.ts'
import { refName } from '#functions/redeploy-hook/workload.ts'
import { config, rule } from './small-world.ts'

const problemsOf = async (rules: readonly object[], more: object = {}): Promise<readonly string[]> =>
  (await configProblems(config(rules, more))).map(({ path, text }) => `${path}: ${text}`)

describe('settings', () => {
  it('of nothing are complete, and do nothing', async () => {
    const settings = z.parse(Settings, {})
    expect(settings).toMatchObject({
      rules: [],
      sources: {},
      registry: { kind: 'tcr-personal' },
      poll: { every: 60_000 },
      reconcileEvery: 3_600_000,
    })
    expect(await configProblems({ clusters: [], settings })).toEqual([])
  })

  it.each([
    [{ tags: {} }, 'exactly one way'],
    [{ tags: { all: true, list: ['a'] } }, 'exactly one way'],
    [{ tags: { semver: 'newest' } }, 'no range of versions'],
    [{ repository: 'team/web', repositories: ['*'] }, 'either `repository` or `repositories`'],
    [{ repository: undefined }, 'either `repository` or `repositories`'],
    [{ targets: [] }, ''],
    [{ targets: [{ kind: 'Deploymnt', name: 'web' }] }, 'did you mean Deployment?'],
    [{ targets: [{ kind: 'Pod', name: 'web' }] }, 'no kind of workload'],
    [{ pinn: 'digest' }, ''],
  ])('with %j are refused', (more, words) => {
    const parsed = z.safeParse(Settings, { rules: [rule(more)] })
    expect(parsed.success).toBe(false)
    expect(JSON.stringify(parsed.error?.issues)).toContain(words)
  })

  it('take a kind in any case, and lengths of time with units', () => {
    const [first] = z.parse(Settings, {
      rules: [rule({ targets: [{ kind: 'Statefulset', name: 'web' }], rollout: { deadline: '90s' } })],
    }).rules
    expect(first).toMatchObject({ targets: [{ kind: 'StatefulSet', namespace: 'default' }], rollout: { deadline: 90_000, rollback: true } })
  })

  it('with two rules of one name are refused', () => {
    expect(JSON.stringify(z.safeParse(Settings, { rules: [rule(), rule()] }).error?.issues)).toContain('the same name')
  })
})

describe('what the schema cannot see', () => {
  it('nothing is wrong with a good configuration', async () => {
    const rules = [rule(), rule({ name: 'all', repository: 'team/api', targets: [{ kind: 'Deployment', name: 'api' }] })]
    expect(await problemsOf(rules, { triggers: { items: [] } })).toEqual([])
  })

  it.each([
    ['(a+', 'no regular expression'],
    ['(?=a)b', 'looks around'],
    ['team/web:1\\.0', 'needs a \\"/\\"'.replaceAll('\\', '')],
    ['v1 v2', 'needs a " "'],
  ])('the expression %s', async (regex, words) => {
    const [problem] = await problemsOf([rule({ tags: { regex } })])
    expect(problem).toContain('rules[0].tags.regex: web: ')
    expect(problem).toContain(words)
  })

  it.each(['v1\\.\\d+', '(team/)?v1', 'a|b/c', '[^/:]+', '.*', 'v\\d+(-rc\\.\\d+)?', '(?i)abc'])(
    'the expression %s is none',
    async (regex) => {
      expect(await problemsOf([rule({ tags: { regex } })])).toEqual([])
    },
  )

  it('globs, ranges and repositories that nothing can match', async () => {
    expect(await problemsOf([rule({ tags: { glob: ['web:*', '1.*'] } })])).toMatchObject([expect.stringContaining('rules[0].tags.glob[0]')])
    expect(await problemsOf([rule({ tags: { semver: '>2 <1' } })])).toMatchObject([expect.stringContaining('no version lies in ">2 <1"')])
    expect(await problemsOf([rule({ repository: 'ccr.ccs.tencentyun.com/team/web' })])).toMatchObject([
      expect.stringContaining('write "team/web"'),
    ])
  })

  it('clusters that are none, and rings without the target', async () => {
    expect(await problemsOf([rule({ targets: [{ kind: 'Deployment', name: 'web', cluster: 'onne' }] })])).toMatchObject([
      expect.stringContaining('rules[0].targets[0].cluster: "onne"'),
    ])
    const rings = [
      { name: 'a', clusters: ['cls-2', 'two'] },
      { name: 'b', clusters: ['cls-9'] },
    ]
    const texts = await problemsOf([rule({ rings })])
    expect(texts).toMatchObject([
      expect.stringContaining('rules[0].rings[0].clusters[1]: "two" is in two rings'),
      expect.stringContaining('rules[0].rings[1].clusters[0]: "cls-9"'),
      expect.stringContaining('rules[0].targets[0].cluster: "cls-1" is in none'),
    ])
  })

  it('rules that contradict each other, with both names, and one that has a target twice', async () => {
    const [problem, ...others] = await problemsOf([rule(), rule({ name: 'other', tags: { list: ['a'] } })])
    expect(others).toEqual([])
    expect(problem).toContain('rules[1].targets: the rules web and other are both for cls-1/default/Deployment/web')
    const named = (name: string, container: string) =>
      rule({ name, targets: [{ kind: 'Deployment', name: 'web', cluster: 'one', container }] })
    expect(await problemsOf([named('a', 'app'), named('b', 'side')])).toEqual([])
    expect(await problemsOf([named('a', 'app'), named('b', 'app')])).toHaveLength(1)
    const twice = rule({
      targets: [
        { kind: 'Deployment', name: 'web', cluster: 'one' },
        { kind: 'deployment', name: 'web', cluster: 'cls-1' },
      ],
    })
    expect(await problemsOf([twice])).toMatchObject([expect.stringContaining('twice')])
    const apart = rule({ name: 'api', repository: 'team/api' })
    expect(await problemsOf([rule(), apart])).toEqual([])
    expect(await problemsOf([rule(), rule({ name: 'any', repository: undefined, repositories: ['team/*'] })])).toHaveLength(1)
  })

  it('pins without digests, triggers of a registry without, triggers that do what a rule does', async () => {
    expect(await problemsOf([rule({ pin: 'digest' })], { contentIds: 'opaque' })).toMatchObject([expect.stringContaining('rules[0].pin')])
    const docker = { registry: { kind: 'docker', url: 'https://registry.example.com' }, triggers: {} }
    expect(await problemsOf([], docker)).toMatchObject([expect.stringContaining('hosts: '), expect.stringContaining('triggers: ')])
    const item = {
      name: 't',
      repository: 'team/web',
      tags: { all: true },
      cluster: 'one',
      kind: 'Deployment',
      workload: 'web',
      container: 'app',
    }
    expect(await problemsOf([rule()], { triggers: { items: [item] } })).toMatchObject([expect.stringContaining('triggers.items[0]')])
    const long = { ...item, workload: 'api', tags: { list: Array.from({ length: 60 }, (_, index) => `tag-${index}`) } }
    expect(await problemsOf([rule()], { triggers: { items: [long] } })).toMatchObject([expect.stringContaining('at most 256')])
  })

  it('deadlines and links that are over before anybody can do anything', async () => {
    const approval = { secret: 'env:APPROVAL', baseUrl: 'https://hooks.example.com', expires: '59s' }
    expect(await problemsOf([rule({ rollout: { deadline: '9s' } })], { approval })).toMatchObject([
      expect.stringContaining('rules[0].rollout.deadline: 9s is too short'),
      expect.stringContaining('approval.expires: 59s is too short'),
    ])
    expect(await problemsOf([rule({ rollout: { deadline: '10s' } })], { approval: { ...approval, expires: '1m' } })).toEqual([])
  })

  it('rules without clusters', async () => {
    const { settings } = config([rule({ targets: [{ kind: 'Deployment', name: 'web' }] })])
    expect(await configProblems({ clusters: [], settings })).toMatchObject([{ path: 'rules' }])
  })
})

describe('what has to be read', () => {
  const rules = [
    rule({ targets: [{ kind: 'Deployment', name: 'web' }] }),
    rule({ name: 'api', repository: 'team/api', targets: [{ kind: 'Deployment', name: 'api', cluster: 'two' }] }),
  ]

  it('for one repository are all workloads of its rules, and no others', () => {
    const names = refsOf(config(rules), ['team/web']).map(refName)
    expect(names).toEqual(['cls-1/default/Deployment/web', 'cls-2/default/Deployment/web', 'cls-3/default/Deployment/web'])
    expect(refsOf(config(rules), 'all')).toHaveLength(4)
    expect(refsOf(config(rules), ['team/none'])).toEqual([])
  })

  it('of a rule with rings are those in its rings', () => {
    const ringed = [rule({ targets: [{ kind: 'Deployment', name: 'web' }], rings: [{ name: 'a', clusters: ['two'] }] })]
    expect(refsOf(config(ringed), 'all').map(refName)).toEqual(['cls-2/default/Deployment/web'])
  })
})
