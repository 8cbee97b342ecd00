import { describe, expect, it } from 'vitest'
import { type ClientOptions, createClient } from '#cloud/client.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import type { WireRequest } from '#cloud/wire.ts'
import { manualClock, settle } from './manual-clock.ts'

/** A client whose calls are answered at once, in time that stands still. */
function stage(options: Partial<ClientOptions>, answer: (request: WireRequest, index: number) => object) {
  const clock = manualClock()
  const departures: number[] = []
  const client = createClient({
    credentials: staticCredentials({ secretId: 'AKIDrates', secretKey: 'rates' }),
    region: 'ap-guangzhou',
    endpoint: { kind: 'url', url: 'https://platform.invalid' },
    clock,
    transport: {
      send: (request) => {
        request.onDeparture?.()
        departures.push(clock.monotonic())
        const body = Buffer.from(JSON.stringify({ Response: { ...answer(request, departures.length - 1), RequestId: 'r' } }))
        return Promise.resolve({ status: 200, headers: {}, body })
      },
      close: () => Promise.resolve(),
    },
    random: () => 0.5,
    ...options,
  })
  return { client, clock, departures }
}

const tags = { Data: { TagCount: 0, TagInfo: [], Server: '', RepoName: 'a/b' } }
const refusal = { Error: { Code: 'RequestLimitExceeded', Message: 'too many' } }
const rest = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await settle()
}

describe('a share of the published rate', () => {
  it('can be another one for a service: all 20 calls of the registry, and 16 of the clusters', async () => {
    const registry = stage({ rateShares: { tcr: 1 } }, () => tags)
    for (let call = 0; call < 25; call += 1) void registry.client.send(DescribeImagePersonal, { RepoName: 'a/b' })
    await rest()
    expect(registry.departures).toHaveLength(20)
    const clusters = stage({ rateShares: { tcr: 1 } }, () => ({ TotalCount: 0, Clusters: [] }))
    for (let call = 0; call < 25; call += 1) void clusters.client.send(DescribeClusters, {})
    await rest()
    expect(clusters.departures).toHaveLength(16)
  })

  it('that is none is refused when the client is made', () => {
    for (const share of [0, -1, 1.1, Number.NaN])
      expect(() => stage({ rateShares: { tcr: share } }, () => tags)).toThrow(`rateShares.tcr is ${share}`)
    expect(() => stage({ rateShares: { tcr: undefined } }, () => tags)).not.toThrow()
  })

  it('when the platform refuses a call for its rate, calls leave further apart from then on', async () => {
    const { client, clock, departures } = stage({ rateShares: { tcr: 1 } }, (_request, index) => (index === 3 ? refusal : tags))
    const all = Array.from({ length: 60 }, () => client.send(DescribeImagePersonal, { RepoName: 'a/b' }))
    await rest()
    expect(departures).toHaveLength(20)
    await clock.advance(1092)
    expect(departures).toHaveLength(20)
    await clock.advance(1)
    await rest()
    expect(departures).toHaveLength(40)
    await clock.advance(5000)
    await rest()
    expect(await Promise.all(all)).toHaveLength(60)
    expect(departures).toHaveLength(61)
  })
})
