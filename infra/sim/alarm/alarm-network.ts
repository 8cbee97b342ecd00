/** What is bought in these worlds. */
export const machineType = 'S5.LARGE8'

/** The network that a cluster lies in: each of them in a region of its own. */
export interface SimNetwork {
  readonly vpcId: string
  readonly region: string
  readonly zone: string
  readonly subnetId: string
  readonly cidr: string
}

const first: SimNetwork = {
  vpcId: 'vpc-e0000001',
  region: 'ap-guangzhou',
  zone: 'ap-guangzhou-3',
  subnetId: 'subnet-e0000001',
  cidr: '10.0.0.0/16',
}

const second: SimNetwork = {
  vpcId: 'vpc-e0000002',
  region: 'ap-chengdu',
  zone: 'ap-chengdu-1',
  subnetId: 'subnet-e0000002',
  cidr: '10.1.0.0/16',
}

export function networkOf(cluster: string): SimNetwork {
  return cluster === 'cls-e0000002' ? second : first
}

/** Of a machine of the account that may join a pool. */
export function spareName(pool: string, which: number | '*'): string {
  return `spare-${pool}-${which}`
}
