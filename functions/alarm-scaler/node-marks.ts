/** On nodes, by the platform: the machine's id. */
export const instanceLabel = 'cloud.tencent.com/node-instance-id'

/** On nodes that were bought under a lease: which one. A node that joins gets it from the order, not from a later write. */
export const leaseLabel = 'longshore.dev/lease'

/** Keeps the cluster autoscaler from taking a node away. */
export const scaleDownDisabledAnnotation = 'cluster-autoscaler.kubernetes.io/scale-down-disabled'

/** On a node that is being emptied: the lease that it is emptied for. Only a cordon with this mark is ours to lift. */
export const drainAnnotation = 'longshore.dev/drained-for'
