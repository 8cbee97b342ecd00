import { asReader } from '#cloud/client.ts'
import { applyRemove } from '#functions/image-cleaner/apply-remove.ts'
import { tcrReader, tcrWriter } from '#functions/image-cleaner/registry-tcr.ts'
import { networks } from './registry-rate.ts'
import { registryWorld, repositoryName } from './registry-world.ts'
import { goal, type Measured, type Section } from './section.ts'
import { startVirtualPlatform } from './virtual-platform.ts'

export interface RegistryCallsRow {
  readonly tags: number
  readonly removed: number
  /** Which other tags have the content, before the batch. */
  readonly sameContent: number
  /** Each tag read again right before, and once more afterwards. */
  readonly reads: number
  readonly removals: number
  readonly callsPerTag: number
  /** In virtual time, from the first look to the last. */
  readonly seconds: number
}

const startMs = Date.parse('2026-11-24T01:00:00Z')
const timeZone = 'Asia/Shanghai'
const batch = 20

/** What removing one batch of tags asks of the platform, the looks before and after it among that. */
export const registryCalls: Section = {
  name: 'registryCalls',
  title: 'Calls for removing a batch of 20 tags from TCR Personal:',
  measure: () => measureRegistryCalls(),
}

export async function measureRegistryCalls(): Promise<Measured<RegistryCallsRow>> {
  const rows = [await removeBatch(300), await removeBatch(1500), await removeBatch(5000)]
  const most = Math.max(...rows.map(({ callsPerTag }) => callsPerTag))
  return {
    rows,
    goals: [
      goal('calls for a removed tag', most, { most: 3 }),
      goal('a batch', Math.max(...rows.map(({ seconds }) => seconds)), { most: 5 }, 's'),
    ],
  }
}

async function removeBatch(size: number): Promise<RegistryCallsRow> {
  const platform = startVirtualPlatform({
    world: registryWorld({ sizes: [size] }, startMs),
    network: networks.usual,
    startMs,
    seed: 13,
    rateShares: { tcr: 1 },
  })
  const repository = repositoryName(0)
  const listed = await platform.run(tcrReader(asReader(platform.client), { timeZone }).tags(repository))
  const before = platform.arrivals.length
  const tags = listed.slice(-batch).map(({ name, contentId, imageId, pushedMs = startMs, sizeBytes }) => ({
    content: contentId,
    name,
    contentId,
    ...(imageId === undefined ? {} : { imageId }),
    pushedMs,
    sizeBytes,
  }))
  const { name = '', contentId = '' } = listed[0] ?? {}
  const change = { kind: 'remove' as const, repository, stays: { name, contentId }, total: size, policies: ['bench'], tags }
  const begin = platform.now()
  let seconds = 0
  const result = await platform.run(
    applyRemove(change, tcrWriter(platform.client, { timeZone })).then((done) => {
      seconds = (platform.now() - begin) / 1000
      return done
    }),
  )
  if (result.outcome !== 'Applied') throw new Error(`the batch came to ${result.outcome}: ${result.reason?.text ?? ''}`)
  const calls = platform.arrivals.slice(before)
  const of = (action: string): number => calls.filter((call) => call.action === action).length
  return {
    tags: size,
    removed: tags.length,
    sameContent: of('DescribeImageFilterPersonal'),
    reads: of('DescribeImagePersonal'),
    removals: of('BatchDeleteImagePersonal'),
    callsPerTag: Math.round((calls.length / tags.length) * 100) / 100,
    seconds: Math.round(seconds * 100) / 100,
  }
}
