import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { CloudError } from '#cloud/errors.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { type Config, ConfigError, type CredentialsSetting } from '#shared/runtime/config.ts'
import { type ConnectOptions, connect } from '#shared/runtime/connect.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { type CountingCloud, startCountingCloud } from './counting-cloud.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/tls')

let cloud: CountingCloud
let folder: string
beforeAll(async () => {
  cloud = await startCountingCloud()
})
afterAll(async () => {
  await cloud.close()
})
beforeEach(async () => {
  cloud.calls.length = 0
  folder = await mkdtemp(join(tmpdir(), 'longshore-connect-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

function configOf(credentials: CredentialsSetting, platform: Partial<Config['platform']> = {}): Config {
  return {
    mode: 'plan',
    platform: {
      endpoint: { kind: 'url', url: cloud.url },
      region: 'ap-guangzhou',
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials,
      ...platform,
    },
    clusters: [],
    store: { kind: 'memory' },
    functions: {},
  }
}

function optionsOf(options: Partial<ConnectOptions> = {}): ConnectOptions {
  return { env: {}, clock: systemClock, random: () => 0, createTransport, redactor: createRedactor(), ...options }
}

const fromEnv: CredentialsSetting = { kind: 'references', secretId: 'env:MY_ID', secretKey: 'env:MY_KEY', token: 'env:MY_TOKEN' }
const env = { MY_ID: 'AKIDconnect0001', MY_KEY: 'connect-secret-key', MY_TOKEN: 'connect-token' }

describe('a connection', () => {
  it('signs with the credentials that the references lead to, and makes them known to the redactor first', async () => {
    const redactor = createRedactor()
    const connection = await connect(configOf(fromEnv), optionsOf({ env, redactor }))
    expect(redactor.text('AKIDconnect0001 connect-secret-key connect-token')).toBe('[redacted] [redacted] [redacted]')
    await connection.send(DescribeClusters, {})
    await connection.close()
    expect(cloud.calls[0]?.authorization).toContain('Credential=AKIDconnect0001/')
  })

  it('fails at once where a reference leads nowhere, naming it', async () => {
    await expect(connect(configOf(fromEnv), optionsOf({ env: { MY_ID: 'x' } }))).rejects.toThrow(
      /env:MY_KEY: the environment variable MY_KEY is not set/,
    )
  })

  it('names the place in the configuration, and not what stands behind env:, where that may be the secret itself', async () => {
    const pasted: CredentialsSetting = { kind: 'references', secretId: 'env:MY_ID', secretKey: 'env:Gu5t9xGARNpq86cd98joQYCN3EXAMPLE' }
    const error = await connect(configOf(pasted), optionsOf({ env })).catch((thrown: unknown) => thrown)
    expect(String(error)).toContain('platform.credentials.secretKey: env:…')
    expect(`${String(error)} ${(error as Error).stack}`).not.toContain('Gu5t9x')
  })

  it('fails at once where there are no credentials at all, saying what to set', async () => {
    const error = await connect(configOf({ kind: 'none' }), optionsOf()).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CloudError)
    expect((error as CloudError).kind).toBe('cloud.credentials')
    expect(String(error)).toContain('TENCENTCLOUD_SECRET_ID')
  })

  it('reads secrets in files again while it runs, and makes each new one known', async () => {
    let time = systemClock.now()
    const clock: Clock = { ...systemClock, now: () => time }
    const redactor = createRedactor()
    const paths = { id: join(folder, 'id'), key: join(folder, 'key') }
    await writeFile(paths.id, 'AKIDbefore\n')
    await writeFile(paths.key, 'key-before\n')
    const config = configOf({ kind: 'references', secretId: `file:${paths.id}`, secretKey: `file:${paths.key}` })
    const connection = await connect(config, optionsOf({ clock, redactor }))
    await connection.send(DescribeClusters, {})
    await writeFile(paths.id, 'AKIDafter')
    await writeFile(paths.key, 'key-after')
    time += 11 * 60_000
    await connection.send(DescribeClusters, {})
    await connection.close()
    expect(cloud.calls.map(({ authorization }) => /Credential=([^/]*)/.exec(authorization)?.[1])).toEqual(['AKIDbefore', 'AKIDafter'])
    expect(redactor.text('key-before key-after')).toBe('[redacted] [redacted]')
  })

  it('takes another resolver, as for a parameter store', async () => {
    const setting: CredentialsSetting = { kind: 'references', secretId: 'ssm:/a/id', secretKey: 'ssm:/a/key' }
    const connection = await connect(
      configOf(setting),
      optionsOf({ resolveReference: (reference) => Promise.resolve(`AKID${reference.replaceAll(/\W/g, '')}`) }),
    )
    await connection.send(DescribeClusters, {})
    await connection.close()
    expect(cloud.calls[0]?.authorization).toContain('Credential=AKIDssmaid/')
  })

  it('reads a credentials file by profile, and a person’s own where nothing is configured', async () => {
    const path = join(folder, 'credentials')
    await writeFile(path, '[default]\nsecret_id = AKIDdefault\nsecret_key = k1\n[work]\nsecret_id = AKIDwork\nsecret_key = k2\n')
    await mkdir(join(folder, '.tencentcloud'))
    await writeFile(join(folder, '.tencentcloud/credentials'), '[default]\nsecret_id = AKIDhome\nsecret_key = k3\n')
    for (const [setting, options] of [
      [{ kind: 'file', path, profile: 'work' }, {}],
      [{ kind: 'none' }, { homeDirectory: folder }],
    ] as const) {
      const connection = await connect(configOf(setting), optionsOf(options))
      await connection.send(DescribeClusters, {})
      await connection.close()
    }
    expect(cloud.calls.map(({ authorization }) => /Credential=([^/]*)/.exec(authorization)?.[1])).toEqual(['AKIDwork', 'AKIDhome'])
  })

  it('makes the password of a proxy known to the redactor', async () => {
    const redactor = createRedactor()
    const connection = await connect(
      configOf(fromEnv),
      optionsOf({ env: { ...env, HTTPS_PROXY: 'http://user:pr%2Fxy-pass@127.0.0.1:3128' }, redactor }),
    )
    await connection.close()
    expect(redactor.text('pr%2Fxy-pass pr/xy-pass')).toBe('[redacted] [redacted]')
  })

  it('makes the password of a proxy without protocol known to the redactor, also in the header that is sent to it', async () => {
    const redactor = createRedactor()
    const connection = await connect(
      configOf(fromEnv),
      optionsOf({ env: { ...env, https_proxy: 'user:hunter2hunter2@127.0.0.1:3128' }, redactor }),
    )
    await connection.close()
    expect(redactor.text('hunter2hunter2')).toBe('[redacted]')
    expect(redactor.text(`Basic ${btoa('user:hunter2hunter2')}`)).not.toContain(btoa('hunter2hunter2').slice(4, 12))
  })

  it('is refused where a proxy variable cannot be used: the variable is named, its value is not shown', async () => {
    for (const value of ['http://user:hunter2%@127.0.0.1:3128', 'user:hunter2%zz@127.0.0.1:3128', 'ftp://user:hunter2@127.0.0.1']) {
      const error = await connect(configOf(fromEnv), optionsOf({ env: { ...env, HTTPS_PROXY: value } })).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(ConfigError)
      expect((error as ConfigError).faults).toMatchObject([{ path: 'HTTPS_PROXY' }])
      expect(String(error)).toMatch(/HTTPS_PROXY/)
      expect(`${String(error)} ${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain('hunter2')
    }
  })

  it('tells of every try', async () => {
    const tries: string[] = []
    const connection = await connect(
      configOf(fromEnv),
      optionsOf({ env, onAttempt: ({ action, outcome }) => tries.push(`${action} ${outcome}`) }),
    )
    await connection.send(DescribeClusters, {})
    await connection.close()
    expect(tries).toEqual(['tke.DescribeClusters ok'])
  })
})

describe('the certificate authority of a private installation', () => {
  it('is trusted where it is configured, and not otherwise', async () => {
    const server = createTlsServer(
      { key: await readFile(join(fixtures, 'server-key.pem')), cert: await readFile(join(fixtures, 'server.pem')) },
      (_, response) => {
        response.end(JSON.stringify({ Response: { TotalCount: 0, Clusters: [], RequestId: 'tls' } }))
      },
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const platform = { endpoint: { kind: 'url', url: `https://localhost:${port}` } } as const
    try {
      const trusting = await connect(configOf(fromEnv, { ...platform, caFile: join(fixtures, 'ca.pem') }), optionsOf({ env }))
      expect((await trusting.send(DescribeClusters, {})).RequestId).toBe('tls')
      await trusting.close()
      const strict = await connect(configOf(fromEnv, platform), optionsOf({ env }))
      await expect(strict.send(DescribeClusters, {})).rejects.toMatchObject({ kind: 'cloud.untrusted' })
      await strict.close()
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })

  it('is refused when it cannot be read or is none', async () => {
    await expect(connect(configOf(fromEnv, { caFile: join(folder, 'gone.pem') }), optionsOf({ env }))).rejects.toThrow(
      /platform\.caFile: .*gone\.pem cannot be read \(ENOENT\)/,
    )
    await writeFile(join(folder, 'no.pem'), 'hello')
    await expect(connect(configOf(fromEnv, { caFile: join(folder, 'no.pem') }), optionsOf({ env }))).rejects.toThrow(ConfigError)
  })
})

describe('the published rates', () => {
  /** Real time, but for the waits of the rate limit: those are over at once. */
  const leapingClock = () => {
    const waits: number[] = []
    let leaptMs = 0
    const clock: Clock = {
      now: () => systemClock.now() + leaptMs,
      monotonic: () => systemClock.monotonic() + leaptMs,
      sleep: async (ms, signal) => {
        if (ms > 2000) return await systemClock.sleep(ms, signal)
        waits.push(ms)
        leaptMs += ms
      },
    }
    return { clock, waits }
  }

  it('are used by the part that the configuration says for a service', async () => {
    const slow = leapingClock()
    const one = await connect(configOf(fromEnv, { rateShares: { tke: 0.05 } }), optionsOf({ env, clock: slow.clock }))
    for (let call = 0; call < 2; call += 1) await one.send(DescribeClusters, {})
    expect(slow.waits).toEqual([expect.closeTo(1000, -3)])
    await one.close()
    const usual = leapingClock()
    const other = await connect(configOf(fromEnv, { rateShares: { tcr: 0.05 } }), optionsOf({ env, clock: usual.clock }))
    for (let call = 0; call < 16; call += 1) await other.send(DescribeClusters, {})
    expect(usual.waits).toEqual([])
    await other.close()
  })
})
