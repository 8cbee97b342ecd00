import { expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import { DeleteClusterInstances } from '#cloud/generated/tke/delete-cluster-instances.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { NotedCloud } from '#functions/alarm-scaler/noted-cloud.ts'

it('the journal keeps the RequestId of what was asked of the platform, not of a reading or of the record', async () => {
  const cloud = { send: async (action: { readonly name: string }) => ({ RequestId: `id of ${action.name}` }) } as unknown as CloudWriter
  const noted = new NotedCloud(cloud)
  await noted.send(DescribeClusters, {})
  expect(noted.requestId).toBeUndefined()
  await noted.send(DeleteClusterInstances, { ClusterId: 'cls-1', InstanceIds: ['ins-1'] })
  await noted.send(DescribeClusters, {})
  expect(noted.requestId).toBe('id of DeleteClusterInstances')
})
