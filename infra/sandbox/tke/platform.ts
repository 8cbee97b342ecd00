import type { ImageInstance, RegionInstance, VersionInstance } from '#cloud/generated/tke/structures.ts'
import { quotaOf } from './machines.ts'
import type { TkeReducer } from './tke-reducer.ts'

/** The regions of the sandbox. `RegionId` is the number that other answers use for a region. */
const regions: readonly RegionInstance[] = (
  [
    ['ap-guangzhou', 1, 'gz'],
    ['ap-shanghai', 4, 'sh'],
    ['ap-beijing', 8, 'bj'],
    ['ap-chengdu', 16, 'cd'],
  ] as const
).map(([name, id, alias]) => ({
  RegionName: name,
  RegionId: id,
  Status: 'alluser',
  FeatureGates: JSON.stringify({ Audit: true, ClusterAutoscaler: true, VirtualNode: true, VpcCni: true }),
  Alias: alias,
  Remark: '',
}))

/** Whether the platform is built in a region. */
export function regionExists(name: string): boolean {
  return regions.some((region) => region.RegionName === name)
}

/** The number of a region, as EnableClusterAudit and the registry's triggers name it. */
export function regionId(name: string): number {
  return Number(regions.find((region) => region.RegionName === name)?.RegionId ?? 0)
}

export const describeRegions: TkeReducer<'DescribeRegions'> = () => ({ TotalCount: regions.length, RegionInstanceSet: regions })

/** Kubernetes versions on offer, newest first, and whether a new cluster may still take them. */
const versions: readonly { readonly version: string; readonly remark: string }[] = [
  { version: '1.22.5', remark: '' },
  { version: '1.20.6', remark: 'recommended' },
  { version: '1.18.4', remark: '' },
  { version: '1.16.3', remark: '' },
  { version: '1.14.3', remark: '' },
  { version: '1.12.4', remark: '' },
  { version: '1.10.5', remark: 'default of the API' },
]

/** Whether a cluster can have this version. */
export function versionExists(version: string): boolean {
  return versions.some((row) => row.version === version)
}

export const describeVersions: TkeReducer<'DescribeVersions'> = () => ({
  TotalCount: versions.length,
  VersionInstanceSet: versions.map(({ version, remark }): VersionInstance => ({ Name: version, Version: version, Remark: remark })),
})

const images: readonly ImageInstance[] = [
  {
    Alias: 'Ubuntu 16.04.1 LTS 64-bit',
    OsName: 'ubuntu16.04.1 LTSx86_64',
    ImageId: 'img-4wpaazux',
    OsCustomizeType: 'GENERAL',
    Arch: 'x86',
  },
  { Alias: 'Ubuntu 18.04.1 LTS 64-bit', OsName: 'ubuntu18.04.1x86_64', ImageId: 'img-pi0ii46r', OsCustomizeType: 'GENERAL', Arch: 'x86' },
  { Alias: 'CentOS 7.2 64-bit', OsName: 'centos7.2x86_64', ImageId: 'img-rkiynh11', OsCustomizeType: 'DOCKER_CUSTOMIZE', Arch: 'x86' },
  { Alias: 'CentOS 7.6 64-bit', OsName: 'centos7.6.0_x64', ImageId: 'img-9qabwvbn', OsCustomizeType: 'GENERAL', Arch: 'x86' },
  { Alias: 'TencentOS Server 2.4 64-bit', OsName: 'tlinux2.4x86_64', ImageId: 'img-hdt9xxkt', OsCustomizeType: 'GENERAL', Arch: 'x86' },
  { Alias: 'TencentOS Server 2.4 for ARM', OsName: 'tlinux2.4arm64', ImageId: 'img-3la7wgnt', OsCustomizeType: 'GENERAL', Arch: 'arm' },
].map((image) => ({ ...image, SportIpv6: 'false' }))

/** The image of an operating system for a processor architecture; undefined when there is none. */
export function imageOf(osName: string, arch: 'x86' | 'arm'): { imageId: string; osCustomizeType: string; alias: string } | undefined {
  const image = images.find((row) => row.OsName === osName && row.Arch === arch)
  if (image === undefined) return undefined
  return { imageId: image.ImageId ?? '', osCustomizeType: image.OsCustomizeType ?? '', alias: image.Alias ?? '' }
}

export const describeImages: TkeReducer<'DescribeImages'> = () => ({ TotalCount: images.length, ImageInstanceSet: images })

/** The limits of the request's region. */
export const describeQuota: TkeReducer<'DescribeQuota'> = (_, context) => {
  const quota = quotaOf(context.world, context.region)
  return { MaxClustersNum: quota.maxClusters, MaxNodesNum: quota.maxNodesPerCluster }
}
