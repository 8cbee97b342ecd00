import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { sandboxNotifiers, startBots } from '#infra/sandbox/bots.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential, sandboxHookSecrets } from '#infra/sandbox/test-credentials.ts'
import { type Ran, runWords } from './run-words.ts'

const root = join(import.meta.dirname, '../../..')

/**
 * What each example of a help ends with here, in this order. Nothing has happened yet but one run of the licence meter: ids in examples
 * are somebody else's.
 */
const ends: Readonly<Record<string, readonly [code: number, says: string]>> = {
  'alarm test --event events/alarm-scaler/base.json --sandbox': [2, 'step 2 of 3 wants 2 more'],
  "apply --plan 3f9a1c07 --target '*/shop/*'": [1, '3f9a1c07'],
  'approve cls-9f3kq2vd/default/Deployment/web --by "on call"': [1, 'cls-9f3kq2vd/default/Deployment/web'],
  'backtest image-cleaner --policy services --days 90': [1, 'nothing'],
  'call tke DescribeClusters --params \'{"Limit": 10}\' --dry-run': [0, '"method"'],
  'cron next "0 0 8 * * 1-5" --zone Asia/Shanghai': [0, 'T00:00:00Z'],
  'dead-letters list --function redeploy-hook': [0, 'no dead'],
  'explain shop/storefront:latest --sandbox': [0, 'shop/storefront:latest'],
  'forecast --sandbox --days 2': [0, 'cls-'],
  'guard cron-scaler': [0, 'enforce'],
  'hpc convert -f longshore.yaml --to hpc --cluster production -o schedules.yaml': [0, 'schedules.yaml'],
  'hpc apply -f schedules.yaml --cluster production --dry-run': [2, 'gateway'],
  'images report --html images.html --sandbox': [0, 'images.html'],
  'invoke cron-scaler --event events/cron-scaler/base.json': [0, 'cron-scaler'],
  'journal list cron-scaler --limit 10': [0, ''],
  'journal verify cron-scaler': [0, 'entries'],
  'leases release ls-4d2b1f --by "on call"': [1, 'ls-4d2b1f'],
  'license export --csv samples.csv --month 2026-11': [0, 'samples.csv'],
  'license headroom --node-cores 16': [0, 'core'],
  'license report --html out.html': [0, 'out.html'],
  'license report --month 2026-11 --region ap-guangzhou': [0, 'ap-guangzhou'],
  'license snapshot --out usage.snapshot --key file:licence-key.pem': [0, 'usage.snapshot'],
  'license verify usage.snapshot --key licence-public.pem': [0, ''],
  'lint cron-scaler --config longshore.yaml --offline': [0, ''],
  'notify test operations': [0, 'operations'],
  'plan cron-scaler --sandbox': [2, 'change'],
  'policy image-cleaner': [0, 'ccr:'],
  'preview cron-scaler --from 2026-11-24 --days 7 --html week.html': [0, 'week.html'],
  'redeploy test --event events/redeploy-hook/storefront.json --sandbox': [2, 'storefront'],
  'rehearse --sandbox --hours 1': [0, 'Nothing real was touched'],
  'replay alarm-scaler --from 2026-11-24 --to 2026-11-25 --events events/alarm-scaler/base.json --sandbox': [0, 'general'],
  'restore shop/web:v1 --yes': [1, 'shop/web:v1'],
  'sandbox --port 0': [0, 'http://127.0.0.1:'],
  'shadow cron-scaler --config longshore.yaml': [0, ''],
  'start --once': [0, 'cron-scaler'],
  'snapshot --sandbox --out world.json': [0, 'world.json'],
  "switch stop --by on-call --reason 'database migration'": [0, 'stop'],
  'undo cron-scaler 12': [1, 'has no entry 12'],
  'validate longshore.yaml': [0, ''],
}

let folder: string
let sandbox: Sandbox
let bots: Awaited<ReturnType<typeof startBots>>
let env: Readonly<Record<string, string>>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-examples-'))
  sandbox = await startSandbox({ rates: false })
  bots = await startBots({ now: sandbox.clock.now })
  await cp(join(root, 'events'), join(folder, 'events'), { recursive: true })
  const local = sandboxNotifiers([{ name: 'operations', kind: 'dingtalk', url: 'env:U', secret: 'env:S' }], bots)
  env = {
    TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId,
    TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey,
    ...sandboxHookSecrets,
    ...local.env,
  }
  const gateway = { kind: 'Deployment', namespace: 'pay', name: 'gateway' }
  const config = {
    mode: 'enforce',
    platform: { endpoint: sandbox.url, region: 'ap-guangzhou' },
    clusters: [{ id: baseClusters.production, name: 'production' }],
    notifiers: local.notifiers,
    functions: {
      'cron-scaler': {
        rules: [{ name: 'gateway', cluster: 'production', target: gateway, schedule: '0 0 8 * * 1-5', targetSize: 7 }],
      },
      'license-meter': { entitlements: [{ product: 'tke-*', region: 'ap-guangzhou', cores: 128 }] },
      'image-cleaner': { policies: [{ name: 'services', repositories: ['shop/*'], keep: { last: 10 } }] },
    },
  }
  await writeFile(join(folder, 'longshore.yaml'), stringify(config))
  const measured = await run(['invoke', 'license-meter', '--event', 'events/license-meter/base.json', '--config', 'longshore.yaml'])
  expect(measured.code, measured.err).toBe(0)
  const openssl = promisify(execFile)
  await openssl('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', join(folder, 'licence-key.pem')])
  await openssl('openssl', ['pkey', '-in', join(folder, 'licence-key.pem'), '-pubout', '-out', join(folder, 'licence-public.pem')])
})

afterAll(async () => {
  await bots.close()
  await sandbox.close()
  await rm(folder, { recursive: true })
})

/** The words of a line as a shell reads it, as far as examples go. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, plain]) => single ?? double ?? plain ?? '')
}

async function run(words: readonly string[]): Promise<Ran> {
  const stop = new AbortController()
  const onOut = (): void => {
    if (words[0] === 'sandbox') setImmediate(() => stop.abort())
  }
  return await runWords(words, { env, cwd: folder, signal: stop.signal, onOut })
}

/** Commands with their examples, as the help has them. */
async function examples(): Promise<ReadonlyMap<string, readonly string[]>> {
  const { out } = await runWords(['--help'])
  const names = [...out.matchAll(/^ {2}([a-z][a-z-]*) {2}/gm)].map(([, name]) => name ?? '')
  const found = new Map<string, readonly string[]>()
  for (const name of names) {
    const help = (await runWords([name, '--help'])).out
    found.set(
      name,
      [...help.matchAll(/^Example: longshore (.*)$/gm)].map(([, words]) => words ?? ''),
    )
  }
  return found
}

describe('the help of every command', () => {
  it('has an example, and each example is run here', async () => {
    const all = await examples()
    expect(all.size).toBeGreaterThan(25)
    for (const [name, lines] of all) {
      expect(lines.length, `longshore ${name} --help has no line "Example: longshore ${name} …"`).toBeGreaterThan(0)
    }
    expect([...all.values()].flat().toSorted()).toEqual(Object.keys(ends).toSorted())
  })

  it.each(Object.entries(ends))('longshore %s', async (line, [code, says]) => {
    const ran = await run(wordsOf(line))
    const all = `${ran.out}\n${ran.err}`
    expect(all, 'the words of an example are right').not.toContain('--help` explains it')
    expect(all).toContain(says)
    expect(ran.code, all.slice(0, 2000)).toBe(code)
  })

  it('speaks of files that are there', async () => {
    for (const line of Object.keys(ends)) {
      for (const path of line.match(/events\/[\w/.-]+/g) ?? []) expect(await readFile(join(root, path), 'utf8')).not.toBe('')
    }
  })
})
