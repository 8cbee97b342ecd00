import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import * as z from 'zod/mini'
import { ConfigError, environment, functionConfig, type LoadConfigOptions, loadConfig } from '#shared/runtime/config.ts'
import { functionNames } from '#shared/runtime/definition.ts'
import { defaultGuardSettings, guardSchema } from '#shared/safety/guard-settings.ts'

/** Settings as a function might have them: nested, with alternatives, a default and free keys. */
const Settings = z.strictObject({
  rules: z.array(
    z.strictObject({
      name: z.string(),
      schedule: z.optional(z.string()),
      scale: z.union([
        z.strictObject({ targetSize: z.int().check(z.nonnegative()) }),
        z.strictObject({ minSize: z.int(), maxSize: z.int() }),
      ]),
    }),
  ),
  lookBackMinutes: z._default(z.int(), 30),
  calendars: z.optional(z.record(z.string(), z.strictObject({ holidays: z.array(z.string()) }))),
})

const schemas = { 'cron-scaler': Settings }
const sound = {
  mode: 'enforce',
  platform: {
    domain: 'cloud.example.com',
    region: 'ap-guangzhou',
    protocol: 'https',
    allowInsecureHttp: false,
    caFile: 'ca.pem',
    allowedHosts: ['hooks.example.com:8443'],
    rateShares: { tcr: 1, tke: 0.5 },
    credentials: { secretId: 'env:MY_ID', secretKey: 'file:/run/secret key', token: 'ssm:/longshore/token' },
  },
  clusters: [{ id: 'cls-1', name: 'shop', region: 'ap-shanghai' }, { id: 'cls-2' }],
  guard: {
    caps: [{ function: 'cron-scaler', target: 'cls-1/**', amount: 20, percent: 10, window: 'day', timeZone: 'Asia/Shanghai' }],
    freeze: [
      { name: 'nights', kind: 'deny', schedule: '0 0 22 * * *', duration: '8h', timeZone: 'Asia/Shanghai', functions: ['cron-scaler'] },
    ],
    overrides: [{ window: 'nights', until: '2026-10-02T08:00+08:00', by: 'ann', reason: 'incident' }],
    protect: ['cls-2/**'],
    killSwitch: { kind: 'configMap', cluster: 'shop', namespace: 'ops', name: 'longshore', key: 'state' },
  },
  functions: {
    'cron-scaler': {
      rules: [
        { name: 'morning', schedule: '0 0 8 * * *', scale: { targetSize: 5 } },
        { name: 'evening', scale: { minSize: 1, maxSize: 2 } },
      ],
      calendars: { cn: { holidays: ['2026-10-01'] } },
    },
  },
}
const regionOnly = { TENCENTCLOUD_REGION: 'ap-guangzhou' }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-config-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

async function load(text: string, options: Partial<LoadConfigOptions> & { readonly name?: string } = {}) {
  const path = join(folder, options.name ?? 'longshore.yaml')
  await writeFile(path, text)
  return await loadConfig({ env: regionOnly, schemas, path, ...options })
}

async function faultsOf(loading: Promise<unknown>): Promise<{ path: string; line?: number | undefined; text: string }[]> {
  const error = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ConfigError)
  return [...(error as ConfigError).faults]
}

describe('a sound configuration', () => {
  it('is read the same from YAML and JSON, with paths made absolute', async () => {
    const fromYaml = await load(stringify(sound))
    const fromJson = await load(JSON.stringify(sound), { name: 'longshore.json' })
    expect({ ...fromJson, path: undefined }).toEqual({ ...fromYaml, path: undefined })
    expect(fromYaml).toEqual({
      mode: 'enforce',
      platform: {
        endpoint: { kind: 'domain', domain: 'cloud.example.com', protocol: 'https' },
        region: 'ap-guangzhou',
        caFile: join(folder, 'ca.pem'),
        allowInsecureHttp: false,
        allowedHosts: ['hooks.example.com:8443'],
        rateShares: { tcr: 1, tke: 0.5 },
        credentials: { kind: 'references', secretId: 'env:MY_ID', secretKey: 'file:/run/secret key', token: 'ssm:/longshore/token' },
      },
      clusters: sound.clusters,
      guard: z.parse(guardSchema(functionNames), sound.guard),
      store: { kind: 'sqlite', path: join(folder, '.longshore/store.db') },
      journalKey: undefined,
      functions: sound.functions,
      path: join(folder, 'longshore.yaml'),
    })
  })

  it('gives a function the common part and its own section with defaults', async () => {
    const config = await load(stringify(sound))
    const own = await functionConfig(config, { name: 'cron-scaler', settings: Settings })
    expect(own.mode).toBe('enforce')
    expect(own.region).toBe('ap-guangzhou')
    expect(own.clusters).toEqual(sound.clusters)
    expect(own.settings.lookBackMinutes).toBe(30)
    expect(own.settings.rules).toHaveLength(2)
  })

  it('names what a function misses when it has no section', async () => {
    const config = await load('mode: plan')
    await expect(functionConfig(config, { name: 'cron-scaler', settings: Settings })).rejects.toThrow(
      'functions.cron-scaler.rules: missing; expected a list',
    )
  })

  it('is mode plan on the public cloud when there is none, and holds no secret', async () => {
    const env = { ...regionOnly, TENCENTCLOUD_SECRET_ID: 'AKIDplain', TENCENTCLOUD_SECRET_KEY: 'veryPlainKey', TENCENTCLOUD_TOKEN: '' }
    const config = await loadConfig({ env, schemas, folder })
    expect(config.mode).toBe('plan')
    expect(config.guard).toEqual(defaultGuardSettings)
    expect(config.path).toBeUndefined()
    expect(config.platform.endpoint).toEqual({ kind: 'domain', domain: 'tencentcloudapi.com', protocol: 'https' })
    expect(config.platform.credentials).toEqual({
      kind: 'references',
      secretId: 'env:TENCENTCLOUD_SECRET_ID',
      secretKey: 'env:TENCENTCLOUD_SECRET_KEY',
      token: undefined,
    })
    expect(JSON.stringify(config)).not.toMatch(/AKIDplain|veryPlainKey/)
  })

  it('takes domain, protocol and region from the environment, and the file over it', async () => {
    const env = { TENCENTCLOUD_REGION: 'shjr', TENCENTCLOUD_DOMAIN: 'corp.example', TENCENTCLOUD_PROTOCOL: 'HTTP' }
    const fromEnv = await load('platform: { allowInsecureHttp: true }', { env })
    expect(fromEnv.platform.endpoint).toEqual({ kind: 'domain', domain: 'corp.example', protocol: 'http' })
    expect(fromEnv.platform.region).toBe('shjr')
    const fromFile = await load('platform: { domain: cloud.example.com, protocol: https, region: ap-guangzhou }', { env })
    expect(fromFile.platform.endpoint).toEqual({ kind: 'domain', domain: 'cloud.example.com', protocol: 'https' })
    expect(fromFile.platform.region).toBe('ap-guangzhou')
  })

  it('accepts plain HTTP to the own machine without leave', async () => {
    for (const endpoint of ['http://127.0.0.1:8787', 'http://localhost:1']) {
      const config = await load(JSON.stringify({ platform: { endpoint } }), { name: 'c.json' })
      expect(config.platform.endpoint).toEqual({ kind: 'url', url: endpoint })
    }
  })
})

describe('finding the file', () => {
  it('goes from the given path over LONGSHORE_CONFIG and the bundle to the folder', async () => {
    await mkdir(join(folder, 'sub'))
    const names = ['given.json', 'variable.json', 'sub/longshore.json', 'longshore.yaml']
    for (const [index, name] of names.entries()) await writeFile(join(folder, name), JSON.stringify({ clusters: [{ id: `cls-${index}` }] }))
    const all = {
      env: { ...regionOnly, LONGSHORE_CONFIG: 'variable.json' },
      folder,
      schemas,
      path: 'given.json',
      beside: join(folder, 'sub/longshore.json'),
    }
    const ids = []
    ids.push(await loadConfig(all))
    ids.push(await loadConfig({ ...all, path: undefined }))
    ids.push(await loadConfig({ ...all, path: undefined, env: regionOnly }))
    ids.push(await loadConfig({ ...all, path: undefined, env: regionOnly, beside: join(folder, 'nowhere.json') }))
    expect(ids.map(({ clusters }) => clusters[0]?.id)).toEqual(['cls-0', 'cls-1', 'cls-2', 'cls-3'])
  })

  it('refuses a named file that is not there, and two to choose from', async () => {
    await expect(loadConfig({ env: regionOnly, schemas, folder, path: 'gone.yaml' })).rejects.toThrow(
      /gone\.yaml: the configuration cannot be read \(ENOENT\)/,
    )
    await writeFile(join(folder, 'longshore.yaml'), '')
    await writeFile(join(folder, 'longshore.json'), '{}')
    await expect(loadConfig({ env: regionOnly, schemas, folder })).rejects.toThrow(/longshore\.yaml and .*longshore\.json; keep one/)
  })

  it('passes over a byte order mark, in JSON as in YAML', async () => {
    for (const name of ['longshore.json', 'longshore.yaml']) {
      expect(await load(`\uFEFF${JSON.stringify(sound)}`, { name })).toEqual(await load(JSON.stringify(sound), { name }))
    }
    const [fault] = await faultsOf(load('\uFEFF{\n "regoin": 1}', { name: 'c.json' }))
    expect(fault?.line).toBe(2)
  })

  it('loads no YAML reader for JSON, and none at all without a file', async () => {
    await writeFile(join(folder, 'longshore.json'), '{"platform":{"region":"ap-guangzhou"}}')
    const script = `
      import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
      const { loadConfig } = await import('#shared/runtime/config.ts')
      await loadConfig({ env: {}, schemas: {}, path: process.argv[1] })
      console.log(JSON.stringify(loaded.filter((url) => /node_modules\\/yaml\\/|config-problems/.test(url))))
    `
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, join(folder, 'longshore.json')])
    expect(JSON.parse(stdout)).toEqual([])
  })
})

describe('faults are all named at once, with path and line', () => {
  it('for keys, types, values and contradictions', async () => {
    const faults = await faultsOf(
      load(`mode: enforced
platform:
  regoin: ap-guangzhou
  allowInsecureHttp: 1
clusters:
  - id: cluster-1
  - nmae: shop
    id: cls-2
functions:
  cron-scaler:
    rules:
      - name: x
        scale: { targetsize: 3 }
      - scale: { minSize: 1, maxSize: two }
        name: y
  image-cleaner: {}
  corn-scaler: {}
`),
    )
    expect(faults.map(({ path, line, text }) => `${line} ${path}: ${text}`)).toEqual([
      '1 mode: expected "observe", "plan" or "enforce", found "enforced"; did you mean "enforce"?',
      '3 platform.regoin: unknown key; did you mean "region"?',
      '4 platform.allowInsecureHttp: expected true or false, found 1',
      '6 clusters[0].id: must be a cluster id as the platform writes it, such as "cls-1a2b3c4d"',
      '7 clusters[1].nmae: unknown key; did you mean "name"?',
      '13 functions.cron-scaler.rules[0].scale.targetsize: unknown key; did you mean "targetSize"?',
      '14 functions.cron-scaler.rules[1].scale.maxSize: expected a number, found "two"',
      '16 functions.image-cleaner: unknown key; valid here: cron-scaler',
      '17 functions.corn-scaler: unknown key; did you mean "cron-scaler"?',
    ])
  })

  it('lists them in the message', async () => {
    await expect(load('mode: x\nclusers: []\n')).rejects.toThrow(
      /longshore\.yaml has 2 problems:\n {2}line 1, mode: expected .*\n {2}line 2, clusers: unknown key; did you mean "clusters"\?$/,
    )
  })

  it('for JSON as well, where a key given twice is one', async () => {
    const text = '{\n  "mode": "plan",\n  "platform": {\n    "regio": "x"\n  }\n}'
    expect(await faultsOf(load(text, { name: 'c.json' }))).toEqual([
      { path: 'platform.regio', line: 4, text: 'unknown key; did you mean "region"?' },
    ])
    const twice = '{"mode": "plan",\n "clusters": [{"id": "cls-1",\n "id": "cls-2"}],\n"mode": "enforce"}'
    expect(await faultsOf(load(twice, { name: 'c.json' }))).toEqual([
      { path: 'clusters[0].id', line: 3, text: 'the key is given twice' },
      { path: 'mode', line: 4, text: 'the key is given twice' },
    ])
  })

  it.each([
    ['mode: plan\nmode: enforce', 2, 'is not valid YAML: the key "mode" is given twice (column 1)'],
    ['mode: *nowhere', undefined, 'uses an alias that has no anchor, or repeats aliases too often'],
    ['mode: [plan', 1, 'is not valid YAML: the indent does not fit what is above it, or a bracket is not closed (column 12)'],
    ['mode: plan\n---\nmode: enforce', 2, 'is not valid YAML: a second document begins ("---"); keep one (column 1)'],
    ['mode: !secret plan', 1, 'is not valid YAML: a tag ("!…") that is not known; take it away, or put the value in quotes (column 7)'],
  ])('for the text %j', async (text, line, what) => {
    const [fault] = await faultsOf(load(text))
    expect(fault).toEqual({ path: 'the configuration', line, text: what })
  })

  it('for something that is no mapping', async () => {
    expect(await faultsOf(load('- mode'))).toEqual([{ path: 'the configuration', line: 1, text: 'expected a mapping, found a list of 1' }])
  })

  it.each<[string, object, Record<string, string>, string, RegExp]>([
    ['enforce without a cluster', { mode: 'enforce' }, {}, 'mode', /needs at least one entry under `clusters`/],
    ['a cluster twice', { clusters: [{ id: 'cls-1' }, { id: 'cls-1' }] }, {}, 'clusters[1].id', /same as clusters\[0\]\.id/],
    [
      'two clusters of one name',
      {
        clusters: [
          { id: 'cls-1', name: 'a' },
          { id: 'cls-2', name: 'a' },
        ],
      },
      {},
      'clusters[1].name',
      /same as clusters\[0\]\.name/,
    ],
    ['no region', {}, { TENCENTCLOUD_REGION: '' }, 'platform.region', /set it, or TENCENTCLOUD_REGION/],
    [
      'an address in the place of a host',
      { platform: { allowedHosts: ['https://a.b'] } },
      {},
      'platform.allowedHosts[0]',
      /must be a host/,
    ],
    ['a share of no rate at all', { platform: { rateShares: { tcr: 0 } } }, {}, 'platform.rateShares.tcr', /more than 0/],
    ['a share above the rate', { platform: { rateShares: { tke: 1.5 } } }, {}, 'platform.rateShares.tke', /at most 1/],
    ['a wildcard in the place of a host', { platform: { allowedHosts: ['*.example'] } }, {}, 'platform.allowedHosts[0]', /must be a host/],
    ['a port that is none', { platform: { allowedHosts: ['a.example:70000'] } }, {}, 'platform.allowedHosts[0]', /a port above 65535/],
    ['a region that is none', {}, { TENCENTCLOUD_REGION: 'Guang Zhou' }, 'TENCENTCLOUD_REGION', /must be a region/],
    ['domain and endpoint', { platform: { domain: 'a.example', endpoint: 'https://b.example' } }, {}, 'platform.domain', /not both/],
    [
      'protocol and endpoint',
      { platform: { protocol: 'http', endpoint: 'https://b.example' } },
      {},
      'platform.protocol',
      /goes with `domain`/,
    ],
    ['plain http', { platform: { protocol: 'http' } }, {}, 'platform.protocol', /`allowInsecureHttp: true` is needed/],
    [
      'a plain http endpoint',
      { platform: { endpoint: 'http://api.example:80' } },
      {},
      'platform.endpoint',
      /`allowInsecureHttp: true` is needed/,
    ],
    [
      'an endpoint that only looks local',
      { platform: { endpoint: 'http://127.0.0.1.evil.example' } },
      {},
      'platform.endpoint',
      /allowInsecureHttp/,
    ],
    ['plain http from outside', {}, { TENCENTCLOUD_PROTOCOL: 'HTTP' }, 'TENCENTCLOUD_PROTOCOL', /allowInsecureHttp/],
    ['an unknown protocol', {}, { TENCENTCLOUD_PROTOCOL: 'ftp' }, 'TENCENTCLOUD_PROTOCOL', /must be "https" or "http"/],
    ['a domain that is an address', {}, { TENCENTCLOUD_DOMAIN: 'https://x.example/' }, 'TENCENTCLOUD_DOMAIN', /without protocol and path/],
    ['half the credentials', {}, { TENCENTCLOUD_SECRET_ID: 'x' }, 'TENCENTCLOUD_SECRET_KEY', /set both/],
    ['the other half', {}, { TENCENTCLOUD_SECRET_KEY: 'x' }, 'TENCENTCLOUD_SECRET_ID', /set both/],
    ['an endpoint with a path', { platform: { endpoint: 'https://b.example/api' } }, {}, 'platform.endpoint', /nothing more/],
    ['an endpoint with a user', { platform: { endpoint: 'https://u:p@b.example' } }, {}, 'platform.endpoint', /nothing more/],
    ['a port out of range', { platform: { endpoint: 'https://b.example:99999' } }, {}, 'platform.endpoint', /port/],
  ])('for %s', async (_, file, env, path, text) => {
    const faults = await faultsOf(load(JSON.stringify(file), { name: 'c.json', env: { ...regionOnly, ...env } }))
    expect(faults.map((fault) => fault.path)).toEqual([path])
    expect(faults[0]?.text).toMatch(text)
  })

  it('for a kill switch in a cluster that is not configured, and takes its name or its id', async () => {
    const text = (cluster: string) =>
      JSON.stringify({ clusters: sound.clusters, guard: { killSwitch: { ...sound.guard.killSwitch, cluster } } }, null, 1)
    for (const [cluster, what] of [
      ['cls-3', 'did you mean "cls-1"?'],
      ['shpo', 'did you mean "shop"?'],
      ['warehouse', 'give the id or the name of one'],
    ] as const) {
      expect(await faultsOf(load(text(cluster), { name: 'c.json' }))).toEqual([
        { path: 'guard.killSwitch.cluster', line: 15, text: `names none of \`clusters\`; ${what}` },
      ])
    }
    for (const cluster of ['cls-1', 'cls-2', 'shop']) {
      expect((await load(text(cluster), { name: 'c.json' })).guard?.killSwitch).toMatchObject({ cluster })
    }
  })

  it('for the guard, with lines', async () => {
    const faults = await faultsOf(
      load(`guard:
  caps:
    - amount: 1
      window: 1h
    - window: 60m
      amount: 2
  freeze:
    - name: nights
      kind: deny
      schedule: 0 0 22 * * *
      duration: 8h
      timeZone: Asia/Shanghai
  overrides:
    - window: night
      until: 2026-10-02T08:00:00+08:00
      by: ann
      reason: incident
`),
    )
    expect(faults.map(({ path, line, text }) => `${line} ${path}: ${text}`)).toEqual([
      '5 guard.caps[1].window: counts the same as caps[0]; keep the lesser of the two',
      '14 guard.overrides[0].window: no freeze window has this name; did you mean "nights"?',
    ])
  })

  it('for caps and protected targets of a cluster that is not configured, for they would hold nothing back', async () => {
    const faults = await faultsOf(
      load(`clusters:
  - { id: cls-9f3kq2vd, name: production }
guard:
  caps:
    - { target: cls-9f3kq2vx/pay/**, amount: 1, window: 1h }
    - { target: cls-9f3kq2vd/pay/**, amount: 1, window: 2h }
    - { amount: 1, window: 3h }
  protect:
    - cls-*/kube-system/**
    - cls-00000000
    - cls-9f3kq2vd/**
    - library/cls-00000000
    - cls-9f3kq2vd/*
    - cls-9f3kq2vd/pay/Deployment/*
`),
    )
    expect(faults.map(({ path, line, text }) => `${line} ${path}: ${text}`)).toEqual([
      '5 guard.caps[0].target: the cluster cls-9f3kq2vx is none of `clusters`, so nothing would fit; did you mean "cls-9f3kq2vd"?',
      '10 guard.protect[1]: the cluster cls-00000000 is none of `clusters`, so nothing would fit',
      '13 guard.protect[4]: "cls-9f3kq2vd/*" fits nothing, because * stops at a slash and targets are cluster/namespace/kind/name: write cls-9f3kq2vd/** for all of the cluster',
    ])
  })

  it('leaves the region to the running function when it is read for packaging', async () => {
    expect((await load('mode: plan', { env: {}, purpose: 'package' })).platform.region).toBeUndefined()
  })

  it('knows other functions only where they are not this bundle’s business', async () => {
    const text = 'functions: { image-cleaner: { keep: 3 } }'
    await expect(load(text)).rejects.toThrow('functions.image-cleaner: unknown key')
    expect((await load(text, { others: 'ignore' })).functions).toEqual({ 'image-cleaner': { keep: 3 } })
    await expect(load('functions: { image-cleanre: {} }', { others: 'ignore' })).rejects.toThrow('did you mean "image-cleaner"?')
  })
})

describe('19: no secret reaches a message', () => {
  const literal = 'Zm9vYmFyNotAReferenceButASecret0'

  it.each([
    ['a literal key', { platform: { credentials: { secretId: 'env:ID', secretKey: literal } } }],
    ['a literal token', { platform: { credentials: { secretId: 'env:ID', secretKey: 'env:KEY', token: literal } } }],
    ['under a wrong key', { platform: { secretKey: literal } }],
    ['as the whole credentials', { platform: { credentials: literal } }],
    ['in the place of a mode', { mode: literal }],
    ['as a file of a wrong type', { platform: { credentials: { file: [literal] } } }],
    ['short, where the key says what it is', { platform: { credentials: { file: 7, profile: 'hunter2' } } }],
  ])('%s', async (_, file) => {
    for (const name of ['longshore.yaml', 'longshore.json']) {
      const text = name.endsWith('yaml') ? stringify(file) : JSON.stringify(file)
      const error = await load(text, { name }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(ConfigError)
      expect(`${(error as Error).message} ${JSON.stringify(error)} ${(error as Error).stack}`).not.toMatch(new RegExp(`${literal}|hunter2`))
    }
  })

  it('nor from a text that is not even valid', async () => {
    for (const name of ['longshore.yaml', 'longshore.json']) {
      for (const text of [
        `{"secretKey": ${literal}`,
        `{"secretKey": "${literal}",, }`,
        `a: b: ${literal}`,
        `a: *${literal}`,
        `k: !${literal} x`,
      ]) {
        const error = await load(text, { name }).catch((thrown: unknown) => thrown)
        expect(error).toBeInstanceOf(ConfigError)
        expect((error as Error).message).not.toContain(literal)
      }
    }
  })

  it('says what a literal secret should have been', async () => {
    await expect(load(stringify({ platform: { credentials: { secretId: literal, secretKey: literal } } }))).rejects.toThrow(
      /platform\.credentials\.secretId: must say where the secret is, not what it is: "env:NAME"/,
    )
  })
})

describe('22: a misspelt key is an error with its path and the nearest valid key', () => {
  /** Every key of a mapping that has fixed keys, with the path of its mapping. */
  const places: { readonly holder: readonly (string | number)[]; readonly key: string; readonly siblings: readonly string[] }[] = []
  const walk = (value: unknown, path: readonly (string | number)[]): void => {
    if (Array.isArray(value)) for (const [index, inner] of value.entries()) walk(inner, [...path, index])
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (path.at(-1) !== 'calendars') places.push({ holder: path, key, siblings: Object.keys(value) })
        walk(inner, [...path, key])
      }
    }
  }
  walk(sound, [])
  const valid: Record<string, string[]> = {
    '': ['mode', 'platform', 'clusters', 'guard', 'functions'],
    platform: ['domain', 'endpoint', 'region', 'protocol', 'allowInsecureHttp', 'caFile', 'allowedHosts', 'rateShares', 'credentials'],
  }

  const slip = fc.constantFrom('drop', 'double', 'swap', 'replace', 'case')
  const misspell = (key: string, kind: string, at: number, letter: string): string => {
    const index = at % key.length
    switch (kind) {
      case 'drop':
        return key.slice(0, index) + key.slice(index + 1)
      case 'double':
        return key.slice(0, index) + (key[index] ?? '') + key.slice(index)
      case 'swap':
        return key.slice(0, index) + (key[index + 1] ?? '') + (key[index] ?? '') + key.slice(index + 2)
      case 'replace':
        return key.slice(0, index) + letter + key.slice(index + 1)
      default:
        return key.toUpperCase()
    }
  }
  const renamed = (value: unknown, holder: readonly (string | number)[], key: string, to: string): unknown => {
    const [head, ...rest] = holder
    if (Array.isArray(value)) return value.map((inner, index) => (index === head ? renamed(inner, rest, key, to) : inner))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => {
        if (head === undefined) return [name === key ? to : name, inner]
        return [name, name === head ? renamed(inner, rest, key, to) : inner]
      }),
    )
  }
  const pathOf = (path: readonly (string | number)[]): string =>
    path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${part}`)).join('')

  it('whichever key of a valid configuration is renamed, by any slip', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...places),
        slip,
        fc.nat(30),
        fc.constantFrom('x', 'Q', '_'),
        async ({ holder, key, siblings }, kind, at, letter) => {
          const to = misspell(key, kind, at, letter)
          fc.pre(to !== '' && /^[A-Za-z_]/.test(to) && !siblings.includes(to) && !(valid[pathOf(holder)] ?? []).includes(to))
          const faults = await faultsOf(load(stringify(renamed(sound, holder, key, to))))
          const fault = faults.find(({ path }) => path === pathOf([...holder, to]))
          expect(fault, JSON.stringify({ to, faults })).toBeDefined()
          expect(fault?.text).toMatch(
            key.length < 3 && !fault?.text.includes('did you mean') ? /unknown key; valid here: .*/ : `unknown key; did you mean "${key}"?`,
          )
          expect(fault?.line).toBeGreaterThan(0)
        },
      ),
      { seed: 22, numRuns: 400 },
    )
  })
})

it('the environment is a copy', () => {
  const copy = environment()
  expect(copy.PATH).toBe(process.env.PATH)
  expect(copy).not.toBe(process.env)
})
