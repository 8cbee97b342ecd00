import { createRequire } from 'node:module'
import type sdkSignModule from 'tencentcloud-sdk-nodejs-common/tencentcloud/common/sign.js'
import { signTc3 } from '#cloud/sign.ts'
import { median } from './median.ts'
import type { Comparison } from './section.ts'

// By require, since what `import` makes of a CommonJS default export depends on who runs it.
const sdkSign: typeof sdkSignModule = createRequire(import.meta.url)('tencentcloud-sdk-nodejs-common/tencentcloud/common/sign.js')

export interface SignatureRow {
  readonly signer: string
  readonly signaturesPerSecond: number
  readonly timesSdk: number
}

const credentials = { secretId: 'AKIDBENCHBENCHBENCHBENCHBENCHEXAMPLE', secretKey: 'BenchKeyForLocalUseOnlyEXAMPLE00' }
const params = { ClusterIds: ['cls-a1b2c3d4'], Limit: 20, Filters: [{ Name: 'ClusterName', Values: ['production'] }] }
const host = 'tke.tencentcloudapi.com'
const startAt = 1_700_000_000

function signOurs(timestamp: number): void {
  signTc3({
    credentials,
    method: 'POST',
    host,
    service: 'tke',
    action: 'DescribeClusters',
    version: '2018-05-25',
    region: 'ap-guangzhou',
    params,
    timestamp,
  })
}

/** Only the SDK's signature; ours writes the body and the headers as well. */
function signTheirs(timestamp: number): void {
  sdkSign.default.sign3({
    method: 'POST',
    url: `https://${host}/`,
    payload: params,
    timestamp,
    service: 'tke',
    ...credentials,
    multipart: false,
    boundary: '',
    headers: { 'Content-Type': 'application/json', Host: host },
  })
}

/** Signatures per second of our signer and the SDK's, one thread, in turn. */
export function measureSignatures(options: { readonly rounds: number; readonly sliceMs: number }): readonly SignatureRow[] {
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = -1; round < options.rounds; round += 1) {
    const rates = [slice(signOurs, options.sliceMs), slice(signTheirs, options.sliceMs)]
    // The first round only warms up.
    if (round === -1) continue
    ours.push(rates[0] ?? 0)
    theirs.push(rates[1] ?? 0)
  }
  const sdk = median(theirs)
  return [
    { signer: 'Longshore', signaturesPerSecond: Math.round(median(ours)), timesSdk: Math.round((median(ours) / sdk) * 100) / 100 },
    { signer: 'official SDK', signaturesPerSecond: Math.round(sdk), timesSdk: 1 },
  ]
}

/** Ours against the official SDK's. */
export function compareSignatures(rows: readonly SignatureRow[]): readonly Comparison[] {
  const [ours, sdk] = rows
  if (ours === undefined || sdk === undefined) return []
  const figures = { ours: ours.signaturesPerSecond.toLocaleString('en-US'), peer: sdk.signaturesPerSecond.toLocaleString('en-US') }
  return [{ what: 'signatures per second, against the official SDK', times: ours.timesSdk, ...figures }]
}

function slice(sign: (timestamp: number) => void, sliceMs: number): number {
  const startedAt = performance.now()
  let count = 0
  while (performance.now() - startedAt < sliceMs) {
    for (let index = 0; index < 50; index += 1) sign(startAt + ((count + index) % 3600))
    count += 50
  }
  return (count * 1000) / (performance.now() - startedAt)
}
