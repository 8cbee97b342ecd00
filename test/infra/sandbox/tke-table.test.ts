import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { allActions } from '#cloud/generated/all-actions.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { baseAsGroups, baseClusters, createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import { startSandbox } from '#infra/sandbox/server.ts'
import { tkeTable } from '#infra/sandbox/tke/table.ts'
import { must } from './sandbox-call.ts'
import { noon, openDesk, outputsOf, type TkeName } from './tke-desk.ts'

interface Field {
  readonly name: string
  readonly type: string
  readonly required?: boolean
  readonly nullable?: boolean
}

interface TkeCatalog {
  readonly actions: { readonly [name: string]: { readonly output: readonly Field[] } }
  readonly structures: { readonly [name: string]: { readonly fields: readonly Field[] } }
}

const tke: TkeCatalog = JSON.parse(readFileSync('infra/codegen/catalog.json', 'utf8')).tke

const ClusterId = baseClusters.production
const VpcId = 'vpc-3kd9s1qa'
const SubnetId = 'subnet-p7w2ck4e'
const machine = { Placement: { Zone: 'ap-guangzhou-3' }, VirtualPrivateCloud: { VpcId, SubnetId }, InstanceType: 'S5.LARGE8' }

/** What the steps hand on: ids that an earlier answer gave. */
interface Notes {
  instanceId: string
  groupId: string
  poolId: string
  virtualNode: string
  spare: string
}

/** One accepted call of every action, in an order in which each finds what it needs. */
const tour: readonly (readonly [
  TkeName,
  (notes: Notes) => object,
  ((notes: Notes, answer: never, move: (byMs: number) => void) => void)?,
])[] = [
  ['DescribeRegions', () => ({})],
  ['DescribeVersions', () => ({})],
  ['DescribeImages', () => ({})],
  ['DescribeQuota', () => ({})],
  ['DescribeClusters', () => ({ ClusterIds: [ClusterId] })],
  ['ModifyClusterAttribute', () => ({ ClusterId, ClusterName: 'prod-core-2' })],
  ['CheckClusterCIDR', () => ({ VpcId, ClusterCIDR: '172.24.0.0/16', NetworkType: 'GR' })],
  [
    'CreateCluster',
    () => ({
      ClusterType: 'MANAGED_CLUSTER',
      ClusterBasicSettings: { VpcId, ClusterVersion: '1.20.6' },
      ClusterAdvancedSettings: { NetworkType: 'VPC-CNI' },
      ClusterCIDRSettings: { ServiceCIDR: '172.24.0.0/20', EniSubnetIds: [SubnetId] },
    }),
    (notes, answer: { ClusterId: string }, move) => {
      notes.spare = answer.ClusterId
      move(300_000)
    },
  ],
  ['AddVpcCniSubnets', (notes) => ({ ClusterId: notes.spare, VpcId, SubnetIds: ['subnet-b5y8rt0m'] })],
  ['DeleteCluster', (notes) => ({ ClusterId: notes.spare, InstanceDeleteMode: 'retain' })],
  ['CreateClusterEndpoint', () => ({ ClusterId: baseClusters.legacy, IsExtranet: true }), (_, __, move) => move(30_000)],
  ['DescribeClusterEndpointStatus', () => ({ ClusterId, IsExtranet: false })],
  ['DescribeClusterEndpoint', () => ({ ClusterId })],
  ['DescribeClusterKubeconfig', () => ({ ClusterId, Type: 'INNERLB' })],
  ['DescribeClusterSecurity', () => ({ ClusterId })],
  ['DescribeClusterServices', () => ({ ClusterId, AllNamespace: 1 })],
  ['ForwardRequest', () => ({ ClusterId, Method: 'GET', Path: '/api/v1/nodes' })],
  [
    'CreateClusterInstances',
    () => ({ ClusterId, RunInstancePara: JSON.stringify({ ...machine, InstanceCount: 2 }) }),
    (notes, answer: { InstanceIdSet: string[] }, move) => {
      notes.instanceId = answer.InstanceIdSet[0] ?? ''
      move(300_000)
    },
  ],
  ['AddClusterInstances', () => ({ ClusterId, CvmRunInstances: JSON.stringify(machine) })],
  ['DescribeClusterInstances', () => ({ ClusterId })],
  ['DescribeClusterInstanceIds', () => ({ ClusterId })],
  [
    'DescribeExistedInstances',
    () => ({ ClusterId }),
    (notes, answer: { ExistedInstanceSet: { InstanceId: string; Usable: boolean }[] }) => {
      notes.spare = answer.ExistedInstanceSet.find((row) => row.Usable)?.InstanceId ?? ''
    },
  ],
  ['AddExistedInstances', (notes) => ({ ClusterId, InstanceIds: [notes.spare] })],
  ['DrainClusterNode', (notes) => ({ ClusterId, InstanceId: notes.instanceId, DryRun: true })],
  ['DeleteClusterInstances', (notes) => ({ ClusterId, InstanceIds: [notes.instanceId], InstanceDeleteMode: 'terminate' })],
  [
    'CreateClusterAsGroup',
    () => ({
      ClusterId,
      AutoScalingGroupPara: JSON.stringify({ AutoScalingGroupName: 'g', MinSize: 0, MaxSize: 3, VpcId, SubnetIds: [SubnetId] }),
      LaunchConfigurePara: JSON.stringify({ LaunchConfigurationName: 'g', InstanceType: 'S5.LARGE8' }),
    }),
    (notes, answer: { AutoScalingGroupId: string }, move) => {
      notes.groupId = answer.AutoScalingGroupId
      move(60_000)
    },
  ],
  ['DescribeClusterAsGroups', () => ({ ClusterId })],
  [
    'ModifyClusterAsGroupAttribute',
    () => ({ ClusterId, ClusterAsGroupAttribute: { AutoScalingGroupId: baseAsGroups.general, AutoScalingGroupRange: { MinSize: 3 } } }),
    (_, __, move) => move(60_000),
  ],
  ['DescribeClusterAsGroupOption', () => ({ ClusterId })],
  [
    'ModifyClusterAsGroupOptionAttribute',
    () => ({ ClusterId, ClusterAsGroupOption: { IsScaleDownEnabled: false, Expander: 'most-pods' } }),
  ],
  ['DeleteClusterAsGroups', (notes) => ({ ClusterId, AutoScalingGroupIds: [notes.groupId] })],
  [
    'CreateClusterVirtualNodePool',
    () => ({ ClusterId, Name: 'burst', SubnetIds: [SubnetId], SecurityGroupIds: [], Labels: [], Taints: [] }),
    (notes, answer: { NodePoolId: string }, move) => {
      notes.poolId = answer.NodePoolId
      move(60_000)
    },
  ],
  ['DescribeClusterVirtualNodePools', () => ({ ClusterId })],
  ['ModifyClusterVirtualNodePool', (notes) => ({ ClusterId, NodePoolId: notes.poolId, Name: 'burst-2' })],
  [
    'CreateClusterVirtualNode',
    (notes) => ({ ClusterId, NodePoolId: notes.poolId, SubnetIds: [SubnetId], SubnetId: '' }),
    (notes, answer: { InstanceIds: string[] }, move) => {
      notes.virtualNode = answer.InstanceIds[0] ?? ''
      move(60_000)
    },
  ],
  ['DescribeClusterVirtualNode', (notes) => ({ ClusterId, NodePoolId: notes.poolId })],
  ['DrainClusterVirtualNode', (notes) => ({ ClusterId, NodeName: notes.virtualNode })],
  ['DeleteClusterVirtualNode', (notes) => ({ ClusterId, NodePoolId: notes.poolId, NodeNames: [notes.virtualNode] })],
  ['DeleteClusterVirtualNodePool', (notes) => ({ ClusterId, NodePoolIds: [notes.poolId] })],
  ['EnableLogCollector', () => ({ ClusterId })],
  ['GetLogCollectorStatus', () => ({ ClusterId })],
  ['CreateLogCollector', () => ({ ClusterId, Name: 'web', InputOption: { AllNamespaces: true }, OutputOption: { TopicId: 't' } })],
  ['CheckIfLogCollectorExists', () => ({ ClusterId, Name: 'web' })],
  ['GetLogCollector', () => ({ ClusterId, Name: 'web' })],
  ['ListLogCollector', () => ({ ClusterId })],
  ['UpdateLogCollector', () => ({ ClusterId, Name: 'web', Description: 'x' })],
  ['DeleteLogCollector', () => ({ ClusterId, Name: 'web' })],
  ['EnableClusterAudit', () => ({ ClusterId, RegionId: '1' })],
  ['GetDashboardID', () => ({ ClusterId, DashboardType: 'audit-overview' })],
  ['DisableClusterAudit', () => ({ ClusterId })],
  ['CollectAllCore', () => ({})],
  ['QueryOverage', () => ({})],
  ['DescribeCosInfo', () => ({})],
  ['UploadHelmChart', () => ({ CosPath: 'web-1.0.0.tgz', NamespaceName: '', RegistryId: '' })],
  ['DescribeHelmChart', () => ({ Search: 'web' })],
  ['DescribeHelmChartVersion', () => ({ ChartName: 'web' })],
  ['DescribeHelmChartDetail', () => ({ ChartName: 'web', ChartVersion: '1.0.0' })],
  ['DescribeChartDownloadInfo', () => ({ ChartName: 'web', ChartVersion: '1.0.0' })],
  ['DeleteHelmChartVersion', () => ({ ChartName: 'web', ChartVersion: '1.0.0' })],
  ['UploadHelmChart', () => ({ CosPath: 'web-1.0.0.tgz', NamespaceName: '', RegistryId: '' })],
  ['DeleteHelmChart', () => ({ ChartName: 'web' })],
]

/** What is wrong with a value of a documented type; empty when nothing is. */
function problems(path: string, type: string, value: unknown, nullable: boolean): string[] {
  if (value === null || value === undefined) return nullable ? [] : [`${path} is ${value}`]
  if (Array.isArray(value)) return value.flatMap((item, index) => problems(`${path}.${index}`, type.replace(/^Array of /, ''), item, false))
  switch (type.toLowerCase()) {
    case 'string':
      return typeof value === 'string' ? [] : [`${path} is no text`]
    case 'datetime':
    case 'datetime_iso':
      return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value) ? [] : [`${path} is no time: ${value}`]
    case 'int64':
    case 'uint64':
      return Number.isSafeInteger(value) ? [] : [`${path} is no whole number`]
    case 'bool':
      return typeof value === 'boolean' ? [] : [`${path} is no boolean`]
  }
  const structure = Object.entries(tke.structures).find(([name]) => name.toLowerCase() === type.toLowerCase())?.[1]
  if (structure === undefined) return [`${path} has the unknown type ${type}`]
  const known = structure.fields.map((field) => field.name)
  return [
    ...Object.keys(value).flatMap((key) => (known.includes(key) ? [] : [`${path}.${key} is not documented`])),
    ...structure.fields.flatMap((field) => {
      const item: unknown = Reflect.get(value, field.name)
      return item === undefined && field.required !== true
        ? []
        : problems(`${path}.${field.name}`, field.type, item, field.nullable === true)
    }),
  ]
}

test('every action is modelled, and the tour calls each one', () => {
  expect(Object.keys(tkeTable).sort()).toEqual(Object.keys(allActions.tke ?? {}).sort())
  expect(Object.values(tkeTable).every((entry) => typeof entry === 'function')).toBe(true)
  expect([...new Set(tour.map(([name]) => name))].sort()).toEqual(Object.keys(tkeTable).sort())
  expect(Object.keys(tkeTable)).toHaveLength(60)
})

test('every action answers its documented fields, each of its documented type, over the wire', async () => {
  const clock = createSandboxClock({ startMs: noon, frozen: true })
  const sandbox = await startSandbox({ world: createBaseWorld(noon, 1), clock, rates: false })
  try {
    const notes: Notes = { instanceId: '', groupId: '', poolId: '', virtualNode: '', spare: '' }
    for (const [name, request, after] of tour) {
      const answer = await must(sandbox, name, request(notes) as never)
      expect(Object.keys(answer).sort(), name).toEqual([...outputsOf(name), 'RequestId'].sort())
      const fields = tke.actions[name]?.output ?? []
      const wrong = fields.flatMap((field) => problems(field.name, field.type, Reflect.get(answer, field.name), false))
      expect(wrong, name).toEqual([])
      after?.(notes, answer as never, (byMs) => clock.move(byMs))
    }
  } finally {
    await sandbox.close()
  }
})

test('the same seed and the same calls make the same world, byte for byte', async () => {
  const worlds: string[] = []
  for (const _ of [1, 2]) {
    const desk = openDesk(createBaseWorld(noon, 5), { seed: 9 })
    await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: JSON.stringify({ ...machine, InstanceCount: 3 }) })
    await desk.call('ModifyClusterAsGroupAttribute', {
      ClusterId,
      ClusterAsGroupAttribute: { AutoScalingGroupId: baseAsGroups.general, AutoScalingGroupRange: { MinSize: 5 } },
    })
    for (let step = 0; step < 20; step += 1) desk.move(37_000)
    worlds.push(JSON.stringify(desk.world))
  }
  expect(worlds[0]).toBe(worlds[1])
  expect(JSON.stringify(JSON.parse(worlds[0] ?? ''))).toBe(worlds[0])
})

test('an action that takes a cluster refuses one that is not there, with a documented code', async () => {
  const desk = openDesk(createBaseWorld(noon, 1))
  const notes: Notes = {
    instanceId: 'ins-nowhere0',
    groupId: 'asg-nowhere0',
    poolId: 'np-nowhere0',
    virtualNode: 'eklet',
    spare: 'ins-nowhere0',
  }
  const withCluster = tour.filter(([, request]) => Object.hasOwn(request(notes), 'ClusterId'))
  expect(withCluster.length).toBeGreaterThan(35)
  for (const [name, request] of withCluster) {
    const { message } = await desk.refusal(name, { ...request(notes), ClusterId: 'cls-nowhere0' } as never)
    expect(message, name).toContain('cls-nowhere0')
  }
})
