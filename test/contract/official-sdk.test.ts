import { CommonClient } from 'tencentcloud-sdk-nodejs-common'
import { tke } from 'tencentcloud-sdk-nodejs-tke'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newWorld } from '#infra/sandbox/seeds/new-world.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'

/** The official SDK, as it is published, against the sandbox on a loopback port over plain HTTP. */

const temporary = { secretId: 'AKIDTEMPORARY', secretKey: 'a temporary key', token: 'a session token' }
const reader = { secretId: 'AKIDREADER', secretKey: 'a key that may read', allow: ['tcr:Describe*'] }

let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox({ world: newWorld(), credentials: [temporary, reader], rates: false })
  sandbox.push({ repo: 'shop/web', tag: 'v1' })
  sandbox.push({ repo: 'shop/web', tag: 'v2' })
})

afterAll(() => sandbox.close())

type SignMethod = 'TC3-HMAC-SHA256' | 'HmacSHA1' | 'HmacSHA256'
type HttpMethod = 'GET' | 'POST'

interface Choices {
  readonly signMethod?: SignMethod
  readonly reqMethod?: HttpMethod
  readonly credential?: { readonly secretId: string; readonly secretKey: string; readonly token?: string }
}

function profileOf({ signMethod = 'TC3-HMAC-SHA256', reqMethod = 'POST' }: Choices) {
  return { signMethod, httpProfile: { reqMethod, protocol: 'http://', endpoint: `127.0.0.1:${sandbox.port}`, reqTimeout: 5 } }
}

function clientOf(version: string, choices: Choices = {}): CommonClient {
  const { secretId, secretKey, token } = choices.credential ?? sandboxCredential
  const credential = { secretId, secretKey, ...(token === undefined ? {} : { token }) }
  return new CommonClient(`127.0.0.1:${sandbox.port}`, version, { credential, region: 'ap-guangzhou', profile: profileOf(choices) })
}

const ways: [SignMethod, HttpMethod][] = [
  ['TC3-HMAC-SHA256', 'POST'],
  ['TC3-HMAC-SHA256', 'GET'],
  ['HmacSHA1', 'POST'],
  ['HmacSHA1', 'GET'],
  ['HmacSHA256', 'POST'],
  ['HmacSHA256', 'GET'],
]

async function refusal(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'no refusal',
    (error: { code?: string }) => error.code ?? 'no code',
  )
}

describe.each(ways)('%s, %s', (signMethod, reqMethod) => {
  const choices = { signMethod, reqMethod }

  test('reads and writes, with numbers, lists, lists of structures and text of every kind', async () => {
    const tcr = clientOf('2019-09-24', choices)
    const tags = await tcr.request('DescribeImagePersonal', { RepoName: 'shop/web', Limit: 1, Offset: 1 })
    expect(tags.Data.TagCount).toBe(2)
    expect(tags.Data.TagInfo).toHaveLength(1)
    expect(tags.RequestId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const Description = `${signMethod} ${reqMethod}: a+b & c=d / 容器 %41 "quoted" 'single' ~!*()`
    await tcr.request('ModifyRepositoryInfoPersonal', { RepoName: 'shop/web', Description })
    const read = await tcr.request('DescribeRepositoryPersonal', { RepoName: 'shop/web' })
    expect(read.Data.Description).toBe(Description)
    await tcr.request('BatchDeleteImagePersonal', { RepoName: 'shop/web', Tags: Array.from({ length: 12 }, (_, index) => `none-${index}`) })
    const Filters = [
      { Name: 'RegistryType', Values: ['basic', 'premium'] },
      { Name: 'Status', Values: ['Running'] },
    ]
    expect((await tcr.request('DescribeInstances', { Filters, AllRegion: false })).TotalCount).toBe(0)
    expect(sandbox.journal.at(-1)).toMatchObject({ action: 'DescribeInstances', request: { Filters, AllRegion: false } })
  })

  test('is refused with the documented codes', async () => {
    const describe_ = (credential: Choices['credential']) =>
      refusal(
        clientOf('2019-09-24', { ...choices, ...(credential === undefined ? {} : { credential }) }).request('DescribeImagePersonal', {
          RepoName: 'shop/web',
        }),
      )
    expect(await describe_({ ...sandboxCredential, secretKey: 'wrong' })).toBe('AuthFailure.SignatureFailure')
    expect(await describe_({ ...sandboxCredential, secretId: 'AKIDNOBODY' })).toBe('AuthFailure.SecretIdNotFound')
    expect(await describe_(temporary)).toBe('no refusal')
    expect(await describe_({ ...temporary, token: 'another' })).toBe('AuthFailure.TokenFailure')
    expect(await describe_({ secretId: temporary.secretId, secretKey: temporary.secretKey })).toBe('AuthFailure.TokenFailure')
    expect(await describe_(reader)).toBe('no refusal')
    const write = clientOf('2019-09-24', { ...choices, credential: reader }).request('DeleteImagePersonal', {
      RepoName: 'shop/web',
      Tag: 'v1',
    })
    expect(await refusal(write)).toBe('AuthFailure.UnauthorizedOperation')
    const tcr = clientOf('2019-09-24', choices)
    expect(await refusal(tcr.request('DescribeNothing', {}))).toBe('InvalidAction')
    expect(await refusal(clientOf('2018-05-25', choices).request('DescribeImagePersonal', { RepoName: 'shop/web' }))).toBe('NoSuchVersion')
    expect(await refusal(tcr.request('DescribeImagePersonal', {}))).toBe('MissingParameter')
    expect(await refusal(tcr.request('DescribeImagePersonal', { RepoName: 'shop/web', Colour: 'red' }))).toBe('UnknownParameter')
    expect(await refusal(tcr.request('DescribeImagePersonal', { RepoName: 'shop/web', Limit: 'ten' }))).toBe('InvalidParameterValue')
    expect(await refusal(tcr.request('DescribeImagePersonal', { RepoName: 'shop/none' }))).toBe('ResourceNotFound.ErrNoRepo')
  })

  test('is refused when the clocks are more than five minutes apart, and only then', async () => {
    const { clock } = sandbox
    const tcr = clientOf('2019-09-24', choices)
    const now = Date.now()
    try {
      for (const minutes of [-6, 6]) {
        clock.set(now + minutes * 60_000)
        expect(await refusal(tcr.request('DescribeImagePersonal', { RepoName: 'shop/web' }))).toBe('AuthFailure.SignatureExpire')
      }
      for (const minutes of [-4, 4]) {
        clock.set(now + minutes * 60_000)
        expect(await refusal(tcr.request('DescribeImagePersonal', { RepoName: 'shop/web' }))).toBe('no refusal')
      }
    } finally {
      clock.set(Date.now())
    }
  })

  test('works for the client of TKE', async () => {
    const client = new tke.v20180525.Client({ credential: { ...sandboxCredential }, region: 'ap-guangzhou', profile: profileOf(choices) })
    const clusters = await client.DescribeClusters({ Limit: 20, Offset: 0 })
    expect([clusters.TotalCount, clusters.Clusters]).toEqual([0, []])
    const filtered = await client.DescribeClusters({ ClusterIds: ['cls-00000000'], Filters: [{ Name: 'ClusterName', Values: ['a', 'b'] }] })
    expect(filtered.TotalCount).toBe(0)
    const elsewhere = new tke.v20180525.Client({ credential: { ...sandboxCredential }, region: 'mars-north', profile: profileOf(choices) })
    expect(await refusal(elsewhere.DescribeClusters({}))).toBe('UnsupportedRegion')
    const nowhere = new tke.v20180525.Client({ credential: { ...sandboxCredential }, region: '', profile: profileOf(choices) })
    expect(await refusal(nowhere.DescribeClusters({}))).toBe('MissingParameter')
  })
})
