import * as z from 'zod/mini'

/** Key under which license-meter remembers what the nodes of a cluster have. */
export const crossCheckKey = (clusterId: string): string => `cross-check/${clusterId}`

const Decimals = z.string().check(z.regex(/^[0-9]+(?:\.[0-9]+)?$/))

/** The cores of one cluster as its own nodes and pods tell, attributed. Amounts are decimals. */
export const ClusterCores = z.object({
  cluster: z.string(),
  region: z.string(),
  /** When it was read, ISO 8601. */
  at: z.string(),
  /** Capacity of all nodes that are machines; what a virtual node says it has is nobody's machine. */
  cores: Decimals,
  nodes: z.int(),
  /** Of those, the ones that are not ready: they may have been given back already. */
  notReady: z.optional(z.object({ nodes: z.int(), cores: Decimals })),
  /** Virtual nodes, and what they say they have. */
  virtual: z.optional(z.object({ nodes: z.int(), cores: Decimals })),
  /** Ids of the machines, with the cores of each: one that is in two clusters is counted twice. */
  machines: z.optional(z.record(z.string(), Decimals)),
  /** By node pool: id of an auto-scaling group (`asg-…`), of a virtual node pool (`np-…`), or `other`. */
  pools: z.record(z.string(), z.object({ nodes: z.int(), cores: Decimals })),
  /** Cores that the pods of a namespace ask for; pods that have ended are not counted. */
  namespaces: z.record(z.string(), z.object({ pods: z.int(), cores: Decimals })),
})

export type ClusterCores = z.infer<typeof ClusterCores>
