import * as z from 'zod/mini'
import { PlatformFault } from '../reducer.ts'
import { type InstanceType, instanceType } from './instance-types.ts'
import type { ChargeType } from './state.ts'

/** What RunInstancePara asks for, read and checked; `canonical` is the same text for the same order in any key order. */
export interface RunOrder {
  readonly zone: string
  readonly vpcId: string
  readonly subnetId: string
  readonly type: InstanceType
  readonly chargeType: ChargeType
  readonly count: number
  readonly instanceName: string
  readonly hostName: string
  readonly securityGroupIds: string[]
  readonly publicIp: boolean
  readonly clientToken: string | undefined
  readonly canonical: string
}

/** The codes of an action for an order that cannot be read. */
export interface OrderCodes {
  /** Not JSON, a value of the wrong kind or out of range, a machine type that is not on offer. */
  readonly invalid: string
  /** A key that RunInstances does not know. */
  readonly unknownKey: string
  /** A required key is missing. */
  readonly missing: string
}

const anything = z.optional(z.unknown())

/** The keys of CVM RunInstances. Those without a meaning in the sandbox are known, and not looked into. */
const RunInstances = z.strictObject({
  Placement: z.strictObject({
    Zone: z.string().check(z.minLength(1)),
    ProjectId: z.optional(z.number()),
    HostIds: anything,
    HostIps: anything,
    HostId: anything,
  }),
  VirtualPrivateCloud: z.strictObject({
    VpcId: z.string().check(z.minLength(1)),
    SubnetId: z.string().check(z.minLength(1)),
    AsVpcGateway: anything,
    PrivateIpAddresses: anything,
    Ipv6AddressCount: anything,
  }),
  InstanceType: z.optional(z.string()),
  InstanceChargeType: z.optional(z.enum(['PREPAID', 'POSTPAID_BY_HOUR', 'CDHPAID'])),
  InstanceChargePrepaid: anything,
  InstanceCount: z.optional(z.int('it is a whole number').check(z.minimum(1, 'at least 1'), z.maximum(100, 'at most 100'))),
  InstanceName: z.optional(z.string().check(z.maxLength(60))),
  HostName: z.optional(z.string().check(z.maxLength(60))),
  ClientToken: z.optional(z.string().check(z.regex(/^[\x21-\x7e]{1,64}$/, 'it has 1 to 64 printable ASCII characters'))),
  SecurityGroupIds: z.optional(z.array(z.string())),
  InternetAccessible: z.optional(
    z.strictObject({
      InternetChargeType: anything,
      InternetMaxBandwidthOut: z.optional(z.number()),
      PublicIpAssigned: z.optional(z.boolean()),
      BandwidthPackageId: anything,
    }),
  ),
  ImageId: anything,
  SystemDisk: anything,
  DataDisks: anything,
  LoginSettings: anything,
  EnhancedService: anything,
  ActionTimer: anything,
  DisasterRecoverGroupIds: anything,
  TagSpecification: anything,
  InstanceMarketOptions: anything,
  UserData: anything,
  CamRoleName: anything,
  HpcClusterId: anything,
  DedicatedClusterId: anything,
  DisableApiTermination: anything,
})

/**
 * Reads RunInstancePara (or CvmRunInstances, or one RunInstancesPara): the JSON text of a CVM RunInstances request. Strict:
 * a key that RunInstances does not have is refused, because a misspelt InstanceCount would buy one machine in silence.
 * Throws PlatformFault with one of `codes`.
 */
export function parseRunOrder(text: string, codes: OrderCodes): RunOrder {
  const value = parseJson(text, codes.invalid, 'RunInstancePara')
  const parsed = RunInstances.safeParse(value)
  if (!parsed.success) throw orderFault(value, parsed.error.issues, codes)
  const order = parsed.data
  const type = instanceType(order.InstanceType ?? 'S1.SMALL1')
  if (type === undefined) {
    throw new PlatformFault(codes.invalid, `InstanceType ${order.InstanceType} is not on offer; a type looks like S5.LARGE8.`)
  }
  return {
    zone: order.Placement.Zone,
    vpcId: order.VirtualPrivateCloud.VpcId,
    subnetId: order.VirtualPrivateCloud.SubnetId,
    type,
    chargeType: order.InstanceChargeType ?? 'POSTPAID_BY_HOUR',
    count: order.InstanceCount ?? 1,
    instanceName: order.InstanceName ?? '',
    hostName: order.HostName ?? '',
    securityGroupIds: order.SecurityGroupIds ?? [],
    publicIp: order.InternetAccessible?.PublicIpAssigned ?? false,
    clientToken: order.ClientToken,
    canonical: canonicalJson(order),
  }
}

/** The JSON value of a text that the platform passes through. Throws PlatformFault with `code`. */
export function parseJson(text: string, code: string, field: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : String(error)
    throw new PlatformFault(code, `${field} is not JSON: ${why}`)
  }
}

interface Issue {
  readonly code: string
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly keys?: readonly string[]
}

/** The first thing that is wrong with the parameters in `value`, in the platform's terms. */
export function orderFault(value: unknown, issues: readonly Issue[], codes: OrderCodes): PlatformFault {
  const issue = issues[0]
  if (issue === undefined) return new PlatformFault(codes.invalid, 'The parameters cannot be read.')
  const path = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    const keys = (issue.keys ?? []).map((key) => (path === '' ? key : `${path}.${key}`))
    return new PlatformFault(codes.unknownKey, `Unknown: ${keys.join(', ')}. The platform has no such parameter.`)
  }
  if (isMissing(value, issue.path)) return new PlatformFault(codes.missing, `${path} is missing.`)
  return new PlatformFault(codes.invalid, `${path === '' ? 'The text' : path}: ${issue.message}.`)
}

function isMissing(value: unknown, path: readonly PropertyKey[]): boolean {
  let current = value
  for (const key of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return true
    current = Object.entries(current).find(([name]) => name === String(key))?.[1]
  }
  return false
}

/** JSON with sorted keys, so that two texts of one value are equal. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  entries.sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`
}
