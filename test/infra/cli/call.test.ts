import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { runWords } from './run-words.ts'

interface Vector {
  readonly name: string
  readonly inputs: {
    readonly signMethod: string
    readonly secretId: string
    readonly secretKey: string
    readonly token: string | null
    readonly host: string
    readonly service: string
    readonly action: string
    readonly region: string | null
    readonly timestamp: number
    readonly method: string
    readonly language: string | null
    readonly params: unknown
  }
  readonly outputs: { readonly bodyUtf8: string; readonly authorization: string; readonly path: string }
  readonly independentCheck: { readonly accept: boolean }
}

const vectors: readonly Vector[] = JSON.parse(await readFile(join(import.meta.dirname, '../../vectors/signing.json'), 'utf8')).vectors

let sandbox: Sandbox
const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }

beforeAll(async () => {
  sandbox = await startSandbox()
})

afterAll(async () => {
  await sandbox.close()
})

function onSandbox(...words: string[]): ReturnType<typeof runWords> {
  return runWords(['call', ...words, '--endpoint', sandbox.url, '--region', 'ap-guangzhou'], { env })
}

describe('longshore call --dry-run', () => {
  const tc3 = vectors.filter(
    ({ inputs, independentCheck }) =>
      independentCheck.accept && inputs.signMethod === 'TC3-HMAC-SHA256' && inputs.method === 'POST' && inputs.service !== 'cvm',
  )

  it.each(tc3.map((vector) => [vector.name, vector] as const))('signs %s as recorded', async (_, { inputs, outputs }) => {
    const { code, out } = await runWords(
      [
        ...['call', inputs.service, inputs.action, '--dry-run', '--raw', '--body', outputs.bodyUtf8],
        ...['--timestamp', String(inputs.timestamp), '--endpoint', `https://${inputs.host}`],
        ...(inputs.region === null ? [] : ['--region', inputs.region]),
        ...(inputs.language === null ? [] : ['--language', inputs.language]),
      ],
      {
        env: {
          TENCENTCLOUD_SECRET_ID: inputs.secretId,
          TENCENTCLOUD_SECRET_KEY: inputs.secretKey,
          ...(inputs.token === null ? {} : { TENCENTCLOUD_TOKEN: inputs.token }),
        },
      },
    )
    expect(code).toBe(0)
    const printed = JSON.parse(out)
    expect(Object.keys(printed)).toEqual(['method', 'url', 'headers', 'body', 'curl'])
    expect(printed.body).toBe(outputs.bodyUtf8)
    // Vectors with another content type sign another text; the command line always sends application/json.
    if (outputs.authorization !== '' && !/octet-stream|lowercase-content-type/.test(_)) {
      expect(printed.headers.Authorization).toBe(outputs.authorization)
    }
  })

  it("reproduces the manual's signatures for the manual's own inputs", async () => {
    const manual = {
      TENCENTCLOUD_SECRET_ID: 'AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE',
      TENCENTCLOUD_SECRET_KEY: 'Gu5t9xGARNpq86cd98joQYCN3EXAMPLE',
    }
    const v3 = await runWords(
      'call cvm DescribeInstances --raw --method GET --params {"Limit":10,"Offset":0} --timestamp 1539084154 --region shjr --endpoint https://cvm.finance.cloud.tencent.com --dry-run'.split(
        ' ',
      ),
      { env: manual },
    )
    expect(JSON.parse(v3.out).headers.Authorization).toContain('Signature=e58ba76f0ad56875e1ef9f67e4930f28ba11e300c6f055aace641b06f433ff1b')
    const v1 = await runWords(
      'call cvm DescribeInstances --raw --method GET --sign-method HmacSHA1 --params {"InstanceIds":["ins-09dx96dg"],"Limit":20,"Offset":0} --timestamp 1465185768 --nonce 11886 --region shjr --endpoint https://cvm.finance.cloud.tencent.com --dry-run'.split(
        ' ',
      ),
      { env: manual },
    )
    expect(new URL(JSON.parse(v1.out).url).searchParams.get('Signature')).toBe('8UAj5grJNx3uGNuyi0M6Gd1f5gY=')
  })

  it('sends nothing', async () => {
    const calls = sandbox.journal.length
    const { code } = await onSandbox('tke', 'DescribeClusters', '--dry-run')
    expect(code).toBe(0)
    expect(sandbox.journal.length).toBe(calls)
  })

  it('prints a curl command that the platform accepts', async () => {
    const { out } = await onSandbox(
      'tke',
      'DescribeClusters',
      '--dry-run',
      '--params',
      `{"Filters":[{"Name":"ClusterName","Values":["it's"]}]}`,
    )
    const { curl, url, method, headers, body } = JSON.parse(out)
    expect(curl).toContain(String.raw`it'\''s`)
    const answer = await fetch(url, { method, headers, body })
    expect(await answer.json()).toMatchObject({ Response: { TotalCount: 0 } })
  })
})

describe('longshore call', () => {
  it.each([
    [['--method', 'POST']],
    [['--method', 'GET']],
    [['--sign-method', 'HmacSHA1', '--method', 'GET']],
    [['--sign-method', 'HmacSHA256']],
    [['--timestamp', String(Math.floor(Date.now() / 1000))]],
  ])('sends and prints the answer with %j', async (more) => {
    const { code, out, err } = await onSandbox('tke', 'DescribeClusters', ...more)
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(JSON.parse(out).TotalCount).toBe(3)
  })

  it.each([
    [['tke', 'DescribeCluster'], /no action "DescribeCluster".*DescribeClusters/],
    [['tcr', 'DescribeClusters'], /belongs to tke/],
    ...['toString', 'constructor', '__proto__', 'hasOwnProperty'].map(
      (name) => [['tke', name], new RegExp(`tke has no action "${name}"\\.(?! It belongs)`)] as [string[], RegExp],
    ),
    ...['toString', 'constructor', '__proto__'].map((service) => [[service, 'DescribeClusters'], /no service/] as [string[], RegExp]),
    [['constructor', 'DescribeClusters', '--raw'], /no service "constructor"/],
    [['tk', 'DescribeClusters'], /no service "tk".*tcr and tke/],
    [['tke'], /name a service and an action/],
    [['tke', 'DescribeClusters', '{}'], /one word too many/],
    [['tke', 'DescribeClusters', '--params', '{"Limitt":1}'], /Limitt.*Limit/],
    [['tke', 'DescribeClusters', '--params', '{"Limit":"1"}'], /Limit must be a whole number/],
    [['tke', 'DescribeClusters', '--params', '{"Filters":[{"Name":"x"}]}'], /Filters\[0\]\.Values is required/],
    [['tke', 'DescribeClusters', '--params', '[]'], /takes a JSON object/],
    [['tke', 'DescribeClusters', '--params', '{'], /--params takes JSON/],
    [['tke', 'DeleteCluster'], /ClusterId is required/],
    [['tke', 'DescribeClusters', '--method', 'PUT'], /POST or GET/],
    [['tke', 'DescribeClusters', '--sign-method', 'MD5'], /HmacSHA1/],
    [['tke', 'DescribeClusters', '--sign-method', 'HmacSHA1', '--body', '{}'], /TC3 POST/],
    [['tke', 'DescribeClusters', '--timestamp', 'now'], /whole number/],
    [['tke', 'DescribeClusters', '--frob'], /frob/],
  ])('refuses %j, calls nothing and says why', async (words, why) => {
    const calls = sandbox.journal.length
    const { code, err, out } = await onSandbox(...words)
    expect(code).toBe(1)
    expect(out).toBe('')
    expect(err).toMatch(why)
    expect(sandbox.journal.length).toBe(calls)
  })

  it('names the cluster that does not exist', async () => {
    const { code, err } = await onSandbox('tke', 'DescribeClusterEndpoint', '--params', '{"ClusterId":"cls-00000000"}')
    expect(code).toBe(1)
    expect(err).toMatch(/tke\.DescribeClusterEndpoint/)
    expect(err).toMatch(/cls-00000000/)
  })

  it('says what to do about missing and wrong credentials, and never shows the key', async () => {
    const words = ['call', 'tke', 'DescribeClusters', '--endpoint', sandbox.url, '--region', 'ap-guangzhou']
    const wrong = await runWords(words, { env: { ...env, TENCENTCLOUD_SECRET_KEY: 'WrongKeyWrongKeyWrongKeyWrongKey' } })
    expect(wrong.code).toBe(1)
    expect(wrong.err).toMatch(/AuthFailure\.SignatureFailure/)
    expect(wrong.err).toMatch(/TENCENTCLOUD_SECRET_KEY/)
    expect(wrong.err).not.toContain('WrongKey')
    const half = await runWords(words, { env: { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId } })
    expect(half.code).toBe(1)
    expect(half.err).toMatch(/TENCENTCLOUD_SECRET_KEY|secret key/)
  })

  it('explains a clock that is an hour off when the platform refuses a fixed time', async () => {
    const { code, err } = await onSandbox('tke', 'DescribeClusters', '--timestamp', String(Math.floor(Date.now() / 1000) - 3600))
    expect(code).toBe(1)
    expect(err).toMatch(/AuthFailure\.SignatureExpire/)
    expect(err).toMatch(/clock/)
  })

  it('names an endpoint where nobody listens', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const { code, err } = await runWords(['call', 'tke', 'DescribeClusters', '--region', 'x', '--endpoint', `http://127.0.0.1:${port}`], {
      env,
    })
    expect(code).toBe(1)
    expect(err).toContain(`127.0.0.1:${port}`)
    expect(err).toMatch(/ECONNREFUSED/)
  })

  it('trusts the certificate authority of platform.caFile, whichever way it sends', async () => {
    const fixtures = join(import.meta.dirname, '../../fixtures/tls')
    const folder = await mkdtemp(join(tmpdir(), 'longshore-call-'))
    const server = createTlsServer(
      { key: await readFile(join(fixtures, 'server-key.pem')), cert: await readFile(join(fixtures, 'server.pem')) },
      (_, response) => response.end(JSON.stringify({ Response: { TotalCount: 7, Clusters: [], RequestId: 'tls' } })),
    )
    try {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      const words = ['call', 'tke', 'DescribeClusters', '--region', 'x', '--endpoint', `https://localhost:${port}`]
      const both = [words, [...words, '--timestamp', String(Math.floor(Date.now() / 1000))]]
      for (const each of both)
        expect(await runWords(each, { env, cwd: folder })).toMatchObject({ code: 1, err: expect.stringMatching(/platform\.caFile/) })
      await writeFile(join(folder, 'longshore.yaml'), 'platform:\n  caFile: ca.pem\n')
      for (const each of both)
        expect((await runWords(each, { env, cwd: folder })).err).toMatch(/platform\.caFile: .*cannot be read \(ENOENT\)/)
      await copyFile(join(fixtures, 'ca.pem'), join(folder, 'ca.pem'))
      for (const each of both) {
        const { code, out, err } = await runWords(each, { env, cwd: folder })
        expect({ code, err }).toEqual({ code: 0, err: '' })
        expect(JSON.parse(out).TotalCount).toBe(7)
      }
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true })
    }
  })

  it('names a proxy variable that it cannot use, and shows nothing of it', async () => {
    for (const https_proxy of [
      'http://user:hunter2%@proxy.example:3128',
      'user:hunter2%zz@proxy.example:3128',
      'socks5://user:hunter2@proxy',
    ]) {
      const { code, err } = await runWords(['call', 'tke', 'DescribeClusters', '--region', 'x', '--endpoint', sandbox.url], {
        env: { ...env, https_proxy },
      })
      expect(code).toBe(1)
      expect(err).toMatch(/https_proxy/)
      expect(err).not.toContain('hunter2')
    }
  })

  it('refuses plain HTTP to another machine', async () => {
    const { code, err } = await runWords(
      ['call', 'tke', 'DescribeClusters', '--region', 'x', '--endpoint', 'http://platform.example.com'],
      { env },
    )
    expect(code).toBe(1)
    expect(err).toMatch(/allowInsecureHttp/)
  })
})
