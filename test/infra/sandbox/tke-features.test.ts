import { beforeEach, describe, expect, test } from 'vitest'
import { getObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { type Desk, noon, openDesk, runPara } from './tke-desk.ts'

const ClusterId = emptyCluster.clusterId
let desk: Desk

beforeEach(() => {
  desk = openDesk(createEmptyWorld(noon - 3_600_000, 1))
})

describe('log collection', () => {
  const Name = 'web-stdout'
  const InputOption = {
    Path: '/var/log/*.log',
    AllNamespaces: false,
    Namespaces: { Namespace: 'shop', AllContainers: true, Services: ['web'] },
  }
  const OutputOption = { LogsetId: 'set-1', TopicId: 'topic-1' }

  test('switched on it runs an agent on each node', async () => {
    await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara({ InstanceCount: 3 }) })
    desk.move(300_000)
    const status = () => desk.call('GetLogCollectorStatus', { ClusterId })
    expect(await status()).toEqual({ Enabled: false, CurrentNumberScheduled: 0, DesiredNumberScheduled: 0 })
    expect(await desk.code('CreateLogCollector', { ClusterId, Name })).toBe('InternalError')
    await desk.call('EnableLogCollector', { ClusterId })
    await desk.call('EnableLogCollector', { ClusterId })
    desk.move(60_000)
    expect(await status()).toEqual({ Enabled: true, CurrentNumberScheduled: 3, DesiredNumberScheduled: 3 })
    const state = desk.world.kubernetes[ClusterId]
    expect(state && getObject(state, 'apps', 'daemonsets', 'tke-log-agent', 'kube-system')?.status).toMatchObject({ numberReady: 3 })
    expect(await desk.code('EnableLogCollector', {})).toBe('InvalidParameter')
    expect(await desk.code('EnableLogCollector', { ClusterId: 'cls-nowhere0' })).toBe('InvalidParameter')
  })

  test('rules are created once, read back, changed, listed and deleted', async () => {
    await desk.call('EnableLogCollector', { ClusterId })
    await desk.call('CreateLogCollector', {
      ClusterId,
      Name,
      Description: 'why',
      InputType: 'container-log',
      OutputType: 'cls',
      InputOption,
      OutputOption,
    })
    expect(await desk.code('CreateLogCollector', { ClusterId, Name })).toBe('InvalidParameter')
    expect(await desk.code('CreateLogCollector', { ClusterId, Name: 'Not a name' })).toBe('InvalidParameter')
    expect(await desk.call('CheckIfLogCollectorExists', { ClusterId, Name })).toEqual({ CheckResult: true })
    expect(await desk.call('CheckIfLogCollectorExists', { ClusterId, Name: 'constructor' })).toEqual({ CheckResult: false })
    expect((await desk.call('GetLogCollector', { ClusterId, Name })).LogCollector).toEqual({
      Name,
      Description: 'why',
      ClusterId,
      ClusterName: 'empty',
      CreatedAt: '2026-03-02T04:00:00Z',
      InputType: 'container-log',
      OutputType: 'cls',
      InputOption,
      OutputOption: { InstanceId: null, TopicId: 'topic-1', Host: null, Port: null, Topic: null, LogsetId: 'set-1' },
    })
    await desk.call('UpdateLogCollector', {
      ClusterId,
      Name,
      Description: 'changed',
      InputOption: { Path: '/opt/*.log', AllNamespaces: true },
    })
    expect((await desk.call('GetLogCollector', { ClusterId, Name })).LogCollector).toMatchObject({
      Description: 'changed',
      InputOption: { Path: '/opt/*.log', AllNamespaces: true },
      OutputOption: { TopicId: 'topic-1' },
    })
    expect(await desk.code('UpdateLogCollector', { ClusterId, Name, OutputOption: { LogsetId: 'set-1', TopicId: 'topic-2' } })).toBe(
      'InvalidParameter',
    )
    await desk.call('CreateLogCollector', { ClusterId, Name: 'api-stdout' })
    const list = (more: object = {}) => desk.call('ListLogCollector', { ClusterId, ...more })
    expect((await list()).LogCollectorList.map((row) => row.Name)).toEqual(['api-stdout', Name])
    expect((await list({ Search: 'web' })).TotalCount).toBe(1)
    const page = await list({ Offset: 1, Limit: 1 })
    expect([page.TotalCount, page.LogCollectorList.length, page.LogCollectorList[0]?.Name]).toEqual([2, 1, Name])
    await desk.call('DeleteLogCollector', { ClusterId, Name })
    expect(await desk.code('DeleteLogCollector', { ClusterId, Name })).toBe('ResourceNotFound')
    expect(await desk.code('GetLogCollector', { ClusterId, Name })).toBe('ResourceNotFound')
    expect(await desk.code('UpdateLogCollector', { ClusterId, Name })).toBe('ResourceNotFound')
  })
})

describe('audit', () => {
  test('is switched on with a target of its own or a given one, and shows dashboards', async () => {
    const dashboard = (DashboardType: string) => desk.call('GetDashboardID', { ClusterId, DashboardType })
    expect(await desk.code('GetDashboardID', { ClusterId, DashboardType: 'audit-overview' })).toBe('InternalError')
    await desk.call('EnableClusterAudit', { ClusterId, RegionId: '1' })
    const own = desk.world.tke.clusters[ClusterId]?.audit
    expect(own).toMatchObject({ regionId: '1', enabledMs: noon })
    expect(own?.topicId).toMatch(/^[0-9a-f]{8}-/)
    await desk.call('EnableClusterAudit', { ClusterId, RegionId: '1' })
    expect(desk.world.tke.clusters[ClusterId]?.audit).toEqual(own)
    const overview = await dashboard('audit-overview')
    expect(await dashboard('audit-overview')).toEqual(overview)
    expect(await dashboard('audit-search')).not.toEqual(overview)
    expect(await desk.code('GetDashboardID', { ClusterId, DashboardType: 'weather' })).toBe('InvalidParameter')
    await desk.call('EnableClusterAudit', { ClusterId, RegionId: 'ap-guangzhou', LogsetId: 'set-1', TopicId: 'topic-1' })
    expect(desk.world.tke.clusters[ClusterId]?.audit).toMatchObject({ logsetId: 'set-1', topicId: 'topic-1' })
    await desk.call('DisableClusterAudit', { ClusterId })
    await desk.call('DisableClusterAudit', { ClusterId })
    expect(desk.world.tke.clusters[ClusterId]?.audit).toBeNull()
    expect(await desk.code('EnableClusterAudit', { ClusterId, RegionId: '1', TopicId: 'topic-1' })).toBe('InvalidParameter')
    expect(await desk.code('EnableClusterAudit', { ClusterId, RegionId: '99' })).toBe('InvalidParameter')
    expect(await desk.code('DisableClusterAudit', { ClusterId: 'cls-nowhere0' })).toBe('InvalidParameter')
  })
})

describe('licence', () => {
  const used = async () => (await desk.call('CollectAllCore', {})).Data.map((row) => [row.ProductId, row.UsageUnit, row.UsageValue])

  test('counts the cores of the nodes that are there, by product, and those that initialise too', async () => {
    expect(await used()).toEqual([
      ['tke-managed-x86', 'core', '0'],
      ['tke-managed-arm', 'core', '0'],
      ['tke-independent', 'core', '0'],
    ])
    await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara({ InstanceCount: 3 }) })
    expect((await used())[0]).toEqual(['tke-managed-x86', 'core', '12'])
    desk.move(300_000)
    const ids = (await desk.call('DescribeClusterInstanceIds', { ClusterId })).InstanceIdSet
    await desk.call('DeleteClusterInstances', { ClusterId, InstanceIds: [ids[0] ?? ''], InstanceDeleteMode: 'terminate' })
    expect((await used())[0]).toEqual(['tke-managed-x86', 'core', '8'])
    desk.world.tke.behaviour.nodeFailureShare = 1
    await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara() })
    desk.move(300_000)
    expect((await used())[0]?.[2]).toBe('8')
    expect((await desk.call('CollectAllCore', {})).ProductName).toBe('TKE')
  })

  test('another region has its own figures', async () => {
    await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara() })
    const elsewhere = openDesk(desk.world, { region: 'ap-shanghai' })
    expect((await elsewhere.call('CollectAllCore', {})).Data.every((row) => row.UsageValue === '0')).toBe(true)
  })

  test.each(['over', 'within'] as const)('Pass follows the entitlement; "true" means %s', async (passMeans) => {
    desk.world.tke.licence.passMeans = passMeans
    const pass = async () => (await desk.call('QueryOverage', {})).Pass
    const [ok, over] = passMeans === 'over' ? ['false', 'true'] : ['true', 'false']
    await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara({ InstanceCount: 2 }) })
    expect(await pass(), 'unlimited').toBe(ok)
    desk.world.tke.licence.entitledCores['ap-guangzhou'] = 8
    expect(await pass(), 'exactly the entitlement').toBe(ok)
    await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara({ InstanceType: 'S5.SMALL1' }) })
    expect(await pass(), 'one more').toBe(over)
  })
})

describe('charts', () => {
  const upload = (CosPath: string) => desk.call('UploadHelmChart', { CosPath, NamespaceName: '', RegistryId: '' })

  test('are uploaded, listed newest first, shown in detail and deleted', async () => {
    desk.world.tke.archives['charts/web-1.10.0.tgz'] = {
      name: 'web',
      version: '1.10.0',
      apiVersion: 'v2',
      appVersion: '3',
      description: 'A web server',
      values: 'replicas: 2\n',
      templates: { 'templates/deployment.yaml': 'kind: Deployment\n', 'templates/tests/ping.yaml': 'kind: Pod\n' },
      files: { 'README.md': '# web\n' },
    }
    for (const path of ['web-1.9.0.tgz', 'web-1.10.0-rc.2.tgz', 'web-1.10.0-rc.11.tgz', 'charts/web-1.10.0.tgz', 'web-1.2.0.tgz'])
      await upload(path)
    const versions = async () =>
      (await desk.call('DescribeHelmChartVersion', { ChartName: 'web' })).Results.map((row) => JSON.parse(row.Chart ?? '').Version)
    expect(await versions()).toEqual(['1.10.0', '1.10.0-rc.11', '1.10.0-rc.2', '1.9.0', '1.2.0'])
    const detail = await desk.call('DescribeHelmChartDetail', { ChartName: 'web', ChartVersion: '1.10.0' })
    expect(detail.Chart).toMatchObject({
      Metadata: { Name: 'web', Version: '1.10.0', APIVersion: 'v2', AppVersion: '3' },
      Values: 'replicas: 2\n',
      Files: [{ Name: 'README.md', Data: Buffer.from('# web\n').toString('base64') }],
    })
    expect(detail.FileEntry).toMatchObject({
      Name: 'web',
      Children: [
        { Name: 'templates', Children: [{ Name: 'tests', Children: [{ Name: 'ping.yaml' }] }, { Name: 'deployment.yaml' }] },
        { Name: 'Chart.yaml' },
        { Name: 'values.yaml', Value: 'replicas: 2\n' },
        { Name: 'README.md' },
      ],
    })
    const { PreSignedDownloadURL } = await desk.call('DescribeChartDownloadInfo', { ChartName: 'web', ChartVersion: '1.9.0' })
    expect(new URL(PreSignedDownloadURL).pathname).toBe(`/${desk.world.account.uin}/web-1.9.0.tgz`)
    expect(await desk.call('DeleteHelmChartVersion', { ChartName: 'web', ChartVersion: '1.2.0' })).toEqual({ Deleted: true })
    expect(await desk.code('DeleteHelmChartVersion', { ChartName: 'web', ChartVersion: '1.2.0' })).toBe('InvalidParameter')
    expect(await versions()).toHaveLength(4)
    expect(await desk.call('DeleteHelmChart', { ChartName: 'web' })).toEqual({ Deleted: true })
    for (const ChartName of ['web', 'constructor', '__proto__'])
      expect(await desk.code('DeleteHelmChart', { ChartName })).toBe('InvalidParameter')
  })

  test('with its last version a chart is gone; the same version again replaces', async () => {
    await upload('solo-0.1.0.tgz')
    const digest = async () =>
      JSON.parse((await desk.call('DescribeHelmChartVersion', { ChartName: 'solo' })).Results[0]?.Chart ?? '').Digest
    const first = await digest()
    await upload('solo-0.1.0.tgz')
    expect(await digest()).toBe(first)
    await desk.call('DeleteHelmChartVersion', { ChartName: 'solo', ChartVersion: '0.1.0' })
    expect(await desk.code('DescribeHelmChartVersion', { ChartName: 'solo' })).toBe('InvalidParameter')
    expect(await desk.code('UploadHelmChart', { CosPath: 'notes.txt', NamespaceName: '', RegistryId: '' })).toBe('InvalidParameter')
    expect(await desk.code('UploadHelmChart', { CosPath: '__proto__-1.0.0.tgz', NamespaceName: '', RegistryId: '' })).toBe(
      'InvalidParameter',
    )
  })
})

test('regions, versions and images answer as many rows as they count', async () => {
  const regions = await desk.call('DescribeRegions', {})
  expect(regions.RegionInstanceSet).toHaveLength(Number(regions.TotalCount))
  expect(regions.RegionInstanceSet.find((row) => row.RegionName === 'ap-guangzhou')).toMatchObject({ RegionId: 1, Alias: 'gz' })
  for (const row of regions.RegionInstanceSet) expect(() => JSON.parse(row.FeatureGates ?? '')).not.toThrow()
  const versions = await desk.call('DescribeVersions', {})
  expect(versions.VersionInstanceSet).toHaveLength(Number(versions.TotalCount))
  expect(versions.VersionInstanceSet.map((row) => row.Version)).toContain('1.20.6')
  const images = await desk.call('DescribeImages', {})
  expect(images.ImageInstanceSet).toHaveLength(Number(images.TotalCount))
  expect(images.ImageInstanceSet.every((row) => /^img-[a-z0-9]{8}$/.test(row.ImageId ?? ''))).toBe(true)
})
