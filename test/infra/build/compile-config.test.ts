import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { compileConfig, readPackagedConfig } from '#infra/build/compile-config.ts'
import { loadConfig } from '#shared/runtime/config.ts'

const schemas = {
  'cron-scaler': z.strictObject({ zone: z._default(z.string(), 'UTC') }),
  'image-cleaner': z.strictObject({ keep: z.optional(z.int()) }),
}

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
  const packaged = await readPackagedConfig(root, schemas, Date.parse('2026-11-24T00:00:00Z'))
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
    expect(await readPackagedConfig(root, schemas, Date.parse('2026-11-24T00:00:00Z'))).toBeUndefined()
  })

  it('is refused with all its faults before anything is packaged', async () => {
    await expect(compile('functions: { image-cleaner: { kep: 3 } }')).rejects.toThrow(
      'functions.image-cleaner.kep: unknown key; did you mean "keep"?',
    )
    await expect(compile('functions: { alarm-scaler: {} }')).rejects.toThrow('functions.alarm-scaler: unknown key')
  })

  it('is refused when it leads to files that are not packaged', async () => {
    await expect(compile('platform: { credentials: { file: my-credentials } }')).rejects.toThrow('a credentials file is not packaged')
    await expect(compile('platform: { caFile: gone.pem }')).rejects.toThrow(/ENOENT.*gone\.pem/)
    expect(await compile('platform: { credentials: { file: /mnt/secrets/credentials } }')).toMatchObject({
      platform: { credentials: { file: '/mnt/secrets/credentials' } },
    })
  })
})
