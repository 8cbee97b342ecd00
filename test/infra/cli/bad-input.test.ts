import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { getObject } from '#infra/sandbox/kubernetes/objects.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { allItems, type Store, type StoreItem } from '#shared/safety/store.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { type Ran, runWords } from './run-words.ts'

const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }

let folder: string
let sandbox: Sandbox
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-bad-input-'))
  sandbox = await startSandbox({ rates: false })
})
afterEach(async () => {
  await sandbox.close()
  await rm(folder, { recursive: true })
})

/**
 * A schedule that has fired two minutes ago and does so again in an hour. One that fires every minute would make another plan when
 * a minute ends within a test.
 */
function firedJustNow(): string {
  return `0 ${(new Date().getUTCMinutes() + 58) % 60} * * * *`
}

/** One rule that is due now: gateway at 7 replicas. */
async function configure(options: { readonly mode?: string; readonly more?: string; readonly cluster?: string } = {}): Promise<void> {
  const { mode = 'enforce', more = '', cluster = 'production' } = options
  await writeFile(
    join(folder, 'longshore.yaml'),
    `mode: ${mode}
platform: { endpoint: '${sandbox.url}', region: ap-guangzhou }
store: { kind: sqlite, path: store.db }
clusters:
  - { id: ${baseClusters.production}, name: production }
${more}
functions:
  cron-scaler:
    hpc: { enabled: false }
    rules:
      - name: gateway-now
        cluster: ${cluster}
        target: { kind: Deployment, namespace: pay, name: gateway }
        schedule: '${firedJustNow()}'
        targetSize: 7
        runOnce: true
`,
  )
}

const longshore = (...words: string[]): Promise<Ran> => runWords(words, { env, cwd: folder })
const storePath = (): string => join(folder, 'store.db')
const writes = (): number => sandbox.journal.filter(({ effect }) => effect === 'write').length

async function planDigest(): Promise<string> {
  return /apply --plan ([0-9a-f]{12})/.exec((await longshore('plan', 'cron-scaler')).out)?.[1] ?? ''
}

/** Changes items of the store the way somebody would who knows how it is made. */
async function tamper(partition: string, change: (item: StoreItem, store: Store) => Promise<void> | void): Promise<void> {
  const store = await openSqliteStore({ path: storePath() })
  try {
    let count = 0
    for await (const item of allItems(store, { partition, now: Date.now() })) {
      await change(item, store)
      count += 1
    }
    expect(count).toBeGreaterThan(0)
  } finally {
    await store.close()
  }
}

const put = async (store: Store, item: StoreItem, data: object): Promise<void> =>
  void (await store.put(item, data, { when: { version: item.version }, now: Date.now(), expiresAt: item.expiresAt }))

const dataOf = (item: StoreItem): Record<string, unknown> => z.parse(z.record(z.string(), z.unknown()), item.data)

/** The one way to set the switch that wants a sound configuration. */
const switchRun = ['switch', 'run', '--by', 'on-call', '--reason', 'x']

describe('a damaged store file', () => {
  const damages: readonly (readonly [string, () => Promise<void>, RegExp])[] = [
    [
      'that is no database',
      async () => await writeFile(storePath(), 'this is no database, whatever it was before'),
      /file is not a database/,
    ],
    ['that was cut off', async () => await writeFile(storePath(), (await readFile(storePath())).subarray(0, 6000)), /malformed/],
    ['that was emptied', async () => await writeFile(storePath(), ''), /is empty; it was cut off, or never was a store/],
    [
      'with other bytes in its middle',
      async () => {
        const file = await open(storePath(), 'r+')
        const { size } = await file.stat()
        await file.write(Buffer.alloc(600, 0x5a), 0, 600, Math.floor(size / 2))
        await file.close()
      },
      /is damaged/,
    ],
  ]

  it.each(damages)('%s is named by every command, with what to do; nothing is written and nothing lost', async (_, damage, what) => {
    await configure()
    const digest = await planDigest()
    await damage()
    await rm(`${storePath()}-wal`, { force: true })
    const before = await readFile(storePath())
    for (const words of [
      ['start', '--once', '--config', 'longshore.yaml'],
      ['plan', 'cron-scaler'],
      ['apply', '--plan', digest],
      ['undo', 'cron-scaler', '1'],
      ['journal', 'list', 'cron-scaler'],
      ['journal', 'verify', 'cron-scaler'],
      ['switch'],
      ['switch', 'stop', '--by', 'on-call', '--reason', 'x'],
      ['guard'],
      ['dead-letters', 'list'],
    ]) {
      const { code, err } = await longshore(...words)
      expect([words[0], code]).toEqual([words[0], 1])
      expect(err, words.join(' ')).toMatch(what)
      expect(err, words.join(' ')).toContain(storePath())
      expect(err, words.join(' ')).toMatch(/Nothing was written.*keep a copy/)
    }
    expect(writes()).toBe(0)
    expect((await readFile(storePath())).equals(before)).toBe(true)
  })
})

describe('18: a journal that was tampered with', () => {
  beforeEach(async () => {
    await configure()
    await longshore('apply', '--plan', await planDigest())
    expect(writes()).toBe(1)
  })

  it.each<[string, (item: StoreItem, store: Store) => Promise<void>, RegExp]>([
    [
      'an entry says something else',
      async (item, store) => {
        if (item.sort.endsWith('1')) await put(store, item, { ...dataOf(item), target: 'cls-9f3kq2vd/pay/Deployment/other' })
      },
      /entry 1: changed: entry 1 was changed after it was written/,
    ],
    [
      'its last entry is gone',
      async (item, store) => {
        if (item.sort.endsWith('2')) await store.delete(item, { when: 'any', now: Date.now() })
      },
      /entry 2: \S+: /,
    ],
    [
      'its first entry is gone',
      async (item, store) => {
        if (item.sort.endsWith('1')) await store.delete(item, { when: 'any', now: Date.now() })
      },
      /entry 1: missing/,
    ],
    [
      'an entry is no entry',
      async (item, store) => (item.sort.endsWith('2') ? await put(store, item, { hello: 1 }) : undefined),
      /entry 2: /,
    ],
  ])('%s: verify says where, and ends with 1', async (_, change, what) => {
    await tamper('journal/cron-scaler', change)
    const { code, out } = await longshore('journal', 'verify', 'cron-scaler')
    expect(code).toBe(1)
    expect(out).toMatch(what)
    expect(out).toMatch(/what this journal says cannot be relied on$/)
  })

  it('at its end: nothing more is changed, and it says why and what to run', async () => {
    await tamper('journal/cron-scaler', async (item, store) => {
      if (item.sort.endsWith('2')) await put(store, item, { ...dataOf(item), outcome: 'Failed' })
    })
    const undone = await longshore('undo', 'cron-scaler', '1')
    expect(undone.code).toBe(1)
    expect(undone.out).toMatch(
      /Held .*the chain cron-scaler is not sound at entry 2\. Nothing was added to it\. Run `longshore journal verify` to see what was changed/,
    )
    expect(writes()).toBe(1)
    // The switch can be thrown all the same: it says that it is set, and which journal does not know.
    const stopped = await longshore('switch', 'stop', '--by', 'on-call', '--reason', 'the journal is damaged')
    expect(stopped.code).toBe(1)
    expect(stopped.out).toMatch(/^stop: set by on-call/)
    expect(stopped.err).toMatch(/^It is set, but that could not be noted in the journal of cron-scaler: .*not sound at entry 2/)
  })

  it('is not listed as if nothing were the matter when an entry is none', async () => {
    await tamper('journal/cron-scaler', async (item, store) => (item.sort.endsWith('2') ? await put(store, item, { hello: 1 }) : undefined))
    for (const words of [
      ['journal', 'list', 'cron-scaler'],
      ['journal', 'show', 'cron-scaler', '2'],
    ]) {
      const { code, err } = await longshore(...words)
      expect(code).toBe(1)
      expect(err).toMatch(/the chain cron-scaler is not sound/)
    }
  })
})

describe('2: a plan', () => {
  it.each<[string, (digest: string) => Promise<void>, RegExp]>([
    [
      'whose steps were changed',
      async (digest) =>
        await tamper('plans/cron-scaler', async (item, store) => {
          if (!item.sort.startsWith(`steps/${digest}`)) return
          const text = JSON.stringify(item.data).replaceAll('"targetSize":7', '"targetSize":700').replaceAll('replicas 7', 'replicas 700')
          expect(text).not.toBe(JSON.stringify(item.data))
          await put(store, item, z.parse(z.record(z.string(), z.unknown()), JSON.parse(text)))
        }),
      /Plan: the plan \w{12} of cron-scaler .*Nothing was applied\. Make a new plan and review it\./,
    ],
    [
      'whose steps are gone',
      async (digest) =>
        await tamper('plans/cron-scaler', async (item, store) => {
          if (item.sort.startsWith(`steps/${digest}`)) await store.delete(item, { when: 'any', now: Date.now() })
        }),
      /Plan: the plan \w+ of cron-scaler is damaged\. Nothing was applied\./,
    ],
    [
      'whose head was changed',
      async () =>
        await tamper('plans/cron-scaler', async (item, store) => {
          if (item.sort.startsWith('plan/')) await put(store, item, { ...dataOf(item), createdAt: 1 })
        }),
      /Plan: the plan \w{12} of cron-scaler .*Nothing was applied\./,
    ],
  ])('%s is refused', async (_, change, why) => {
    await configure()
    const digest = await planDigest()
    await change(digest)
    const { code, err } = await longshore('apply', '--plan', digest)
    expect(code).toBe(1)
    expect(err).toMatch(why)
    expect(writes()).toBe(0)
  })

  it('of another digest is unknown, and one that is none is explained', async () => {
    await configure()
    const digest = await planDigest()
    const other = digest.startsWith('0') ? digest.replace('0', '1') : digest.replace(/./, '0')
    expect(await longshore('apply', '--plan', other)).toMatchObject({
      code: 1,
      err: `longshore apply: there is no plan ${other}. Plans are kept for a week; make a new one and review it.`,
    })
    expect((await longshore('apply', '--plan', 'latest')).err).toMatch(/"latest" is no digest of a plan\. Give its first 8 or more digits/)
    expect(writes()).toBe(0)
  })

  it('whose world has changed is not carried out, target by target, and says what to do', async () => {
    await configure()
    const digest = await planDigest()
    const world = sandbox.world.kubernetes[baseClusters.production]
    if (world === undefined) throw new Error('there is no such cluster')
    const gateway = getObject(world, 'apps', 'deployments', 'gateway', 'pay') as unknown as { spec: { replicas: number } }
    gateway.spec.replicas = 2
    const { code, out } = await longshore('apply', '--plan', digest)
    expect(code).toBe(1)
    expect(out).toMatch(/Held .*pay\/Deployment\/gateway .*review it again/)
    expect(out).toMatch(/pay\/Deployment\/gateway {2}not done: it would not be done so any more; plan and review again/)
    expect([gateway.spec.replicas, writes()]).toEqual([2, 0])
  })
})

describe('22: a configuration that speaks of what is not there', () => {
  const window = "freeze: [{ name: quarter-end, kind: deny, schedule: '0 0 22 * * *', duration: 8h, timeZone: UTC }]"

  it.each<[string, Parameters<typeof configure>[0], RegExp]>([
    [
      'a mode that is none',
      { mode: 'enforcee' },
      /line 1, mode: expected "observe", "plan" or "enforce", found "enforcee"; did you mean "enforce"\?/,
    ],
    [
      'a rule of no cluster',
      { cluster: 'prodution' },
      /functions\.cron-scaler\.rules\[0\]\.cluster: "prodution" is none of the configured clusters: did you mean "production"\?/,
    ],
    [
      'a cap of no function',
      { more: 'guard: { caps: [{ function: cron-scalre, amount: 1, window: 1h }] }' },
      /guard\.caps\[0\]\.function: .*found "cron-scalre"; did you mean "cron-scaler"\?/,
    ],
    [
      'a window of no function',
      { more: `guard: { ${window.replace('timeZone: UTC', 'timeZone: UTC, functions: [cron-scalre]')} }` },
      /guard\.freeze\[0\]\.functions\[0\]: .*did you mean "cron-scaler"\?/,
    ],
    [
      'an override of no window',
      { more: `guard: { ${window}, overrides: [{ window: quarter-edn, until: '2099-01-01T00:00Z', by: ann, reason: x }] }` },
      /guard\.overrides\[0\]\.window: no freeze window has this name; did you mean "quarter-end"\?/,
    ],
    [
      'a cap on a cluster that is not there',
      { more: 'guard: { caps: [{ target: cls-9f3kq2vx/**, amount: 1, window: 1h }] }' },
      /guard\.caps\[0\]\.target: the cluster cls-9f3kq2vx is none of `clusters`, so nothing would fit; did you mean "cls-9f3kq2vd"\?/,
    ],
    [
      'protection of a cluster that is not there',
      { more: 'guard: { protect: [cls-9f3kq2vx/kube-system/**] }' },
      /guard\.protect\[0\]: the cluster cls-9f3kq2vx is none of `clusters`/,
    ],
    [
      'a kill switch in no cluster',
      { more: 'guard: { killSwitch: { kind: configMap, cluster: prodution, namespace: ops, name: x, key: state } }' },
      /guard\.killSwitch\.cluster: names none of `clusters`; did you mean "production"\?/,
    ],
    ['a setting of one function only', { more: 'guard: { mode: enforce }' }, /guard\.mode: unknown key; valid here: caps, freeze/],
  ])('%s is an error before anything is called', async (_, options, why) => {
    await configure(options)
    for (const words of [['validate'], ['start', '--once', '--config', 'longshore.yaml'], ['plan', 'cron-scaler'], ['guard'], switchRun]) {
      const { code, err } = await longshore(...words)
      expect([words[0], code]).toEqual([words[0], 1])
      expect(err).toMatch(why)
    }
    expect(sandbox.journal).toEqual([])
  })

  it('a fault that has nothing to do with the switch keeps nobody from stopping', async () => {
    await configure({ more: 'guard: { mode: enforce }' })
    const stopped = await longshore('switch', 'stop', '--by', 'on-call', '--reason', 'too much happens')
    expect(stopped.code).toBe(0)
    expect(stopped.out).toMatch(/^stop: set by on-call at .*: too much happens/)
    expect(stopped.err).toMatch(/longshore\.yaml has faults, which `longshore validate` lists/)
    await configure()
    expect((await longshore('switch')).out).toMatch(/^stop: set by on-call/)
    expect(writes()).toBe(0)
  })

  it('enforce without a cluster, for a cluster that the platform does not have, and with a misspelt function', async () => {
    await configure()
    const text = await readFile(join(folder, 'longshore.yaml'), 'utf8')
    await writeFile(join(folder, 'longshore.yaml'), text.replace(/clusters:\n.*\n/, '').replace(/functions:[\s\S]*$/, ''))
    expect((await longshore('start', '--once', '--config', 'longshore.yaml')).err).toMatch(
      /mode: enforce needs at least one entry under `clusters`/,
    )
    await writeFile(join(folder, 'longshore.yaml'), text.replace(baseClusters.production, 'cls-00000000'))
    const run = await longshore('start', '--once', '--config', 'longshore.yaml')
    expect(run.code).toBe(1)
    expect(run.out + run.err).toMatch(/cls-00000000/)
    await writeFile(join(folder, 'longshore.yaml'), text.replace('cron-scaler:', 'cron-scalr:'))
    expect((await longshore('start', '--once', '--config', 'longshore.yaml')).err).toMatch(
      /functions\.cron-scalr: unknown key; did you mean "cron-scaler"\?/,
    )
    expect(writes()).toBe(0)
  })
})
