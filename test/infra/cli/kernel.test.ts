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

/**
 * A schedule that has fired two minutes ago and does so again in an hour. One that fires every minute would make another plan when
 * a minute ends within a test.
 */
function firedJustNow(): string {
  return `0 ${(new Date().getUTCMinutes() + 58) % 60} * * * *`
}

/** One rule that is due now: gateway at 7 replicas. */
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
        schedule: '${firedJustNow()}'
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

describe('16: setting the kill switch', () => {
  it('is noted in the journal with who, why and when, between the changes that it stopped and let go on', async () => {
    await configure('enforce')
    const digest = /apply --plan ([0-9a-f]{12})/.exec((await longshore('plan', 'cron-scaler')).out)?.[1] ?? ''
    await longshore('switch', 'stop', '--by', 'on-call', '--reason', 'database migration')
    await longshore('apply', '--plan', digest)
    await longshore('switch', 'run', '--by', 'ann', '--reason', 'it is over')
    await longshore('apply', '--plan', digest)
    const lines = (await longshore('journal', 'list', 'cron-scaler')).out.split('\n').map((line) => line.split(/ {2,}/))
    expect(lines.map(([, , what, target, change, why]) => [what, target, change, why])).toEqual([
      ['what', 'target', 'change', 'why'],
      ['note', 'kill switch', 'run -> stop', 'set to stop by on-call: database migration'],
      ['note', 'kill switch', 'stop -> run', 'set to run by ann: it is over'],
      ['intent', expect.stringContaining('gateway'), 'replicas 3 -> replicas 7', expect.any(String)],
      ['Applied', expect.stringContaining('gateway'), 'replicas 3 -> replicas 7', expect.any(String)],
    ])
    expect(lines[1]?.[1]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect((await longshore('journal', 'verify', 'cron-scaler')).out).toMatch(/^4 entries, unbroken/)
    expect((await longshore('undo', 'cron-scaler', '1')).err).toMatch(/is no intent/)
    const [note] = JSON.parse((await longshore('journal', 'list', 'cron-scaler', '--json', '--limit', '4')).out)
    expect(note).toMatchObject({ kind: 'note', target: 'kill switch', before: 'run', after: 'stop', reason: { code: 'kill-switch' } })
  })

  it('needs no credentials, nor does looking at the journal', async () => {
    await configure('enforce')
    const without = (...words: string[]): Promise<Ran> => runWords(words, { env: {}, cwd: folder })
    expect(await without('switch', 'stop', '--by', 'on-call', '--reason', 'x')).toMatchObject({ code: 0, err: '' })
    expect((await without('journal', 'list', 'cron-scaler')).out).toContain('set to stop by on-call: x')
    expect((await without('journal', 'verify', 'cron-scaler')).code).toBe(0)
    expect(sandbox.journal).toEqual([])
  })

  it('works also when the key of the journals cannot be read, and says what is not noted', async () => {
    await configure('enforce', 'journal: { key: env:JOURNAL_KEY }')
    const ran = await longshore('switch', 'stop', '--by', 'on-call', '--reason', 'x')
    expect(ran.code).toBe(1)
    expect(ran.out).toMatch(/^stop: set by on-call/)
    expect(ran.err).toMatch(/^It is set, but noted in no journal: the journals' key cannot be read\. env:JOURNAL_KEY/)
    const keyed = await runWords(['switch', 'run', '--by', 'ann', '--reason', 'y'], {
      env: { ...env, JOURNAL_KEY: 'k'.repeat(32) },
      cwd: folder,
    })
    expect([keyed.code, keyed.err]).toEqual([0, ''])
  })

  it('is refused without a name or a reason, and with empty ones', async () => {
    await configure('enforce')
    for (const words of [[], ['--by', 'ann'], ['--reason', 'x'], ['--by', '', '--reason', 'x'], ['--by', 'ann', '--reason', ' ']]) {
      expect((await longshore('switch', 'stop', ...words)).err).toMatch(/say who sets it and why/)
    }
    expect((await longshore('switch')).out).toBe('run: it was never set')
  })

  it('is left to whoever has it where the configuration puts it elsewhere', async () => {
    await configure('enforce', 'guard: { killSwitch: { kind: ssm, parameter: /longshore/switch } }')
    expect((await longshore('switch', 'stop', '--by', 'ann', '--reason', 'x')).err).toMatch(/kill switch elsewhere \(ssm\); set it there/)
  })
})

describe('17: a freeze window', () => {
  it('that is set aside is noted in the journal with who, why and until when', async () => {
    await configure(
      'enforce',
      `guard:
  freeze:
    - { name: quarter-end, kind: deny, schedule: '0 * * * * *', duration: 1h, timeZone: UTC }
  overrides:
    - { window: quarter-end, until: '2099-01-01T00:00Z', by: ann, reason: incident 7 }`,
    )
    const digest = /apply --plan ([0-9a-f]{12})/.exec((await longshore('plan', 'cron-scaler')).out)?.[1] ?? ''
    expect((await longshore('apply', '--plan', digest)).out).toMatch(/Applied/)
    const lines = (await longshore('journal', 'list', 'cron-scaler')).out.split('\n').map((line) => line.split(/ {2,}/))
    expect(lines.map(([, , what]) => what)).toEqual(['what', 'note', 'intent', 'Applied'])
    expect(lines[1]?.at(-1)).toBe('the window quarter-end is set aside by ann until 2099-01-01T00:00:00.000Z: incident 7')
  })

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
