import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { type Ran, runWords } from './run-words.ts'

const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-words-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const longshore = (...words: string[]): Promise<Ran> => runWords(words, { env, cwd: folder })

const configure = async (text: string): Promise<void> => await writeFile(join(folder, 'longshore.yaml'), text)

const hpcObject = `kind: HorizontalPodCronscaler
apiVersion: autoscaling.cloud.tencent.com/v1
metadata: { name: web, namespace: shop }
spec:
  scaleTarget: { apiVersion: apps/v1, kind: Deployment, name: web }
  crons: [{ name: up, schedule: "0 0 8 * * *", targetSize: 5 }]
`

describe('words that cannot be meant', () => {
  test('name the option, and the nearest one there is', async () => {
    const first = async (...words: string[]): Promise<string> => (await longshore(...words)).err.split('\n')[0] ?? ''
    expect(await first('cron', 'next', '0 0 8 * * *', '--fom', '2026-01-01')).toBe(
      'longshore cron: there is no option --fom; did you mean "--from"?',
    )
    expect(await first('cron', 'next', '0 0 8 * * *', '--from')).toBe('longshore cron: --from takes a value, and there is none')
    expect(await first('cron', 'next', '0 0 8 * * *', '--count', '-3')).toBe(
      'longshore cron: --count takes a value; one that begins with "-" is written as --count=-1',
    )
    expect(await first('plan', 'cron-scaler', '--json=3')).toBe('longshore plan: --json takes no value')
    expect(await first('apply', 'abc')).toBe('longshore apply: "abc" is one word too many')
  })

  test('a date that the calendar does not have is said to be none', async () => {
    await configure('platform: { region: ap-guangzhou }\nclusters: [{ id: cls-1 }]\n')
    const preview = await longshore('preview', 'cron-scaler', '--offline', '--from', '2026-02-30')
    expect(preview.err).toContain('--from: the calendar has no 2026-02-30')
    expect(preview.code).toBe(1)
    const typo = await longshore('preview', 'cron-scaler', '--offline', '--from', 'monday')
    expect(typo.err).toContain('--from takes a date such as 2026-11-24, or an instant such as')
  })

  test('a year that nobody means is refused, and no year of six digits is printed', async () => {
    for (const from of ['9999-12-31T23:59:59Z', '0001-01-01']) {
      const ran = await longshore('cron', 'next', '0 0 8 * * *', '--from', from)
      expect(ran).toMatchObject({ code: 1, out: '' })
      expect(ran.err).toContain('--from takes a year from 1970 to 9900')
    }
    const far = await longshore('cron', 'next', '0 0 8 29 2 *', '--from', '9900-12-31', '--count', '2')
    expect(far.out).toMatch(/^9904-02-29T08:00:00Z/)
  })
})

describe('files', () => {
  test('that cannot be read are explained in words', async () => {
    await configure('platform: { region: ap-guangzhou }\nclusters: [{ id: cls-1 }]\n')
    const page = await longshore('preview', 'cron-scaler', '--offline', '--html', join(folder, 'no/page.html'))
    expect(page.err).toContain('there is no such file or folder. Name a file in a folder that exists')
    expect(page.err).not.toContain('ENOENT')
    expect((await longshore('hpc', 'convert', '-f', '.', '--to', 'hpc')).err).toContain('. cannot be read: it is a folder')
    await writeFile(join(folder, 'event.json'), '{\n')
    expect((await longshore('invoke', 'cron-scaler', '--event', 'event.json')).err).toMatch(
      /event\.json, line 2: is not valid JSON: at column 1 a key in double quotes or "}" is expected/,
    )
    await writeFile(join(folder, 'broken.yaml'), 'a: [1\n')
    expect((await longshore('hpc', 'convert', '-f', 'broken.yaml', '--to', 'hpc')).err).toContain(
      'the indent does not fit what is above it, or a bracket is not closed',
    )
  })

  test('of rules say what is missing, and of which rule', async () => {
    await writeFile(
      join(folder, 'rules.yaml'),
      'rules: [{ name: x, schdule: "0 0 8 * * *", cluster: c, target: { kind: Deployment, name: w } }]\n',
    )
    const { err, code } = await longshore('hpc', 'convert', '-f', 'rules.yaml', '--to', 'hpc')
    expect(err).toContain('rules[0].schdule: unknown key; did you mean "schedule"?')
    expect(err).not.toContain('Invalid input')
    expect(code).toBe(1)
  })
})

describe('hpc convert --to rules', () => {
  test('takes the one cluster of the configuration, and asks where there are more or none', async () => {
    await writeFile(join(folder, 'web.yaml'), hpcObject)
    const convert = (...more: string[]) => longshore('hpc', 'convert', '-f', 'web.yaml', '--to', 'rules', ...more)
    expect((await convert()).err).toContain('say which cluster the objects are in: --cluster NAME')
    await configure('clusters: [{ id: cls-1, name: production }]\n')
    const one = await convert()
    expect(one.code).toBe(0)
    expect(one.out).toContain('cluster: production')
    await writeFile(join(folder, 'two.yaml'), 'clusters: [{ id: cls-1, name: production }, { id: cls-2 }]\n')
    const two = await convert('--config', 'two.yaml')
    expect(two).toMatchObject({ code: 1, out: '' })
    expect(two.err).toContain('the configuration has production, cls-2')
    expect((await convert('--config', 'two.yaml', '--cluster', 'cls-2')).out).toContain('cluster: cls-2')
  })
})

describe('on a platform', () => {
  let sandbox: Sandbox
  beforeEach(async () => {
    sandbox = await startSandbox({ rates: false })
  })
  afterEach(async () => {
    await sandbox.close()
  })

  const platform = (mode: string, more = ''): string =>
    `mode: ${mode}\nplatform: { endpoint: '${sandbox.url}', region: ap-guangzhou }\nclusters: [{ id: ${baseClusters.production}, name: production }]\n${more}`

  test('hpc list says that a group has no HPC objects to be listed, and that it failed', async () => {
    await configure(platform('plan'))
    const { out, err, code } = await longshore('hpc', 'list', '--group', 'autoscaling.nowhere.cloud.tencent.com')
    expect(code).toBe(1)
    expect(err).toContain(
      `${baseClusters.production} has no definition of HPC objects in the API group autoscaling.nowhere.cloud.tencent.com: it serves them in autoscaling.cloud.tencent.com`,
    )
    expect(out).not.toContain('no HPC objects')
  })

  test('a plan says which mode applying it needs', async () => {
    const target = { kind: 'Deployment', namespace: 'pay', name: 'words' }
    const state = sandbox.world.kubernetes[baseClusters.production]
    if (state === undefined) throw new Error('there is no such cluster')
    putObject(state, deployment({ namespace: 'pay', name: 'words', image: 'registry.example/app:1', replicas: 2 }), Date.now() - 60_000)
    const rule = {
      name: 'now',
      cluster: 'production',
      target,
      schedule: `0 ${(new Date().getUTCMinutes() + 58) % 60} * * * *`,
      targetSize: 7,
    }
    const functions = `functions: { cron-scaler: { hpc: { enabled: false }, rules: [${JSON.stringify(rule)}] } }\n`
    await configure(platform('plan', functions))
    expect((await longshore('plan', 'cron-scaler')).out).toMatch(
      /1 change\. Apply it with: longshore apply --plan [0-9a-f]{12} \(that needs mode: enforce; .*longshore\.yaml says plan\)/,
    )
    await configure(platform('enforce', functions))
    expect((await longshore('plan', 'cron-scaler')).out).toMatch(/longshore apply --plan [0-9a-f]{12}\n?$/)
  })

  test('a configuration with one cluster has one', async () => {
    await configure(platform('plan'))
    expect((await longshore('validate')).out).toContain(', 1 cluster, settings for no function.')
  })

  test('validate names the lines of what a function finds wrong', async () => {
    await configure(
      platform(
        'plan',
        'functions:\n  cron-scaler:\n    lookBack: 10m\n    rules:\n      - name: five\n        cluster: nowhere\n        target: { kind: Deployment, name: web }\n        schedule: "0 8 * * *"\n        targetSize: 1\n',
      ),
    )
    const { err, code } = await longshore('validate')
    expect(code).toBe(1)
    expect(err).toMatch(
      /has 3 problems:\n {2}line 6, functions\.cron-scaler\.lookBack: .*\n {2}line 9, functions\.cron-scaler\.rules\[0\]\.cluster: .*\n {2}line 11, functions\.cron-scaler\.rules\[0\]\.schedule: /,
    )
  })
})
