import type { CreateApplicationTriggerPersonal } from '#cloud/generated/tcr/create-application-trigger-personal.ts'
import type { DeleteApplicationTriggerPersonal } from '#cloud/generated/tcr/delete-application-trigger-personal.ts'
import type { DescribeApplicationTriggerLogPersonal } from '#cloud/generated/tcr/describe-application-trigger-log-personal.ts'
import type { DescribeApplicationTriggerPersonal } from '#cloud/generated/tcr/describe-application-trigger-personal.ts'
import type { ModifyApplicationTriggerPersonal } from '#cloud/generated/tcr/modify-application-trigger-personal.ts'
import type { TriggerInvokeCondition, TriggerInvokePara } from '#cloud/generated/tcr/structures.ts'
import { PlatformFault, type Reducer } from '../reducer.ts'
import type { World } from '../world.ts'
import { matchesAnywhere } from './matches-anywhere.ts'
import { pageOf } from './page.ts'
import { platformTime } from './platform-time.ts'
import { ownRepository } from './repositories.ts'
import {
  lookUp,
  registryServer,
  type TcrInvokeMethod,
  type TcrTrigger,
  type TcrTriggerLogEntry,
  type TcrWorkloadType,
  triggerLogLimit,
} from './state.ts'
import { updateWorkloadImage } from './update-workload-image.ts'
import { registeredUser } from './users.ts'

const invokeMethods: readonly TcrInvokeMethod[] = ['all', 'taglist', 'regex']

const workloadTypes: readonly TcrWorkloadType[] = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job']

const expressionLimit = 256

/**
 * Whether a trigger waits for a tag. `taglist` holds names separated by comma, semicolon or white space; `regex` matches
 * anywhere in the tag unless it is anchored (the manual does not name the dialect; here it is JavaScript's).
 */
export function triggerMatches(trigger: Pick<TcrTrigger, 'invokeMethod' | 'invokeExpr'>, tag: string): boolean {
  switch (trigger.invokeMethod) {
    case 'all':
      return true
    case 'taglist':
      return trigger.invokeExpr.split(/[,;\s]+/).includes(tag)
    case 'regex':
      return matchesAnywhere(trigger.invokeExpr, tag)
  }
}

/** Lets every trigger that waits for the tag update its workload, in the order of their making, and logs how each went. */
export function fireTriggers(world: World, repoName: string, tag: string, now: number): void {
  for (const [triggerName, trigger] of Object.entries(world.tcr.triggers)) {
    if (trigger.repoName !== repoName || !triggerMatches(trigger, tag)) {
      continue
    }
    const result = updateWorkloadImage(world, trigger, `${registryServer}/${repoName}:${tag}`, now)
    world.tcr.triggerLog.push({ triggerName, tag, invokedAt: now, trigger, ...result })
  }
  if (world.tcr.triggerLog.length > triggerLogLimit) {
    world.tcr.triggerLog.splice(0, world.tcr.triggerLog.length - triggerLogLimit)
  }
}

export const createApplicationTriggerPersonal: Reducer<typeof CreateApplicationTriggerPersonal> = (request, { world, now }) => {
  registeredUser(world)
  ownRepository(world, request.RepoName, 'ResourceNotFound.ErrNoRepo')
  const trigger: TcrTrigger = {
    owner: world.account.uin,
    repoName: request.RepoName,
    ...conditionOf(request.InvokeMethod, request.InvokeExpr ?? ''),
    clusterId: request.ClusterId,
    namespace: request.Namespace,
    workloadType: workloadTypeOf(request.WorkloadType),
    workloadName: request.WorkloadName,
    containerName: request.ContainerName,
    clusterRegion: Number(request.ClusterRegion),
    createdAt: now,
    updatedAt: now,
  }
  if (request.TriggerName === '') {
    throw new PlatformFault('MissingParameter', 'TriggerName is empty.')
  }
  if (lookUp(world.tcr.triggers, request.TriggerName) !== undefined) {
    throw new PlatformFault('InvalidParameter.ErrTriggerExist', `The trigger "${request.TriggerName}" exists already.`)
  }
  if (Object.keys(world.tcr.triggers).length >= world.tcr.limits.triggers) {
    throw new PlatformFault(
      'LimitExceeded.ErrTriggerMaxLimit',
      `The account has ${world.tcr.limits.triggers} triggers, as many as it may have.`,
    )
  }
  world.tcr.triggers[request.TriggerName] = trigger
  return {}
}

/** Changes what is given and leaves the rest; a new name moves the trigger. */
export const modifyApplicationTriggerPersonal: Reducer<typeof ModifyApplicationTriggerPersonal> = (request, { world, now }) => {
  registeredUser(world)
  const name = request.TriggerName
  if (!name) {
    throw new PlatformFault('MissingParameter', 'TriggerName is missing: it says which trigger to modify.')
  }
  const trigger = lookUp(world.tcr.triggers, name)
  if (trigger === undefined) {
    throw new PlatformFault('ResourceNotFound', `There is no trigger "${name}".`)
  }
  if (request.RepoName !== undefined) {
    ownRepository(world, request.RepoName, 'ResourceNotFound.ErrNoRepo')
  }
  const newName = request.NewTriggerName || name
  if (newName !== name && lookUp(world.tcr.triggers, newName) !== undefined) {
    throw new PlatformFault('InvalidParameter', `The trigger "${newName}" exists already.`)
  }
  const changed: TcrTrigger = {
    owner: trigger.owner,
    repoName: request.RepoName ?? trigger.repoName,
    ...conditionOf(request.InvokeMethod ?? trigger.invokeMethod, request.InvokeExpr ?? trigger.invokeExpr),
    clusterId: request.ClusterId ?? trigger.clusterId,
    namespace: request.Namespace ?? trigger.namespace,
    workloadType: request.WorkloadType === undefined ? trigger.workloadType : workloadTypeOf(request.WorkloadType),
    workloadName: request.WorkloadName ?? trigger.workloadName,
    containerName: request.ContainerName ?? trigger.containerName,
    clusterRegion: request.ClusterRegion === undefined ? trigger.clusterRegion : Number(request.ClusterRegion),
    createdAt: trigger.createdAt,
    updatedAt: now,
  }
  delete world.tcr.triggers[name]
  world.tcr.triggers[newName] = changed
  return {}
}

export const deleteApplicationTriggerPersonal: Reducer<typeof DeleteApplicationTriggerPersonal> = (request, { world }) => {
  registeredUser(world)
  if (lookUp(world.tcr.triggers, request.TriggerName) === undefined) {
    throw new PlatformFault('ResourceNotFound.ErrNoTrigger', `There is no trigger "${request.TriggerName}".`)
  }
  delete world.tcr.triggers[request.TriggerName]
  return {}
}

/** Lists triggers, of one repository or of one name when given, the youngest first. */
export const describeApplicationTriggerPersonal: Reducer<typeof DescribeApplicationTriggerPersonal> = (request, { world }) => {
  registeredUser(world)
  const found = Object.entries(world.tcr.triggers)
    .filter(
      ([name, trigger]) =>
        (!request.RepoName || trigger.repoName === request.RepoName) && (!request.TriggerName || name === request.TriggerName),
    )
    .sort(([leftName, left], [rightName, right]) => right.createdAt - left.createdAt || (leftName < rightName ? -1 : 1))
  const rows = pageOf(found, request).map(([TriggerName, trigger]) => ({
    TriggerName,
    InvokeSource: invokeSource,
    InvokeAction: invokeAction,
    CreateTime: platformTime(trigger.createdAt),
    UpdateTime: platformTime(trigger.updatedAt),
    InvokeCondition: invokeConditionOf(trigger),
    InvokePara: invokeParaOf(world, trigger),
  }))
  return { Data: { TotalCount: found.length, TriggerInfo: rows } }
}

/** Lists what triggers did, by time unless OrderBy says trigger_name or repo_name, the latest first unless Order says asc. */
export const describeApplicationTriggerLogPersonal: Reducer<typeof DescribeApplicationTriggerLogPersonal> = (request, { world }) => {
  if (request.RepoName) {
    ownRepository(world, request.RepoName, 'ResourceNotFound.ErrNoRepo')
  }
  const descending = orderOf(request.Order)
  const key = columnOf(request.OrderBy)
  const found = world.tcr.triggerLog
    .map((entry, index) => ({ entry, index }))
    .filter(({ entry }) => !request.RepoName || entry.trigger.repoName === request.RepoName)
    .sort((left, right) => {
      const [leftKey, rightKey] = [key(left.entry), key(right.entry)]
      const ascending = leftKey < rightKey ? -1 : leftKey > rightKey ? 1 : left.index - right.index
      return descending ? -ascending : ascending
    })
  const rows = pageOf(found, request).map(({ entry }) => ({
    RepoName: entry.trigger.repoName,
    TagName: entry.tag,
    TriggerName: entry.triggerName,
    InvokeSource: invokeSource,
    InvokeAction: invokeAction,
    InvokeTime: platformTime(entry.invokedAt),
    InvokeCondition: invokeConditionOf(entry.trigger),
    InvokePara: invokeParaOf(world, entry.trigger),
    InvokeResult: { ReturnCode: entry.returnCode, ReturnMsg: entry.returnMsg },
  }))
  return { Data: { TotalCount: found.length, LogInfo: found.length === 0 ? null : rows } }
}

/** The only source and the only action that the platform has for these triggers. */
const invokeSource = 'IMAGE_PUSH'
const invokeAction = 'SERVICE_UPDATE'

function invokeConditionOf(trigger: TcrTrigger): TriggerInvokeCondition {
  return { InvokeMethod: trigger.invokeMethod, InvokeExpr: trigger.invokeExpr }
}

/** The workload's name is read back as ServiceName, its type not at all: so the manual has it. */
function invokeParaOf(world: World, trigger: TcrTrigger): TriggerInvokePara {
  return {
    AppId: String(world.account.appId),
    ClusterId: trigger.clusterId,
    Namespace: trigger.namespace,
    ServiceName: trigger.workloadName,
    ContainerName: trigger.containerName,
    ClusterRegion: trigger.clusterRegion,
  }
}

function orderOf(order: string | undefined): boolean {
  if (order !== undefined && !['', 'asc', 'desc'].includes(order.toLowerCase())) {
    throw new PlatformFault('InvalidParameterValue', `Order is "${order}"; it has to be asc or desc.`)
  }
  return order?.toLowerCase() !== 'asc'
}

function columnOf(orderBy: string | undefined): (entry: TcrTriggerLogEntry) => number | string {
  switch (orderBy || 'invoke_time') {
    case 'invoke_time':
      return (entry) => entry.invokedAt
    case 'trigger_name':
      return (entry) => entry.triggerName
    case 'repo_name':
      return (entry) => entry.trigger.repoName
    default:
      throw new PlatformFault('InvalidParameterValue', `OrderBy is "${orderBy}"; it has to be invoke_time, trigger_name or repo_name.`)
  }
}

function conditionOf(method: string, invokeExpr: string): Pick<TcrTrigger, 'invokeMethod' | 'invokeExpr'> {
  const invokeMethod = invokeMethods.find((known) => known === method)
  if (invokeMethod === undefined) {
    throw new PlatformFault('InvalidParameterValue', `InvokeMethod is "${method}"; it has to be one of ${invokeMethods.join(', ')}.`)
  }
  if (invokeMethod !== 'all' && invokeExpr === '') {
    throw new PlatformFault('MissingParameter', `InvokeExpr is missing; the method ${invokeMethod} needs one.`)
  }
  if (invokeExpr.length > expressionLimit) {
    throw new PlatformFault('InvalidParameterValue', `InvokeExpr has ${invokeExpr.length} characters; ${expressionLimit} are allowed.`)
  }
  if (invokeMethod === 'regex') {
    try {
      matchesAnywhere(invokeExpr, '')
    } catch (error) {
      if (error instanceof SyntaxError) {
        throw new PlatformFault('InvalidParameterValue', `InvokeExpr "${invokeExpr}" is no regular expression: ${error.message}.`)
      }
      throw error
    }
  }
  return { invokeMethod, invokeExpr }
}

function workloadTypeOf(text: string): TcrWorkloadType {
  const workloadType = workloadTypes.find((known) => known === text)
  if (workloadType === undefined) {
    throw new PlatformFault('InvalidParameterValue', `WorkloadType is "${text}"; it has to be one of ${workloadTypes.join(', ')}.`)
  }
  return workloadType
}
