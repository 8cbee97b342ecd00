import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { createBudgets } from '#shared/safety/budget.ts'
import type { Cap } from '#shared/safety/cap.ts'
import type { Store } from '#shared/safety/store.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { type Ran, runWords } from './run-words.ts'

const hourMs = 3_600_000
const allowanceMs = 12_000

let folder: string
let sandbox: Sandbox | undefined
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-guard-'))
})
afterEach(async () => {
  await sandbox?.close()
  sandbox = undefined
  await rm(folder, { recursive: true })
})

async function configure(guard: string, options: { readonly mode?: string; readonly url?: string } = {}): Promise<void> {
  const { mode = 'enforce', url = 'http://127.0.0.1:1' } = options
  await writeFile(
    join(folder, 'longshore.yaml'),
    `mode: ${mode}
platform: { endpoint: '${url}', region: ap-guangzhou }
clusters: [{ id: ${baseClusters.production}, name: production }]
store: { kind: sqlite, path: store.db }
guard:
${guard}
functions: { cron-scaler: {} }
`,
  )
}

/** Without credentials: what only looks into the store needs none. */
const guard = (...words: string[]): Promise<Ran> => runWords(['guard', ...words], { env: {}, cwd: folder })

async function withStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openSqliteStore({ path: join(folder, 'store.db') })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** Takes room under a cap as a run would; answers until when it counts, about. */
async function take(cap: Cap, units: number): Promise<number> {
  return await withStore(async (store) => {
    const now = Date.now()
    const budgets = createBudgets(store, { owner: 'a run', allowanceMs })
    const answer = await budgets.take([{ cap, limit: cap.amount ?? 100, units }], { now, runId: 'run' })
    expect(answer.ok).toBe(true)
    return now + allowanceMs + hourMs
  })
}

/** The cells of the row that begins so. */
const rowOf = ({ out }: Ran, start: string): string[] =>
  (out.split('\n').find((line) => line.startsWith(start)) ?? '').split(/ {2,}/).map((cell) => cell.trim())

describe('longshore guard', () => {
  it('says that nothing holds back where nothing is set, without credentials', async () => {
    await configure('  protect: []')
    const ran = await guard()
    expect([ran.code, ran.err]).toEqual([0, ''])
    expect(ran.out).toMatch(/^At \w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, mode enforce\.$/m)
    expect(ran.out).toMatch(/^Kill switch: run \(the kill switch in the store file .*store\.db\)$/m)
    expect(ran.out).toMatch(/^Protected: nothing$/m)
    expect(rowOf(ran, 'cron-scaler')).toEqual(['cron-scaler', 'may change', 'nothing holds it back'])
    expect(ran.out).toMatch(/No freeze windows\.[\s\S]*No caps\.$/)
  })

  it('says that the mode holds, and that the switch does, each with who and why', async () => {
    await configure('  protect: [cls-9f3kq2vd/kube-system/**]', { mode: 'plan' })
    expect((await runWords(['switch', 'stop', '--by', 'on-call', '--reason', 'migration'], { env: {}, cwd: folder })).code).toBe(0)
    const ran = await guard('cron-scaler')
    expect(ran.code).toBe(0)
    expect(ran.out).toMatch(/^Kill switch: STOP \(.*\): stopped by on-call at \S+: migration$/m)
    expect(rowOf(ran, 'cron-scaler')).toEqual([
      'cron-scaler',
      'held',
      'the mode is plan; only enforce changes anything; the kill switch says stop',
    ])
    expect(ran.out).toContain('Protected: cls-9f3kq2vd/kube-system/**')
    const plain = JSON.parse((await guard('cron-scaler', '--json')).out)
    expect(plain).toMatchObject({ mode: 'plan', killSwitch: { state: 'stop', why: expect.stringContaining('on-call') } })
    expect(plain.functions).toEqual([
      {
        function: 'cron-scaler',
        mayChange: false,
        holds: [
          { code: 'guard.mode', text: 'the mode is plan; only enforce changes anything' },
          { code: 'guard.kill-switch', text: 'the kill switch says stop' },
        ],
      },
    ])
  })

  it('shows windows with what they are now and when that changes, and overrides in force', async () => {
    const ends = new Date()
    const hour = ends.getUTCHours()
    ends.setUTCHours(hour + 2, 0, 0, 0)
    const at = (hours: number): string => `0 0 ${(hour + hours + 24) % 24} * * *`
    await configure(`  freeze:
    - { name: active, kind: deny, schedule: '${at(0)}', duration: 2h, timeZone: UTC, functions: [cron-scaler] }
    - { name: aside, kind: deny, schedule: '${at(-1)}', duration: 23h, timeZone: UTC }
    - { name: later, kind: allow, schedule: '${at(6)}', duration: 1h, timeZone: UTC }
    - { name: within, kind: allow, schedule: '${at(-1)}', duration: 5h, timeZone: UTC }
    - { name: other, kind: deny, schedule: '${at(0)}', duration: 1h, timeZone: UTC, functions: [image-cleaner] }
  overrides:
    - { window: aside, until: '2099-01-01T00:00Z', by: ann, reason: incident 7 }
    - { window: aside, until: '2020-01-01T00:00Z', by: bob, reason: long ago }`)
    const ran = await guard('cron-scaler')
    expect(rowOf(ran, 'active').slice(0, 3)).toEqual(['active', 'deny', 'frozen'])
    expect(rowOf(ran, 'active')[3]).toMatch(/^ends \w{3} .* UTC$/)
    expect(rowOf(ran, 'aside').slice(0, 3)).toEqual(['aside', 'deny', 'set aside'])
    expect(rowOf(ran, 'later').slice(0, 3)).toEqual(['later', 'allow', 'closed'])
    expect(rowOf(ran, 'later')[3]).toMatch(/^begins /)
    expect(rowOf(ran, 'within').slice(0, 3)).toEqual(['within', 'allow', 'open'])
    expect(ran.out).toContain('"aside" is set aside by ann until Thu 2099-01-01 00:00:00 UTC: incident 7')
    expect(ran.out).not.toMatch(/long ago|^other/m)
    expect(rowOf(ran, 'cron-scaler')[2]).toMatch(/^freeze window "active" forbids changes until/)
    const plain = JSON.parse((await guard('--json')).out)
    expect(plain.windows[0]).toEqual({
      name: 'active',
      kind: 'deny',
      state: 'frozen',
      isActive: true,
      changesAt: ends.toISOString(),
      functions: ['cron-scaler'],
    })
    expect(plain.overrides).toEqual([{ window: 'aside', until: '2099-01-01T00:00:00.000Z', by: 'ann', reason: 'incident 7' }])
    expect(plain.functions[0].holds.map(({ code }: { code: string }) => code)).toEqual(['guard.freeze-window'])
  })

  it('shows for each cap what is used, what is left and when more comes back', async () => {
    await configure(`  caps:
    - { function: cron-scaler, amount: 5, window: 1h }
    - { amount: 2, percent: 10, function: cron-scaler, window: 2h, target: 'cls-9f3kq2vd/pay/**' }
    - { function: cron-scaler, percent: 10, window: 3h }
    - { amount: 3, window: run }
    - { amount: 0, window: 4h }
    - { function: image-cleaner, amount: 1, window: 1h }`)
    const window = { kind: 'rolling', durationMs: hourMs } as const
    const countsUntil = await take({ function: 'cron-scaler', amount: 5, window }, 3)
    await take({ function: 'cron-scaler', percent: 10, window: { ...window, durationMs: 3 * hourMs } }, 1)
    const ran = await guard('cron-scaler')
    const rows = ran.out
      .slice(ran.out.indexOf('cap on'))
      .split('\n')
      .slice(1)
      .map((line) => line.split(/ {2,}/))
    const instant = expect.stringMatching(/^at \w{3} \d{4}-.* UTC$/)
    expect(rows).toEqual([
      ['cron-scaler', '1h', '3', '5', '2', instant, 'all'],
      ['cron-scaler', '2h', '0', '2, at most 10 % of the plan', '2', 'cls-9f3kq2vd/pay/**'],
      ['cron-scaler', '3h', '1', '10 % of the plan', 'depends on the plan', instant, 'all'],
      ['all functions', 'run', 'anew each run', '3', '3', 'next run', 'all'],
      ['all functions', '4h', '0', '0', '0', 'all'],
    ])
    expect(rowOf(ran, 'cron-scaler')).toEqual(['cron-scaler', 'may change', 'as far as the caps go'])
    await take({ function: 'cron-scaler', amount: 5, window }, 2)
    const plain = JSON.parse((await guard('cron-scaler', '--json')).out)
    expect(plain.caps[0]).toMatchObject({ function: 'cron-scaler', window: '1h', amount: 5, limit: 5, used: 5, room: 0 })
    expect(Math.abs(Date.parse(plain.caps[0].roomAt) - countsUntil)).toBeLessThan(5000)
    expect(plain.caps[2]).toEqual({ function: 'cron-scaler', percent: 10, window: '3h', used: 1, roomAt: expect.any(String) })
    expect(plain.caps[3]).toEqual({ window: 'run', amount: 3, limit: 3, room: 3 })
    expect(plain.caps).toHaveLength(5)
    expect(JSON.parse((await guard('--json')).out).caps).toHaveLength(6)
  })

  it('changes nothing and takes nothing of the caps', async () => {
    await configure('  caps: [{ amount: 5, window: 1h }]')
    await guard()
    const items = await withStore(async (store) => await store.query({ partition: 'guard/budgets', now: Date.now() }))
    expect(items.items).toEqual([])
  })
})

describe('what cannot be told', () => {
  it('is a switch in a cluster that cannot be reached: it says so and ends with 1', async () => {
    await configure(`  killSwitch: { kind: configMap, cluster: production, namespace: ops, name: longshore, key: state }`)
    const words = { env: { TENCENTCLOUD_SECRET_ID: 'AKIDnobody', TENCENTCLOUD_SECRET_KEY: 'nobody' }, cwd: folder }
    const ran = await runWords(['guard'], words)
    expect(ran.code).toBe(1)
    expect(ran.out).toMatch(
      /^Kill switch: UNREACHABLE, which counts as stop \(the kill switch in key state of ConfigMap ops\/longshore of/m,
    )
    expect(rowOf(ran, 'cron-scaler')).toEqual(['cron-scaler', 'held', 'the kill switch cannot be read'])
    // Without credentials it is the same: nobody knows what it says.
    const without = await guard('cron-scaler', '--json')
    expect(without.code).toBe(1)
    expect(JSON.parse(without.out)).toMatchObject({
      killSwitch: { state: 'unreachable', why: expect.stringContaining('cannot be read') },
      functions: [{ mayChange: false, holds: [{ code: 'guard.kill-switch-unreachable' }] }],
    })
  })

  it('is not a switch in a cluster that can be: what it says is shown', async () => {
    sandbox = await startSandbox({ rates: false })
    const say = (state: string): void => {
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', name: 'longshore' }, data: { state } }
      const world = sandbox?.world.kubernetes[baseClusters.production]
      if (world === undefined) throw new Error('there is no such cluster')
      putObject(world, object as Parameters<typeof putObject>[1], Date.now())
    }
    const words = {
      env: { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey },
      cwd: folder,
    }
    await configure('  killSwitch: { kind: configMap, cluster: production, namespace: default, name: longshore, key: state }', {
      url: sandbox.url,
    })
    say('run')
    expect(await runWords(['guard'], words)).toMatchObject({ code: 0, out: expect.stringMatching(/^Kill switch: run \(/m) })
    say('Stop')
    const ran = await runWords(['guard'], words)
    expect(ran.code).toBe(1)
    expect(ran.out).toMatch(/^Kill switch: UNKNOWN, which counts as stop/m)
    expect(rowOf(ran, 'cron-scaler')[2]).toBe('the kill switch says neither run nor stop')
  })

  it('is a cap whose figures are damaged', async () => {
    await configure('  caps: [{ amount: 5, window: 1h }]')
    await take({ amount: 5, window: { kind: 'rolling', durationMs: hourMs } }, 1)
    await withStore(async (store) => {
      const { items } = await store.query({ partition: 'guard/budgets', now: Date.now() })
      for (const item of items) await store.put(item, { format: 1 }, { when: 'any', now: Date.now() })
    })
    const ran = await guard()
    expect(ran.code).toBe(1)
    expect(rowOf(ran, 'all functions').slice(0, 5)).toEqual(['all functions', '1h', 'unknown', '5', 'unknown'])
    expect(ran.out).toMatch(/The cap on all functions per 1h: The budget cap\/\w+ in the store file .* is damaged/)
  })
})

describe('the words', () => {
  it.each([
    [['cron-scalr'], /did you mean "cron-scaler"/],
    [['cron-scaler', 'more'], /name one function/],
    [['--all'], /there is no option --all/],
  ])('%j are explained', async (words, why) => {
    await configure('  protect: []')
    const { code, err } = await guard(...words)
    expect(code).toBe(1)
    expect(err).toMatch(why)
  })

  it('are shown with an example', async () => {
    expect((await guard('--help')).out).toContain('Example: longshore guard cron-scaler')
  })
})
