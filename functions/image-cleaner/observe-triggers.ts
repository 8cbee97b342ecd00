import type { CloudReader } from '#cloud/cloud.ts'
import { DescribeApplicationTriggerPersonal } from '#cloud/generated/tcr/describe-application-trigger-personal.ts'
import type { TriggerResp } from '#cloud/generated/tcr/structures.ts'
import { pages } from '#cloud/pages.ts'
import type { ImageReference } from './references.ts'

/** Whether a trigger of the registry names any tag. Those that go by all tags or a pattern name none. Throws CloudError. */
export async function triggersNameTags(cloud: CloudReader): Promise<boolean> {
  return (await pages(cloud, DescribeApplicationTriggerPersonal, {})).some((row) => tagsOf(row).length > 0)
}

/**
 * The tags of a repository that triggers of the registry deploy. A trigger does not say of which repository it is, so each is
 * asked for its own. Throws CloudError.
 */
export async function observeTriggers(cloud: CloudReader, repository: string, now: number): Promise<readonly ImageReference[]> {
  const rows = await pages(cloud, DescribeApplicationTriggerPersonal, { RepoName: repository })
  return rows.flatMap((row) =>
    tagsOf(row).map((tag): ImageReference => {
      const { TriggerName, InvokePara } = row
      return { repository, tag, via: 'trigger', cluster: InvokePara?.ClusterId ?? '', object: `trigger ${TriggerName ?? ''}`, seenMs: now }
    }),
  )
}

/** The manual does not say what stands between two names; none of what could is a character of a tag. */
function tagsOf({ InvokeCondition }: TriggerResp): readonly string[] {
  if (InvokeCondition?.InvokeMethod !== 'taglist') return []
  return (InvokeCondition.InvokeExpr ?? '').split(/[,;|\s]+/).filter((tag) => tag !== '')
}
