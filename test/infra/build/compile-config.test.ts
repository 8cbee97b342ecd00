import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { definition } from '#functions/cron-scaler/definition.ts'
import { compileConfig, readPackagedConfig } from '#infra/build/compile-config.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { readConfig } from '#infra/local/platform.ts'
import { ConfigError, loadConfig, readConfigFile } from '#shared/runtime/config.ts'
import { loadOwnConfig } from '#shared/runtime/own-config.ts'

const schemas = {
  'cron-scaler': z.strictObject({ zone: z._default(z.string(), 'UTC') }),
  'image-cleaner': z.strictObject({ keep: z.optional(z.int()) }),
}

const functions = (['cron-scaler', 'image-cleaner'] as const).map((name) => ({
  name,
  settings: schemas[name],
  problems: () => Promise.resolve([]),
}))

let root: string
let folder: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'longshore-compile-'))
  folder = join(root, 'dist/cron-scaler')
  await mkdir(folder, { recursive: true })
})
afterEach(async () => {
  await rm(root, { recursive: true })
})

async function compile(text: string): Promise<unknown> {
  await writeFile(join(root, 'longshore.yaml'), text)
  const packaged = await readPackagedConfig(root, functions, Date.parse('2026-11-24T00:00:00Z'))
  if (packaged === undefined) throw new Error('there is a file')
  await compileConfig(packaged, 'cron-scaler', folder)
  return JSON.parse(await readFile(join(folder, 'longshore.json'), 'utf8'))
}

describe('the compiled configuration', () => {
  it('is the file’s content as JSON with the function’s own section only', async () => {
    const text =
      'mode: plan\nplatform: { domain: cloud.example.com }\nclusters: [{ id: cls-1 }]\nfunctions: { cron-scaler: { zone: Asia/Shanghai }, image-cleaner: { keep: 3 } }'
    expect(await compile(text)).toEqual({
      mode: 'plan',
      platform: { domain: 'cloud.example.com' },
      clusters: [{ id: 'cls-1' }],
      functions: { 'cron-scaler': { zone: 'Asia/Shanghai' } },
    })
  })

  it('does not change when another function’s settings do', async () => {
    const first = await compile('functions: { image-cleaner: { keep: 3 } }')
    expect(await compile('functions: { image-cleaner: { keep: 4 } }')).toEqual(first)
  })

  it('is read again by the running function as it was meant', async () => {
    await writeFile(join(root, 'own-ca.pem'), '-----BEGIN CERTIFICATE-----\n')
    await compile('platform: { domain: cloud.example.com, caFile: own-ca.pem }\nfunctions: { cron-scaler: { zone: Asia/Tokyo } }')
    const env = { TENCENTCLOUD_REGION: 'ap-tokyo' }
    const config = await loadConfig({
      env,
      beside: join(folder, 'longshore.json'),
      schemas: { 'cron-scaler': schemas['cron-scaler'] },
      others: 'ignore',
      folder: root,
    })
    expect(config.functions).toEqual({ 'cron-scaler': { zone: 'Asia/Tokyo' } })
    expect(config.platform).toMatchObject({ region: 'ap-tokyo', caFile: join(folder, 'ca.pem') })
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'longshore.json'])
  })

  it('is none without a file: everything then comes from the environment', async () => {
    expect(await readPackagedConfig(root, functions, Date.parse('2026-11-24T00:00:00Z'))).toBeUndefined()
  })

  it('is refused with all its faults before anything is packaged', async () => {
    await expect(compile('functions: { image-cleaner: { kep: 3 } }')).rejects.toThrow(
      'functions.image-cleaner.kep: unknown key; did you mean "keep"?',
    )
    await expect(compile('functions: { alarm-scaler: {} }')).rejects.toThrow('functions.alarm-scaler: unknown key')
  })

  it('is refused for rules that can never run, in the words of validate', async () => {
    const text = `platform: { region: ap-guangzhou }
clusters: [{ id: cls-1 }]
functions:
  cron-scaler:
    spread: 1h
    rules:
      - name: five
        cluster: cls-1
        target: { kind: Deployment, name: web }
        schedule: "2 8 * * 1-5"
        targetSize: 3
      - name: nowhere
        cluster: cls-2
        target: { kind: Deployment, name: web }
        schedule: "0 0 8 * * *"
        targetSize: 3
`
    const path = join(root, 'longshore.yaml')
    await writeFile(path, text)
    const refusal = async (read: () => Promise<unknown>): Promise<string> => {
      const error = await read().then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      return error instanceof ConfigError ? error.message : 'it was not refused'
    }
    const packaging = await refusal(async () => await readPackagedConfig(root, localFunctions, Date.parse('2026-11-24T00:00:00Z')))
    expect(packaging).toMatch(
      /longshore\.yaml has 3 problems:\n {2}line 5, functions\.cron-scaler\.spread: .*\n {2}line 10, functions\.cron-scaler\.rules\[0\]\.schedule: .*\n {2}line 13, functions\.cron-scaler\.rules\[1\]\.cluster: /,
    )
    expect(await refusal(async () => await readConfig({ env: {}, path, folder: root }))).toBe(packaging)
    // The running function, which may have been packaged by somebody else, says the same of what it got.
    const beside = join(root, 'longshore.json')
    await writeFile(beside, JSON.stringify((await readConfigFile(path)).value))
    const running = await refusal(async () => await loadOwnConfig(definition, { env: {}, beside }))
    const withoutPlaces = (message: string): string => message.replaceAll(/line \d+, |^.*longshore\.(yaml|json)/g, '')
    expect(withoutPlaces(running)).toBe(withoutPlaces(packaging))
  })

  it('may leave the region to where it runs', async () => {
    await writeFile(join(root, 'longshore.yaml'), 'clusters: [{ id: cls-1 }]\nfunctions: { cron-scaler: {} }')
    expect(await readPackagedConfig(root, localFunctions, Date.parse('2026-11-24T00:00:00Z'))).toBeDefined()
  })

  it('is refused when it leads to files that are not packaged', async () => {
    await expect(compile('platform: { credentials: { file: my-credentials } }')).rejects.toThrow('a credentials file is not packaged')
    await expect(compile('platform: { caFile: gone.pem }')).rejects.toThrow(/ENOENT.*gone\.pem/)
    expect(await compile('platform: { credentials: { file: /mnt/secrets/credentials } }')).toMatchObject({
      platform: { credentials: { file: '/mnt/secrets/credentials' } },
    })
  })
})
