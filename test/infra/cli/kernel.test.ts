import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSandboxClock, type SandboxClock } from '#infra/sandbox/clock.ts'
import { getObject } from '#infra/sandbox/kubernetes/objects.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { type Ran, runWords } from './run-words.ts'

let folder: string
let sandbox: Sandbox
let clock: SandboxClock
const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-kernel-'))
  clock = createSandboxClock()
  sandbox = await startSandbox({ clock, rates: false })
})

afterEach(async () => {
  await sandbox.close()
  await rm(folder, { recursive: true })
})

/** One rule that is due at any time of the day: gateway at 7 replicas. */
async function configure(mode: string, more = ''): Promise<void> {
  await writeFile(
    join(folder, 'longshore.yaml'),
    `mode: ${mode}
platform: { endpoint: '${sandbox.url}', region: ap-guangzhou }
clusters:
  - { id: ${baseClusters.production}, name: production }
${more}
functions:
  cron-scaler:
    hpc: { enabled: false }
    rules:
      - name: gateway-now
        cluster: production
        target: { kind: Deployment, namespace: pay, name: gateway }
        schedule: '0 * * * * *'
        targetSize: 7
        runOnce: true
`,
  )
}

function longshore(...words: string[]): Promise<Ran> {
  return runWords(words, { env, cwd: folder })
}

function replicas(): unknown {
  const gateway = getObject(sandbox.world.kubernetes[baseClusters.production]!, 'apps', 'deployments', 'gateway', 'pay')
  return (gateway as { spec: { replicas: number } } | undefined)?.spec.replicas
}

const writes = (): number => sandbox.journal.filter(({ effect }) => effect === 'write').length

describe('a plan that is reviewed', () => {
  it('is shown with exit code 2, kept, applied once, journaled and taken back', async () => {
    await configure('enforce')
    const before = replicas()
    const planned = await longshore('plan', 'cron-scaler')
    expect([planned.code, planned.err]).toEqual([2, ''])
    expect(planned.out).toMatch(/change +cls-9f3kq2vd\/pay\/Deployment\/gateway/)
    expect(writes()).toBe(0)
    const digest = /apply --plan ([0-9a-f]{12})/.exec(planned.out)?.[1] ?? ''

    const applied = await longshore('apply', '--plan', digest)
    expect([applied.code, applied.err]).toEqual([0, ''])
    expect(applied.out).toMatch(/Applied/)
    expect([replicas(), writes()]).toEqual([7, 1])

    const again = await longshore('apply', '--plan', digest)
    expect(again.code).toBe(1)
    expect(again.out).toMatch(/plan and review again/)
    expect(writes()).toBe(1)
    expect((await longshore('plan', 'cron-scaler')).code).toBe(0)

    const list = await longshore('journal', 'list', 'cron-scaler')
    expect(list.out).toMatch(/1 .*intent .*gateway[\s\S]*2 .*Applied .*gateway/)
    expect(JSON.parse((await longshore('journal', 'show', 'cron-scaler', '2')).out)).toMatchObject({
      seq: 2,
      kind: 'outcome',
      outcome: 'Applied',
    })
    expect(await longshore('journal', 'verify', 'cron-scaler')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^2 entries, unbroken/),
    })

    const undone = await longshore('undo', 'cron-scaler', '1')
    expect([undone.code, undone.err]).toEqual([0, ''])
    expect([replicas(), writes()]).toEqual([before, 2])
    // It happens once, and the schedule does not put it back.
    expect((await longshore('undo', 'cron-scaler', '1')).out).toMatch(/NoChange/)
    expect((await longshore('plan', 'cron-scaler')).code).toBe(0)
    expect(writes()).toBe(2)
    expect((await longshore('journal', 'verify', 'cron-scaler')).code).toBe(0)
  })

  it('is not applied to a world that moved on', async () => {
    await configure('enforce')
    const digest = /apply --plan ([0-9a-f]{12})/.exec((await longshore('plan', 'cron-scaler')).out)?.[1] ?? ''
    const gateway = getObject(sandbox.world.kubernetes[baseClusters.production]!, 'apps', 'deployments', 'gateway', 'pay') as unknown as {
      spec: { replicas: number }
    }
    gateway.spec.replicas = 2
    const applied = await longshore('apply', '--plan', digest)
    expect(applied.code).toBe(1)
    expect(applied.out).toMatch(/not-reviewed|review/)
    expect([replicas(), writes()]).toEqual([2, 0])
  })

  it('is not applied without mode enforce', async () => {
    await configure('plan')
    const digest = /apply --plan ([0-9a-f]{12})/.exec((await longshore('plan', 'cron-scaler')).out)?.[1] ?? ''
    const applied = await longshore('apply', '--plan', digest)
    expect(applied).toMatchObject({ code: 1, err: expect.stringMatching(/mode plan.*mode: enforce/) })
    expect(writes()).toBe(0)
  })

  it.each([
    [['apply'], /--plan/],
    [['apply', '--plan', 'abc'], /digest/],
    [['apply', '--plan', '0123456789abcdef'], /no plan 0123456789abcdef/],
    [['plan'], /name a function/],
    [['plan', 'cron-scalr'], /did you mean "cron-scaler"/],
    [['journal', 'look', 'cron-scaler'], /list, show or verify/],
    [['journal', 'show', 'cron-scaler', '99'], /no entry 99/],
    [['undo', 'cron-scaler', '99'], /no entry 99/],
    [['undo', 'cron-scaler', 'x'], /whole number/],
    [['switch', 'stop'], /--by NAME/],
  ])('%j is explained', async (words, why) => {
    await configure('enforce')
    const { code, err } = await longshore(...words)
    expect(code).toBe(1)
    expect(err).toMatch(why)
    expect(writes()).toBe(0)
  })
})

describe('16: the kill switch', () => {
  it('stops before the next write and says who stopped it', async () => {
    await configure('enforce')
    expect((await longshore('switch')).out).toMatch(/run: it was never set/)
    expect((await longshore('switch', 'stop', '--by', 'on-call', '--reason', 'database migration')).out).toMatch(/^stop: set by on-call/)
    const digest = /apply --plan ([0-9a-f]{12})/.exec((await longshore('plan', 'cron-scaler')).out)?.[1] ?? ''
    const applied = await longshore('apply', '--plan', digest)
    expect(applied.out).toMatch(/Held .*stopped by on-call.*database migration/)
    expect(writes()).toBe(0)
    await longshore('switch', 'run', '--by', 'on-call', '--reason', 'done')
    expect((await longshore('apply', '--plan', digest)).out).toMatch(/Applied/)
    expect(writes()).toBe(1)
  })
})

describe('17: a freeze window', () => {
  it('holds changes and says which window and until when', async () => {
    await configure(
      'enforce',
      `guard:\n  freeze:\n    - { name: quarter-end, kind: deny, schedule: '0 * * * * *', duration: 1h, timeZone: UTC }`,
    )
    const digest = /apply --plan ([0-9a-f]{12})/.exec((await longshore('plan', 'cron-scaler')).out)?.[1] ?? ''
    expect((await longshore('apply', '--plan', digest)).out).toMatch(/Held .*quarter-end/)
    expect(writes()).toBe(0)
  })
})

describe('bad days of the store', () => {
  it('a journal that somebody edited is found out', async () => {
    await configure('enforce')
    const digest = /apply --plan ([0-9a-f]{12})/.exec((await longshore('plan', 'cron-scaler')).out)?.[1] ?? ''
    await longshore('apply', '--plan', digest)
    // Whoever edits the file by hand leaves its checksums behind; here they are made to fit, which takes a determined hand.
    const database = new DatabaseSync(join(folder, '.longshore/store.db'))
    const tables = database
      .prepare("select name from sqlite_master where type = 'table'")
      .all()
      .map(({ name }) => String(name))
    let removed = 0
    for (const table of tables) {
      const columns = database
        .prepare(`pragma table_info(${table})`)
        .all()
        .map(({ name }) => String(name))
      if (!columns.includes('partition') || !columns.includes('sort')) continue
      removed += Number(database.prepare(`delete from ${table} where partition like 'journal/%' and sort like '%1'`).run().changes)
    }
    database.close()
    expect(removed).toBeGreaterThan(0)
    const verified = await longshore('journal', 'verify', 'cron-scaler')
    expect(verified.code).toBe(1)
    expect(verified.out).toMatch(/entry 1: missing/)
  })

  it('a damaged store file is named, and nothing is written', async () => {
    await configure('enforce')
    await longshore('plan', 'cron-scaler')
    await writeFile(join(folder, '.longshore/store.db'), 'this is no database, whatever it was before')
    const planned = await longshore('start', '--once', '--config', 'longshore.yaml')
    expect(planned.code).toBe(1)
    expect(planned.err).toMatch(/store\.db/)
    expect(writes()).toBe(0)
  })
})

describe('a platform that cannot be reached', () => {
  it.each([
    ['a wrong secret', { TENCENTCLOUD_SECRET_KEY: 'WrongKeyWrongKeyWrongKeyWrongKey' }, undefined, /SignatureFailure/],
    ['an endpoint where nobody listens', {}, 'http://127.0.0.1:1', /ECONNREFUSED/],
  ])('ends with exit code 1 for %s', async (_, wrong, url, why) => {
    await configure('enforce')
    if (url !== undefined) {
      const file = join(folder, 'longshore.yaml')
      await writeFile(file, (await readFile(file, 'utf8')).replace(sandbox.url, url))
    }
    const ran = await runWords(['start', '--once', '--config', 'longshore.yaml'], { env: { ...env, ...wrong }, cwd: folder })
    expect(ran.code).toBe(1)
    expect(ran.out + ran.err).toMatch(why)
    expect(writes()).toBe(0)
  })

  it('ends with exit code 1 for a cluster that does not exist', async () => {
    await configure('enforce', '  - { id: cls-00000000 }')
    const file = join(folder, 'longshore.yaml')
    await writeFile(file, (await readFile(file, 'utf8')).replace('hpc: { enabled: false }', 'hpc: { enabled: true }'))
    const { code, out } = await longshore('start', '--once', '--config', 'longshore.yaml')
    expect(code).toBe(1)
    expect(out).toMatch(/cls-00000000/)
    expect(out).toMatch(/Applied .*gateway/)
  })
})
