import type { MachineCore } from '#cloud/generated/tke/structures.ts'
import type { World } from '../world.ts'
import { clustersIn } from './find-cluster.ts'
import { lookUp } from './look-up.ts'
import { nodesOf } from './machines.ts'
import type { ClusterState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

/** The products that cores are counted under: what kind of cluster a node belongs to. */
const products: readonly { readonly id: string; readonly description: string; readonly counts: (cluster: ClusterState) => boolean }[] = [
  { id: 'tke-managed-x86', description: 'Nodes of managed clusters, x86', counts: (cluster) => managed(cluster) && cluster.arch === 'x86' },
  { id: 'tke-managed-arm', description: 'Nodes of managed clusters, ARM', counts: (cluster) => managed(cluster) && cluster.arch === 'arm' },
  { id: 'tke-independent', description: 'Nodes of independent clusters, masters too', counts: (cluster) => !managed(cluster) },
]

function managed(cluster: ClusterState): boolean {
  return cluster.type === 'MANAGED_CLUSTER'
}

/** The cores of a region's nodes, by product: nodes that run, and those that initialise, because they are paid for. */
export function usedCores(
  world: World,
  region: string,
): { readonly productId: string; readonly description: string; readonly cores: number }[] {
  return products.map((product) => {
    const cores = clustersIn(world, region)
      .filter((cluster) => product.counts(cluster))
      .flatMap((cluster) => nodesOf(world, cluster.clusterId))
      .filter((machine) => machine.node?.state !== 'failed')
      .reduce((sum, machine) => sum + machine.cpuCores, 0)
    return { productId: product.id, description: product.description, cores }
  })
}

/** Whether a region uses more cores than it is entitled to. Exactly the entitlement is within it; none is unlimited. */
export function isOver(world: World, region: string): boolean {
  const entitled = lookUp(world.tke.licence.entitledCores, region)
  const used = usedCores(world, region).reduce((sum, product) => sum + product.cores, 0)
  return entitled !== undefined && used > entitled
}

/** The cores in use in the request's region, one row for each product. Values are texts, as the platform sends them. */
export const collectAllCore: TkeReducer<'CollectAllCore'> = (_, context) => ({
  ProductName: 'TKE',
  Version: context.world.tke.licence.version,
  Data: usedCores(context.world, context.region).map(
    ({ productId, description, cores }): MachineCore => ({
      ProductId: productId,
      ProductIdDescribe: description,
      UsageUnit: context.world.tke.licence.unit,
      UsageValue: String(cores),
    }),
  ),
})

/** `Pass` as "true" or "false"; what "true" means is `licence.passMeans`, because the manual contradicts itself. */
export const queryOverage: TkeReducer<'QueryOverage'> = (_, context) => {
  const over = isOver(context.world, context.region)
  const pass = context.world.tke.licence.passMeans === 'over' ? over : !over
  return { Pass: String(pass) }
}
