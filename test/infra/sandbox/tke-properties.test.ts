import fc from 'fast-check'
import { expect, test } from 'vitest'
import { listObjects } from '#infra/sandbox/kubernetes/objects.ts'
import { PlatformFault } from '#infra/sandbox/reducer.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { type Desk, noon, openDesk, runPara } from './tke-desk.ts'

const { clusterId: ClusterId, vpcId: VpcId, subnetId } = emptyCluster

/** Something that somebody, or the world, does. */
type Deed =
  | { readonly kind: 'range'; readonly min: number; readonly extra: number }
  | { readonly kind: 'switch'; readonly on: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'delete'; readonly pick: number; readonly force: boolean }
  | { readonly kind: 'stock'; readonly soldOut: boolean }
  | { readonly kind: 'fail'; readonly share: number }

const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ kind: fc.constant('range' as const), min: fc.nat(8), extra: fc.nat(8) }),
  fc.record({ kind: fc.constant('switch' as const), on: fc.boolean() }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 1_000_000 }) }),
  fc.record({ kind: fc.constant('delete' as const), pick: fc.nat(20), force: fc.boolean() }),
  fc.record({ kind: fc.constant('stock' as const), soldOut: fc.boolean() }),
  fc.record({ kind: fc.constant('fail' as const), share: fc.constantFrom(0, 0.3, 1) }),
)

async function groupDesk(): Promise<{ desk: Desk; groupId: string }> {
  const desk = openDesk(createEmptyWorld(noon - 3_600_000, 1))
  const { AutoScalingGroupId } = await desk.call('CreateClusterAsGroup', {
    ClusterId,
    AutoScalingGroupPara: JSON.stringify({ AutoScalingGroupName: 'g', MinSize: 1, MaxSize: 4, VpcId, SubnetIds: [subnetId] }),
    LaunchConfigurePara: JSON.stringify({ LaunchConfigurationName: 'g', InstanceType: 'S5.LARGE8' }),
  })
  return { desk, groupId: AutoScalingGroupId }
}

/** Does a deed; that a busy group refuses is part of the game. */
async function act(desk: Desk, groupId: string, what: Deed): Promise<void> {
  try {
    switch (what.kind) {
      case 'range':
        await desk.call('ModifyClusterAsGroupAttribute', {
          ClusterId,
          ClusterAsGroupAttribute: {
            AutoScalingGroupId: groupId,
            AutoScalingGroupRange: { MinSize: what.min, MaxSize: what.min + what.extra },
          },
        })
        break
      case 'switch':
        await desk.call('ModifyClusterAsGroupAttribute', {
          ClusterId,
          ClusterAsGroupAttribute: { AutoScalingGroupId: groupId, AutoScalingGroupEnabled: what.on },
        })
        break
      case 'wait':
        desk.move(what.ms)
        break
      case 'delete': {
        const ids = (await desk.call('DescribeClusterInstanceIds', { ClusterId, Limit: 100 })).InstanceIdSet
        const picked = ids[what.pick % Math.max(1, ids.length)]
        if (picked === undefined) break
        await desk.call('DeleteClusterInstances', {
          ClusterId,
          InstanceIds: [picked],
          InstanceDeleteMode: 'terminate',
          ForceDelete: what.force,
        })
        break
      }
      case 'stock':
        desk.world.tke.behaviour.soldOut = what.soldOut ? ['S5.LARGE8'] : []
        break
      case 'fail':
        desk.world.tke.behaviour.nodeFailureShare = what.share
        break
    }
  } catch (error) {
    if (!(error instanceof PlatformFault) || error.code !== 'ResourceInUse') throw error
  }
}

test('property: whatever happens, Kubernetes has exactly the nodes that run, and an enabled group ends at what it wants', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { minLength: 1, maxLength: 25 }), async (deeds) => {
      const { desk, groupId } = await groupDesk()
      for (const what of deeds) {
        await act(desk, groupId, what)
        desk.move(0)
        const machines = Object.values(desk.world.tke.machines)
        const running = machines.filter((machine) => machine.node?.state === 'running').map((machine) => machine.node?.nodeName)
        const kubernetes = desk.world.kubernetes[ClusterId]
        const nodes = kubernetes === undefined ? [] : listObjects(kubernetes, '', 'nodes').map((node) => node.metadata.name)
        expect(nodes.sort()).toEqual(running.sort())
        for (const machine of machines)
          if (machine.node?.state === 'initializing') expect(machine.node.readyAtMs).toBeGreaterThan(desk.now())
        expect(new Set(machines.map((machine) => machine.privateIp)).size).toBe(machines.length)
      }
      desk.world.tke.behaviour.soldOut = []
      desk.move(60_000)
      await act(desk, groupId, { kind: 'switch', on: true })
      desk.move(3 * 86_400_000)
      const group = desk.world.tke.clusters[ClusterId]?.asGroups[groupId]
      if (group === undefined) throw new Error('the group is gone')
      const own = Object.values(desk.world.tke.machines).filter((machine) => machine.node?.asGroupId === groupId)
      expect(own).toHaveLength(group.desiredSize)
      expect(group.desiredSize).toBeGreaterThanOrEqual(group.minSize)
      expect(group.desiredSize).toBeLessThanOrEqual(group.maxSize)
    }),
    { seed: 11, numRuns: 60 },
  )
})

test('property: any number of deliveries under one token buys once; without token support each one buys', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      async (tokens, InstanceCount, supported) => {
        const desk = openDesk(createEmptyWorld(noon - 3_600_000, 1))
        desk.world.tke.behaviour.clientTokens = supported
        const answers = new Map<string, Set<string>>()
        for (const ClientToken of tokens) {
          desk.move(1_000)
          const { InstanceIdSet } = await desk.call('CreateClusterInstances', {
            ClusterId,
            RunInstancePara: runPara({ InstanceCount, ClientToken }),
          })
          answers.set(ClientToken, (answers.get(ClientToken) ?? new Set()).add(InstanceIdSet.join()))
        }
        const bought = supported ? new Set(tokens).size : tokens.length
        expect(Object.keys(desk.world.tke.machines)).toHaveLength(bought * InstanceCount)
        if (supported) for (const different of answers.values()) expect(different.size).toBe(1)
      },
    ),
    { seed: 12, numRuns: 60 },
  )
})

test('property: pages read one after the other give every row once', async () => {
  const desk = openDesk(createEmptyWorld(noon - 3_600_000, 1))
  await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara({ InstanceCount: 37 }) })
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 100 }), async (Limit) => {
      const seen: string[] = []
      for (let Offset = 0; ; Offset += Limit) {
        const page = await desk.call('DescribeClusterInstances', { ClusterId, Offset, Limit })
        expect(page.TotalCount).toBe(37)
        if (page.InstanceSet.length === 0) break
        seen.push(...page.InstanceSet.map((row) => row.InstanceId))
      }
      expect(seen).toHaveLength(37)
      expect(new Set(seen).size).toBe(37)
    }),
    { seed: 13, numRuns: 30 },
  )
})
