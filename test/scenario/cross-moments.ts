import type { CloudWriter } from '#cloud/cloud.ts'
import type { Store } from '#shared/safety/store.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { interfering } from '../functions/image-cleaner/interfering.ts'
import { type CrossStage, image, newestOnly, openCrossStage, ownDisk, webRule } from './cross-stage.ts'

/** What became of the image that one function wanted to deploy and the other one wanted to remove. */
export type End = 'deployed there' | 'left there' | 'left gone' | 'deployed gone'

/** Everything that a run reads or writes goes by here; right before the nth of it somebody else does all of his. */
interface Moments {
  readonly count: () => number
  readonly cloud: CloudWriter
  readonly store: Store
}

function momentsOf(stage: CrossStage, nth: number, act: () => Promise<void>): Moments {
  const own = openMemoryStore(stage.disk)
  let count = 0
  const passed = async (): Promise<void> => {
    count += 1
    if (count === nth) await act()
  }
  return {
    count: () => count,
    cloud: interfering(stage.cloud, { before: passed }),
    store: {
      name: own.name,
      get: async (...of) => {
        await passed()
        return await own.get(...of)
      },
      put: async (...of) => {
        await passed()
        return await own.put(...of)
      },
      delete: async (...of) => {
        await passed()
        return await own.delete(...of)
      },
      query: async (...of) => {
        await passed()
        return await own.query(...of)
      },
      close: () => own.close(),
    },
  }
}

/** A registry in which 1.0.1 is wanted by a rule of the hook, and by no policy of the cleaner. */
async function openContest(): Promise<CrossStage> {
  const stage = await openCrossStage({ sockets: false })
  stage.settings['image-cleaner'] = newestOnly()
  stage.settings['redeploy-hook'] = { rules: [webRule()], pullSecrets: 'ignored' }
  stage.deploy('web', image('team/web', '1.0.0'), { replicas: 1 })
  stage.push('team/web', '1.0.1', 9)
  stage.push('team/web', 'nightly')
  return stage
}

export interface Contest {
  /** Whose run is interrupted. */
  readonly first: 'image-cleaner' | 'redeploy-hook'
  /** The moment right before which the other one has all of its run; never with 0. */
  readonly nth: number
  /** The two know nothing of each other; false when absent. */
  readonly apart?: boolean
}

/**
 * One of the two runs, and right before its nth moment all of the other one. Answers what became of the image, and how many moments
 * there were.
 */
export async function contest({ first, nth, apart = false }: Contest): Promise<{ readonly end: End; readonly moments: number }> {
  const stage = await openContest()
  const other = first === 'image-cleaner' ? 'redeploy-hook' : 'image-cleaner'
  const moments = momentsOf(stage, nth, async () => {
    await stage.run(other, { pushed: ['team/web'], ...(apart ? { disk: ownDisk() } : {}) })
  })
  await stage.run(first, { cloud: moments.cloud, store: moments.store, pushed: ['team/web'] })
  const isThere = stage.tags('team/web').includes('1.0.1')
  const isDeployed = stage.imageOf('web') === image('team/web', '1.0.1')
  await stage.close()
  return { end: `${isDeployed ? 'deployed' : 'left'} ${isThere ? 'there' : 'gone'}`, moments: moments.count() }
}
