import type { CloudReader, CloudWriter } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { CreateApplicationTriggerPersonal } from '#cloud/generated/tcr/create-application-trigger-personal.ts'
import { DeleteApplicationTriggerPersonal } from '#cloud/generated/tcr/delete-application-trigger-personal.ts'
import { DescribeApplicationTriggerPersonal } from '#cloud/generated/tcr/describe-application-trigger-personal.ts'
import { ModifyApplicationTriggerPersonal } from '#cloud/generated/tcr/modify-application-trigger-personal.ts'
import type { TriggerResp } from '#cloud/generated/tcr/structures.ts'
import { pages } from '#cloud/pages.ts'
import type { StepResult } from '#shared/pure/step.ts'
import type { Settlement } from '#shared/safety/settle-claim.ts'
import type { TriggerChange, TriggerFacts } from './change.ts'

/**
 * The triggers of one repository, as the API reads them. It does not say of which repository a trigger is, nor which kind of
 * workload it updates: the repository is the one that was asked for. Throws CloudError.
 */
export async function readTriggers(cloud: CloudReader, repository: string): Promise<readonly TriggerFacts[]> {
  const rows = await pages(cloud, DescribeApplicationTriggerPersonal, { RepoName: repository })
  return rows.map((row) => triggerOf(row, repository))
}

/** One trigger by its name; undefined when there is none. */
async function readTrigger(cloud: CloudReader, repository: string, name: string): Promise<TriggerFacts | undefined> {
  const rows = await pages(cloud, DescribeApplicationTriggerPersonal, { RepoName: repository, TriggerName: name })
  const row = rows.find(({ TriggerName }) => TriggerName === name)
  return row === undefined ? undefined : triggerOf(row, repository)
}

function triggerOf({ TriggerName, InvokeCondition, InvokePara }: TriggerResp, repository: string): TriggerFacts {
  const method = InvokeCondition?.InvokeMethod
  return {
    name: TriggerName ?? '',
    repository,
    method: method === 'taglist' || method === 'regex' ? method : 'all',
    expression: InvokeCondition?.InvokeExpr ?? '',
    cluster: InvokePara?.ClusterId ?? '',
    namespace: InvokePara?.Namespace ?? '',
    workload: InvokePara?.ServiceName ?? '',
    container: InvokePara?.ContainerName ?? '',
    regionId: Number(InvokePara?.ClusterRegion ?? 0),
  }
}

/**
 * Makes, changes or removes a trigger of the registry. It is read again first: one that is as it should be already is no change, one
 * that somebody has changed since the plan is left alone. Throws CloudError.
 */
export async function applyTrigger(change: TriggerChange, cloud: CloudWriter): Promise<StepResult> {
  const facts = change.kind === 'trigger-delete' ? change.from : change.to
  const there = await readChanged(change, cloud)
  switch (change.kind) {
    case 'trigger-delete': {
      if (there === undefined) return noChange('it is gone already')
      if (!sameTrigger(there, change.from)) return moved
      try {
        const { RequestId } = await cloud.send(DeleteApplicationTriggerPersonal, { TriggerName: facts.name })
        return { outcome: 'Applied', requestId: RequestId }
      } catch (error) {
        if (error instanceof CloudError && error.code === 'ResourceNotFound.ErrNoTrigger') return noChange('it is gone already')
        throw error
      }
    }
    case 'trigger-create': {
      if (there !== undefined) return sameTrigger(there, change.to) ? noChange('it is there already') : moved
      const { RequestId } = await cloud.send(CreateApplicationTriggerPersonal, { TriggerName: facts.name, ...requestOf(change) })
      return { outcome: 'Applied', requestId: RequestId }
    }
    case 'trigger-modify': {
      if (there === undefined) return moved
      // Which kind of workload it updates is not to be seen: where that is all that differs, only writing makes sure.
      if (sameTrigger(there, change.to) && !sameTrigger(change.from, change.to)) return noChange('it is as it should be already')
      if (!sameTrigger(there, change.from)) return moved
      const { RequestId } = await cloud.send(ModifyApplicationTriggerPersonal, { TriggerName: change.from.name, ...requestOf(change) })
      return { outcome: 'Applied', requestId: RequestId }
    }
  }
}

const moved: StepResult = {
  outcome: 'Skipped',
  reason: { code: 'world-changed', text: 'somebody has changed the trigger since the plan; the next look decides' },
}

function noChange(text: string): StepResult {
  return { outcome: 'NoChange', reason: { code: 'already-applied', text } }
}

function requestOf({ to, workloadKind }: Exclude<TriggerChange, { readonly kind: 'trigger-delete' }>) {
  return {
    RepoName: to.repository,
    InvokeMethod: to.method,
    ...(to.expression === '' ? {} : { InvokeExpr: to.expression }),
    ClusterId: to.cluster,
    Namespace: to.namespace,
    WorkloadType: workloadKind,
    WorkloadName: to.workload,
    ContainerName: to.container,
    ClusterRegion: to.regionId,
  }
}

/** The trigger that a change is about: where it should be, or else where it was at the plan. */
async function readChanged(change: TriggerChange, cloud: CloudReader): Promise<TriggerFacts | undefined> {
  const facts = change.kind === 'trigger-delete' ? change.from : change.to
  const there = await readTrigger(cloud, facts.repository, facts.name)
  if (there !== undefined || change.kind !== 'trigger-modify' || change.from.repository === facts.repository) return there
  return await readTrigger(cloud, change.from.repository, change.from.name)
}

/** Says by reading whether such a write has arrived. Every one names an end state, so the end state tells, as far as it is to be seen. */
export async function settleTrigger(change: TriggerChange, cloud: CloudReader): Promise<Settlement> {
  const there = await readChanged(change, cloud)
  switch (change.kind) {
    case 'trigger-delete':
      return there === undefined ? 'applied' : 'not-applied'
    case 'trigger-create':
      if (there === undefined) return 'not-applied'
      return sameTrigger(there, change.to) ? 'applied' : 'unknown'
    case 'trigger-modify':
      if (there === undefined) return 'unknown'
      // Where only the kind differs nobody sees whether it arrived; written twice it is the same.
      return sameTrigger(there, change.to) && !sameTrigger(change.from, change.to) ? 'applied' : 'not-applied'
  }
}

/** Whether two triggers do the same, as far as the API tells: it hides the kind of the workload. */
export function sameTrigger(one: TriggerFacts, other: TriggerFacts): boolean {
  return (
    one.name === other.name &&
    one.repository === other.repository &&
    one.method === other.method &&
    one.expression === other.expression &&
    one.cluster === other.cluster &&
    one.namespace === other.namespace &&
    one.workload === other.workload &&
    one.container === other.container &&
    one.regionId === other.regionId
  )
}
