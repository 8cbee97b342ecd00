import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { clusterA, hint, image, openLocalStage, type Stage, saying, webRule } from './stage.ts'

const rules = { rules: [webRule()] }
let stage: Stage

beforeEach(() => {
  stage = openLocalStage()
  stage.push('team/web', '1.0.0', 10)
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', '1.0.0'), replicas: 2 }))
  stage.settle(30_000)
})

afterEach(async () => {
  await stage.close()
})

/** The platform as usual, but somebody annotates the workload right before the first write arrives. */
function annotatedBefore(annotations: Readonly<Record<string, string>>): CloudWriter {
  let isDone = false
  return {
    send: async (action, request, options) => {
      if (Reflect.get(request, 'Method') === 'PATCH' && !isDone) {
        isDone = true
        const path = '/apis/apps/v1/namespaces/prod/deployments/web'
        const body = JSON.stringify({ metadata: { annotations } })
        const state = stage.world.kubernetes[clusterA]
        if (state === undefined) throw new Error('there is no such cluster')
        handleKubernetes(
          state,
          { method: 'PATCH', contentType: 'application/merge-patch+json', path, body },
          { now: stage.now(), random: () => 0.5 },
        )
      }
      return await stage.cloud.send(action, request, options)
    },
  }
}

describe('a workload that somebody opts out right between the look at it and the write', () => {
  it('keeps its image', async () => {
    await stage.tick(rules)
    stage.push('team/web', '1.0.1', 0)
    const report = await stage.pushed(rules, [hint('1.0.1')], { cloud: annotatedBefore({ 'longshore.dev/opt-out': 'true' }) })
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    expect(saying(report, 'Held')).toEqual(['Held opt-out'])
  })

  it('gets it all the same when what was annotated is something else', async () => {
    await stage.tick(rules)
    stage.push('team/web', '1.0.1', 0)
    const report = await stage.pushed(rules, [hint('1.0.1')], { cloud: annotatedBefore({ 'example.com/note': 'hello' }) })
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
    expect(saying(report, 'Applied')).toEqual(['Applied newer-push'])
  })
})
