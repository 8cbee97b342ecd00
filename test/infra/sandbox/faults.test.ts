import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import { DescribeRepositoryPersonal } from '#cloud/generated/tcr/describe-repository-personal.ts'
import { createFaultSwitches, type FaultSubject, lie, storm, stormFaults } from '#infra/sandbox/faults.ts'

const subject: FaultSubject = { service: 'tcr', action: 'DescribeImagePersonal', effect: 'read', paged: true, kubernetes: false }
const forward: FaultSubject = {
  service: 'tke',
  action: 'ForwardRequest',
  effect: 'write',
  clusterId: 'cls-a',
  path: '/apis/apps/v1/namespaces/default/deployments/web',
  paged: false,
  kubernetes: true,
}

test('fires on fitting calls only, as often as told, after as many as told, and lists what was fired', () => {
  const switches = createFaultSwitches(1)
  const id = switches.add({ fault: { kind: 'drop-after' }, match: { action: 'DescribeImagePersonal' }, count: 2, after: 1 })
  const other: FaultSubject = { ...subject, action: 'DescribeRepositoryPersonal' }
  const fired = [other, subject, other, subject, subject, subject].map((call, index) => switches.draw(call, index).length)
  expect(fired).toEqual([0, 0, 0, 1, 1, 0])
  expect(switches.fired).toEqual([
    { ruleId: id, kind: 'drop-after', service: 'tcr', action: 'DescribeImagePersonal', at: 3 },
    { ruleId: id, kind: 'drop-after', service: 'tcr', action: 'DescribeImagePersonal', at: 4 },
  ])
  expect(switches.rules).toMatchObject([{ id, firedCount: 2 }])
})

test('matches by service, effect, cluster and path together', () => {
  const cases: [Parameters<ReturnType<typeof createFaultSwitches>['add']>[0]['match'], FaultSubject, number][] = [
    [{ service: 'tcr' }, subject, 1],
    [{ service: 'tke' }, subject, 0],
    [{ effect: 'write' }, subject, 0],
    [{ effect: 'write' }, forward, 1],
    [{ clusterId: 'cls-a', pathIncludes: '/deployments/' }, forward, 1],
    [{ clusterId: 'cls-b', pathIncludes: '/deployments/' }, forward, 0],
    [{ pathIncludes: '/pods' }, forward, 0],
    [{ pathIncludes: '/pods' }, subject, 0],
    [undefined, subject, 1],
  ]
  for (const [match, call, expected] of cases) {
    const switches = createFaultSwitches(1)
    switches.add({ fault: { kind: 'throttle' }, ...(match === undefined ? {} : { match }) })
    expect(switches.draw(call, 0), JSON.stringify(match)).toHaveLength(expected)
  }
})

test('lets a page lie only where there is one, and RBAC refuse only on the way to a cluster', () => {
  const switches = createFaultSwitches(1)
  switches.add({ fault: { kind: 'lying-page', lie: 'skip-row' } })
  switches.add({ fault: { kind: 'rbac-403' } })
  expect(switches.draw(subject, 0).map(({ kind }) => kind)).toEqual(['lying-page'])
  expect(switches.draw(forward, 0).map(({ kind }) => kind)).toEqual(['rbac-403'])
  expect(switches.draw({ ...subject, paged: false }, 0)).toEqual([])
})

test('ends a call once, and adds waiting and a wrong clock to it', () => {
  const switches = createFaultSwitches(1)
  switches.add({ fault: { kind: 'latency', latencyMs: 5 } })
  switches.add({ fault: { kind: 'drop-before' }, count: 1 })
  switches.add({ fault: { kind: 'throttle' }, count: 1 })
  switches.add({ fault: { kind: 'clock-skew', skewMs: 9 } })
  expect(switches.draw(subject, 0).map(({ kind }) => kind)).toEqual(['latency', 'drop-before', 'clock-skew'])
  expect(switches.draw(subject, 0).map(({ kind }) => kind)).toEqual(['latency', 'throttle', 'clock-skew'])
  expect(switches.draw(subject, 0).map(({ kind }) => kind)).toEqual(['latency', 'clock-skew'])
})

test('is forgotten by number and as a whole', () => {
  const switches = createFaultSwitches(1)
  const id = switches.add({ fault: { kind: 'throttle' } })
  expect(switches.remove(id)).toBe(true)
  expect(switches.remove(id)).toBe(false)
  switches.add({ fault: { kind: 'throttle' } })
  switches.clear()
  expect(switches.draw(subject, 0)).toEqual([])
})

test('refuses a rule that makes no sense', () => {
  const switches = createFaultSwitches(1)
  expect(() => switches.add({ fault: { kind: 'throttle' }, probability: 1.5 })).toThrow(/probability/)
  expect(() => switches.add({ fault: { kind: 'throttle' }, count: -1 })).toThrow(/count/)
  expect(() => switches.add({ fault: { kind: 'throttle' }, after: 0.5 })).toThrow(/after/)
  expect(() => switches.add({ fault: JSON.parse('{"kind":"trottle"}') })).toThrow(/trottle.*Known: latency/)
})

test('property: the same seed fires the same faults, at about the chance it was told', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const runs = [0, 1].map(() => {
        const switches = createFaultSwitches(seed)
        switches.add({ fault: { kind: 'throttle' }, probability: 0.3 })
        return Array.from({ length: 500 }, (_, index) => switches.draw(subject, index).length)
      })
      expect(runs[0]).toEqual(runs[1])
      const hits = runs[0]!.reduce((sum, hit) => sum + hit, 0)
      expect(hits).toBeGreaterThan(100)
      expect(hits).toBeLessThan(200)
    }),
    { seed: 11, numRuns: 50 },
  )
})

test('a storm hits about the part of the calls it was told, with every kind, and repeats with its seed', () => {
  const run = (seed: number) => {
    const switches = createFaultSwitches(1)
    expect(storm(switches, { seed, probability: 0.4 })).toHaveLength(stormFaults.length)
    return Array.from({ length: 2000 }, (_, index) => switches.draw(subject, index)[0])
  }
  const drawn = run(5)
  const hits = drawn.filter((fault) => fault !== undefined)
  expect(hits.length).toBeGreaterThan(550)
  expect(hits.length).toBeLessThan(800)
  expect(new Set(hits.map((fault) => JSON.stringify(fault))).size).toBe(stormFaults.length)
  expect(run(5)).toEqual(drawn)
  expect(run(6)).not.toEqual(drawn)
})

test('a storm leaves alone what it is not for', () => {
  const switches = createFaultSwitches(1)
  storm(switches, { seed: 1, probability: 1, match: { effect: 'write' }, faults: [{ kind: 'throttle' }] })
  expect([switches.draw(subject, 0).length, switches.draw(forward, 0).length]).toEqual([0, 1])
})

test('tells each lie about a page once, in a copy', () => {
  const answer = { Data: { TagCount: 3, TagInfo: [{ TagName: 'a' }, { TagName: 'b' }, { TagName: 'c' }] } }
  const before = structuredClone(answer)
  const names = (lied: Record<string, unknown>) => JSON.stringify(lied)
  expect(names(lie(answer, DescribeImagePersonal, { kind: 'lying-page', lie: 'repeat-row' }))).toBe(
    '{"Data":{"TagCount":3,"TagInfo":[{"TagName":"a"},{"TagName":"b"},{"TagName":"a"}]}}',
  )
  expect(names(lie(answer, DescribeImagePersonal, { kind: 'lying-page', lie: 'skip-row' }))).toBe(
    '{"Data":{"TagCount":3,"TagInfo":[{"TagName":"a"},{"TagName":"c"}]}}',
  )
  expect(names(lie(answer, DescribeImagePersonal, { kind: 'lying-page', lie: 'wrong-total', by: -2 }))).toContain('"TagCount":1')
  expect(answer).toEqual(before)
  const empty = { Data: { TagCount: 0, TagInfo: null } }
  for (const kind of ['repeat-row', 'skip-row'] as const) {
    expect(lie(empty, DescribeImagePersonal, { kind: 'lying-page', lie: kind })).toEqual(empty)
    expect(lie({ Data: null }, DescribeImagePersonal, { kind: 'lying-page', lie: kind })).toEqual({ Data: null })
  }
  const single = { Data: { TagCount: 1, TagInfo: [{ TagName: 'a' }] } }
  expect(lie(single, DescribeImagePersonal, { kind: 'lying-page', lie: 'repeat-row' })).toEqual(single)
  expect(lie(single, DescribeRepositoryPersonal, { kind: 'lying-page', lie: 'skip-row' })).toEqual(single)
})
