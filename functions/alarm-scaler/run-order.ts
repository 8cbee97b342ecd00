import * as z from 'zod/mini'

const Text = z.string().check(z.minLength(1), z.maxLength(300))

const disk = { DiskType: z.optional(Text), DiskSize: z.optional(z.int().check(z.positive())) }

const SystemDisk = z.strictObject(disk)

const DataDisk = z.strictObject({
  ...disk,
  DeleteWithInstance: z.optional(z.boolean()),
  Encrypt: z.optional(z.boolean()),
  KmsKeyId: z.optional(Text),
  SnapshotId: z.optional(Text),
  ThroughputPerformance: z.optional(z.int().check(z.nonnegative())),
})

/**
 * What machines are bought: RunInstances of the platform without number, token and way of paying, which are set for each purchase. They
 * are paid by the hour, for they go away again. Secrets have no place in it, because plans and journals keep it: log in with key pairs.
 */
export const RunOrder = z
  .strictObject({
    Placement: z.strictObject({ Zone: Text, ProjectId: z.optional(z.int()) }),
    VirtualPrivateCloud: z.strictObject({ VpcId: Text, SubnetId: Text }),
    InstanceType: Text,
    ImageId: z.optional(Text),
    InstanceName: z.optional(Text.check(z.maxLength(60))),
    HostName: z.optional(Text.check(z.maxLength(60))),
    SecurityGroupIds: z.optional(z.array(Text).check(z.maxLength(10))),
    SystemDisk: z.optional(SystemDisk),
    DataDisks: z.optional(z.array(DataDisk).check(z.maxLength(20))),
    InternetAccessible: z.optional(
      z.strictObject({
        InternetChargeType: z.optional(Text),
        InternetMaxBandwidthOut: z.optional(z.int().check(z.nonnegative())),
        PublicIpAssigned: z.optional(z.boolean()),
      }),
    ),
    LoginSettings: z.optional(
      z.strictObject({
        KeyIds: z.optional(z.array(Text).check(z.maxLength(1))),
        KeepImageLogin: z.optional(z.enum(['TRUE', 'FALSE'])),
      }),
    ),
    EnhancedService: z.optional(z.record(z.string(), z.strictObject({ Enabled: z.boolean() }))),
    CamRoleName: z.optional(Text),
    TagSpecification: z.optional(
      z.array(z.strictObject({ ResourceType: Text, Tags: z.array(z.strictObject({ Key: Text, Value: z.string() })) })),
    ),
  })
  .check(z.describe('RunInstances of the platform: what is bought. Number, token and way of paying are set for each purchase.'))

export type RunOrder = z.infer<typeof RunOrder>

/** RunInstancePara of one purchase. The same order, number and token give the same text, whatever order the settings' keys are in. */
export function runInstancePara(order: RunOrder, count: number, token: string): string {
  return canonical({ ...order, InstanceChargeType: 'POSTPAID_BY_HOUR', InstanceCount: count, ClientToken: token })
}

/** JSON with the keys of every object in order; without what is undefined. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  )
}
