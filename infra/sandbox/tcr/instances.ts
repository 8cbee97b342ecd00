import type { CreateInstance } from '#cloud/generated/tcr/create-instance.ts'
import type { CreateInstanceToken } from '#cloud/generated/tcr/create-instance-token.ts'
import type { DescribeInstanceStatus } from '#cloud/generated/tcr/describe-instance-status.ts'
import type { DescribeInstances } from '#cloud/generated/tcr/describe-instances.ts'
import { randomLetters } from '../random.ts'
import { PlatformFault, type Reducer } from '../reducer.ts'
import type { World } from '../world.ts'
import { pageOf } from './page.ts'
import { lookUp, type TcrInstance } from './state.ts'

const creationMs = 120_000
const tokenValidMs = 3600 * 1000
const registryTypes = ['basic', 'standard', 'premium']

/** What is set up for an instance one after the other, each taking its share of the creation. */
const creationStages = ['Storage', 'Network', 'Registry']

export const createInstance: Reducer<typeof CreateInstance> = (request, { world, now, id }) => {
  if (!/^[a-z0-9][a-z0-9-]{3,48}[a-z0-9]$/.test(request.RegistryName)) {
    throw new PlatformFault(
      'InvalidParameter',
      `RegistryName is "${request.RegistryName}"; it has 5 to 50 lower-case letters, digits and dashes, with none at the ends.`,
    )
  }
  if (!registryTypes.includes(request.RegistryType)) {
    throw new PlatformFault(
      'InvalidParameter',
      `RegistryType is "${request.RegistryType}"; it has to be one of ${registryTypes.join(', ')}.`,
    )
  }
  const instances = Object.values(world.tcr.instances)
  if (instances.some(({ name }) => name === request.RegistryName)) {
    throw new PlatformFault('InternalError.ErrorConflict', `An instance "${request.RegistryName}" exists already.`)
  }
  if (instances.filter(({ owner }) => owner === world.account.uin).length >= world.tcr.limits.instances) {
    throw new PlatformFault(
      'InternalError.ErrorOverLimit',
      `The account has ${world.tcr.limits.instances} instances, as many as it may have.`,
    )
  }
  const registryId = id('tcr')
  world.tcr.instances[registryId] = {
    owner: world.account.uin,
    name: request.RegistryName,
    type: request.RegistryType,
    createdAt: now,
    runningAt: now + creationMs,
    status: 'Pending',
  }
  return { RegistryId: registryId }
}

/** A further temporary password each time. Only a running instance gives one. */
export const createInstanceToken: Reducer<typeof CreateInstanceToken> = (request, { world, now, random }) => {
  const instance = ownInstance(world, request.RegistryId)
  if (instance.status !== 'Running') {
    throw new PlatformFault(
      'UnsupportedOperation',
      `The instance ${request.RegistryId} is ${instance.status}; it gives tokens when it is Running.`,
    )
  }
  return { Token: randomLetters(random, 64), ExpTime: now + tokenValidMs }
}

export const describeInstanceStatus: Reducer<typeof DescribeInstanceStatus> = (request, { world, now }) => ({
  RegistryStatusSet: request.RegistryIds.map((registryId) => {
    const instance = ownInstance(world, registryId)
    const done = Math.floor(((now - instance.createdAt) / (instance.runningAt - instance.createdAt)) * creationStages.length)
    return {
      RegistryId: registryId,
      Status: instance.status,
      Conditions: creationStages.map((Type, index) => ({
        Type,
        Status: instance.status === 'Running' || index < done ? 'Complete' : index === done ? 'Creating' : 'Waiting',
        Reason: null,
      })),
    }
  }),
})

/** Lists the account's instances that fit all filters, each by any of its values, the oldest first. */
export const describeInstances: Reducer<typeof DescribeInstances> = (request, { world }) => {
  const filters = (request.Filters ?? []).map((filter) => ({ read: filterReader(filter.Name), values: filter.Values }))
  const wanted = request.Registryids ?? []
  const found = Object.entries(world.tcr.instances)
    .filter(([registryId, { owner }]) => owner === world.account.uin && (wanted.length === 0 || wanted.includes(registryId)))
    .filter(([registryId, instance]) => filters.every(({ read, values }) => values.includes(read(registryId, instance))))
    .sort(([leftId, left], [rightId, right]) => left.createdAt - right.createdAt || (leftId < rightId ? -1 : 1))
  return {
    TotalCount: found.length,
    Registries: pageOf(found, request).map(([RegistryId, instance]) => ({
      RegistryId,
      RegistryName: instance.name,
      RegistryType: instance.type,
      Status: instance.status,
      PublicDomain: `${instance.name}.tencentcloudcr.com`,
      CreatedAt: `${new Date(instance.createdAt).toISOString().slice(0, 19)}Z`,
      RegionName: 'ap-guangzhou',
      RegionId: 1,
      EnableAnonymous: false,
      TokenValidTime: tokenValidMs / 1000,
    })),
  }
}

function filterReader(name: string): (registryId: string, instance: TcrInstance) => string {
  switch (name) {
    case 'RegistryId':
      return (registryId) => registryId
    case 'RegistryName':
      return (_, instance) => instance.name
    case 'RegistryType':
      return (_, instance) => instance.type
    case 'Status':
      return (_, instance) => instance.status
    default:
      throw new PlatformFault(
        'InvalidParameter',
        `There is no filter "${name}"; known are RegistryId, RegistryName, RegistryType and Status.`,
      )
  }
}

function ownInstance(world: World, registryId: string): TcrInstance {
  const instance = lookUp(world.tcr.instances, registryId)
  if (instance === undefined || instance.owner !== world.account.uin) {
    throw new PlatformFault('InvalidParameter', `There is no instance "${registryId}".`)
  }
  return instance
}
