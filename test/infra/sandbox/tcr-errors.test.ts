import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allActions } from '#cloud/generated/all-actions.ts'
import { checkRequest } from '#infra/sandbox/check-request.ts'
import { createRandom, nextId } from '#infra/sandbox/random.ts'
import { PlatformFault } from '#infra/sandbox/reducer.ts'
import { newWorld } from '#infra/sandbox/seeds/new-world.ts'
import { reducerOf } from '#infra/sandbox/table.ts'
import { advanceTcr } from '#infra/sandbox/tcr/advance.ts'
import { pushImage } from '#infra/sandbox/tcr/images.ts'

/** The codes that any action may answer, whatever its own list says. */
const commonCodes = ['FailedOperation', 'InternalError', 'InvalidParameter', 'InvalidParameterValue', 'LimitExceeded', 'MissingParameter']
const moreCommonCodes = ['ResourceInUse', 'ResourceInsufficient', 'ResourceNotFound', 'ResourceUnavailable', 'UnauthorizedOperation']
const edgeCodes = ['UnknownParameter', 'UnsupportedOperation']

const catalog = JSON.parse(readFileSync(new URL('../../../infra/codegen/catalog.json', import.meta.url), 'utf8')) as {
  tcr: { actions: Record<string, { errors: string[] }> }
}

const names = ['a', 'b', 'team', 'library', '', 'UPPER', 'constructor']
const repos = ['a/x', 'a/x', 'a/x', 'a/y', 'b/x', 'team/open', 'team/shut', 'none/x', 'a', '']
const values: Record<string, fc.Arbitrary<unknown>> = {
  Namespace: fc.constantFrom(...names),
  RepoName: fc.constantFrom(...repos),
  RepoNames: fc.array(fc.constantFrom(...repos), { maxLength: 3 }),
  Tag: fc.constantFrom('1', '2', 'latest', '', '__proto__'),
  Tags: fc.array(fc.constantFrom('1', '2', 'latest'), { maxLength: 3 }),
  SrcImage: fc.constantFrom('a/x:1', 'a/x:2', 'team/open:1', 'team/shut:1', 'a/x', 'b', ''),
  DestImage: fc.constantFrom('a/x:2', 'a/z:1', 'b/x:latest', 'team/open:2', 'library/x:1', 'b'),
  Public: fc.constantFrom(0, 1, 2),
  Type: fc.constantFrom('keep_last_days', 'keep_last_nums', 'global_keep_last_days', 'global_keep_last_nums', 'all'),
  Val: fc.constantFrom(0, 1, 2, 2n ** 60n),
  Offset: fc.constantFrom(0, 1, -1),
  Limit: fc.constantFrom(0, 1, 500, -1),
  TriggerName: fc.constantFrom('t1', 't1', 't1', 't2', ''),
  NewTriggerName: fc.constantFrom('t1', 't4', ''),
  InvokeMethod: fc.constantFrom('all', 'all', 'all', 'taglist', 'regex', 'any'),
  InvokeExpr: fc.constantFrom('', '1', '^[0-9]', '('),
  WorkloadType: fc.constantFrom('Deployment', 'Deployment', 'CronJob', 'Pod'),
  ClusterRegion: fc.constantFrom(1, 16),
  Order: fc.constantFrom('asc', 'desc', 'up', ''),
  OrderBy: fc.constantFrom('invoke_time', 'repo_name', 'tag', ''),
  RegistryName: fc.constantFrom('payments', 'payments', 'lending', 'x'),
  RegistryType: fc.constantFrom('basic', 'huge'),
  RegistryId: fc.constantFrom('tcr-00000000', 'first'),
  RegistryIds: fc.array(fc.constantFrom('tcr-00000000', 'first'), { maxLength: 2 }),
  Registryids: fc.array(fc.constantFrom('tcr-00000000', 'first'), { maxLength: 2 }),
  Filters: fc.array(fc.record({ Name: fc.constantFrom('Status', 'Colour'), Values: fc.constant(['Running']) }), { maxLength: 2 }),
  AllRegion: fc.boolean(),
}

const step = fc.constantFrom(...Object.values(allActions.tcr ?? {})).chain((action) =>
  fc.record({
    action: fc.constant(action),
    minutes: fc.constantFrom(0, 1, 60, 60 * 24),
    request: fc.record(
      Object.fromEntries(Object.keys(action.input).map((name) => [name, values[name] ?? fc.constantFrom('web', 'default', '')])),
      { requiredKeys: Object.keys(action.input).filter((name) => action.input[name]?.required === true) },
    ),
  }),
)

function worldWithNeighbours(prepared: boolean) {
  const world = newWorld()
  if (prepared) {
    for (const [repo, tag] of [
      ['a/x', '1'],
      ['a/x', '2'],
      ['b/x', '1'],
    ] as const) {
      pushImage(world, { repo, tag }, 0)
    }
    world.tcr.favourites['100000000001'] = ['a/x', 'team/open']
    world.tcr.triggers.t1 = {
      owner: '100000000001',
      repoName: 'a/x',
      invokeMethod: 'all',
      invokeExpr: '1',
      clusterId: 'cls-none',
      namespace: 'default',
      workloadType: 'Deployment',
      workloadName: 'web',
      containerName: 'app',
      clusterRegion: 1,
      createdAt: 0,
      updatedAt: 0,
    }
    world.tcr.instances['tcr-first000'] = {
      owner: '100000000001',
      name: 'first',
      type: 'basic',
      createdAt: 0,
      runningAt: 1,
      status: 'Running',
    }
  }
  world.tcr.namespaces.team = { owner: '100000000002', createdAt: 0 }
  for (const name of ['team/open', 'team/shut']) {
    world.tcr.repositories[name] = {
      createdAt: 0,
      updatedAt: 0,
      public: name.endsWith('open'),
      description: '',
      pullCount: 0,
      foreignFavourites: 0,
      lifecycle: null,
      tags: {},
    }
  }
  Object.assign(world.tcr.limits, { namespace: 2, repo: 3, tag: 2, triggers: 2, instances: 2 })
  return world
}

test('property: an action refuses only with codes that its documentation or the common list has, a refusal changes nothing, and the state stays plain', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(step, { minLength: 5, maxLength: 80 }), async (prepared, steps) => {
      const world = worldWithNeighbours(prepared)
      const random = createRandom(1)
      let now = Date.parse('2026-03-01T02:00:00Z')
      for (const { action, request, minutes } of steps) {
        now += minutes * 60_000
        advanceTcr(world, now)
        const first = Object.keys(world.tcr.instances)[0] ?? 'first'
        const concrete = JSON.parse(
          JSON.stringify(request, (_, value) => (value === 'first' ? first : typeof value === 'bigint' ? 2 ** 50 : value)),
        )
        const before = JSON.stringify(world)
        const reduce = reducerOf('tcr', action.name)
        if (typeof reduce !== 'function') {
          throw new Error(`tcr.${action.name} is not modelled`)
        }
        try {
          const answer = await reduce(checkRequest(concrete, action.input), {
            world,
            now,
            region: '',
            random,
            id: (prefix) => nextId(world, 1, prefix),
          })
          expect(JSON.parse(JSON.stringify(answer))).toEqual(answer)
          if (action.effect === 'read') {
            expect(JSON.stringify(world)).toBe(before)
          }
          seen.add(action.name)
        } catch (error) {
          if (!(error instanceof PlatformFault)) {
            throw error
          }
          const documented = catalog.tcr.actions[action.name]?.errors ?? []
          expect([...documented, ...commonCodes, ...moreCommonCodes, ...edgeCodes], `${action.name} ${JSON.stringify(concrete)}`).toContain(
            error.code,
          )
          expect(JSON.stringify(world)).toBe(before)
          seen.add(error.code)
        }
        expect(JSON.parse(JSON.stringify(world))).toEqual(world)
      }
    }),
    { seed: 5, numRuns: 400 },
  )
  expect(Object.keys(allActions.tcr ?? {}).filter((name) => !seen.has(name))).toEqual([])
  expect([...seen].filter((name) => name.includes('.')).length).toBeGreaterThan(10)
})
