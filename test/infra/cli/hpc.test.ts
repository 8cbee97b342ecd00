import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createHpcCommand } from '#infra/cli/hpc.ts'
import { createSandboxClock, type SandboxClock } from '#infra/sandbox/clock.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { getObject, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { type Ran, runWords } from './run-words.ts'

const publicGroup = 'autoscaling.cloud.tencent.com'
const financeGroup = 'autoscaling.finance.cloud.tencent.com'
const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }

let folder: string
let sandbox: Sandbox
let clock: SandboxClock

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-hpc-'))
  clock = createSandboxClock()
  sandbox = await startSandbox({ clock, rates: false })
})

afterEach(async () => {
  await sandbox.close()
  await rm(folder, { recursive: true })
})

async function configure(mode: string, more = ''): Promise<void> {
  await writeFile(
    join(folder, 'longshore.yaml'),
    `mode: ${mode}
platform: { endpoint: '${sandbox.url}', region: ap-guangzhou }
clusters:
  - { id: ${baseClusters.production}, name: production }
  - { id: ${baseClusters.legacy}, name: legacy }
${more}`,
  )
}

function longshore(...words: string[]): Promise<Ran> {
  return runWords(words, { env, cwd: folder })
}

/** The command with somebody at the terminal, who answers so. */
async function asked(
  answer: string | undefined,
  words: readonly string[],
  meanwhile: () => unknown = () => undefined,
): Promise<Ran & { readonly questions: readonly string[] }> {
  const out: string[] = []
  const err: string[] = []
  const questions: string[] = []
  const command = createHpcCommand(async (question) => {
    questions.push(question)
    await meanwhile()
    return answer
  })
  const code = await command.run(words, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env,
    cwd: folder,
    signal: new AbortController().signal,
  })
  return { code, out: out.join('\n'), err: err.join('\n'), questions }
}

const world = (cluster: keyof typeof baseClusters = 'production') => {
  const state = sandbox.world.kubernetes[baseClusters[cluster]]
  if (state === undefined) throw new Error(`there is no cluster ${cluster}`)
  return state
}

type Hpc = { metadata: Record<string, unknown>; spec: { crons: Record<string, unknown>[]; scaleTarget: unknown }; [field: string]: unknown }

function hpc(name: string, namespace = 'pay', group = publicGroup, cluster: keyof typeof baseClusters = 'production'): Hpc | undefined {
  return getObject(world(cluster), group, 'horizontalpodcronscalers', name, namespace) as Hpc | undefined
}

const writes = (): string[] =>
  sandbox.journal
    .filter(({ service, effect }) => service === 'tke' && effect === 'write')
    .map(({ request }) => `${String(request?.Method)} ${String(request?.Path)}`)

const path = (name: string) => `/apis/${publicGroup}/v1/namespaces/pay/horizontalpodcronscalers/${name}`

async function file(text: string, name = 'schedules.yaml'): Promise<void> {
  await writeFile(join(folder, name), text)
}

const gateway = (more = '', size = 8): string => `apiVersion: ${publicGroup}/v1
kind: HorizontalPodCronscaler
metadata:
  name: gateway-peak
  namespace: pay
${more}spec:
  scaleTarget: { apiVersion: apps/v1, kind: Deployment, name: gateway, namespace: pay }
  crons:
    - { name: up, schedule: '0 0 8 * * *', targetSize: ${size} }
    - { name: down, schedule: '0 0 20 * * *', targetSize: 4, excludeDates: ['* * * * * 0,6'] }
`

const fresh = gateway().replace('gateway-peak', 'fresh')

describe('longshore hpc apply', () => {
  test('shows every field that changes, writes, journals, and undo puts it back exactly', async () => {
    await configure('enforce')
    await file(gateway('  labels: { team: pay }\n  annotations: { longshore.dev/time-zone: Europe/Berlin }\n'))
    const before = structuredClone(hpc('gateway-peak'))
    const applied = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')
    expect(applied.err).toBe('')
    expect(applied.code).toBe(0)
    const name = `${baseClusters.production}/pay/HorizontalPodCronscaler/gateway-peak`
    expect(applied.out).toContain(
      `${name}: change\n  + metadata.labels[team]: "pay"\n  + metadata.annotations[longshore.dev/time-zone]: "Europe/Berlin"\n`,
    )
    expect(applied.out).toMatch(/ {2}~ spec\.crons\[up\]\.schedule: ".*" -> "0 0 8 \* \* \*"/)
    expect(applied.out).toContain('  ~ spec.crons[up].targetSize: 6 -> 8\n')
    expect(applied.out).toContain('  + spec.crons[down].excludeDates: ["* * * * * 0,6"]\n')
    expect(applied.out).toMatch(/Applied .*gateway-peak/)
    expect(writes()).toEqual([`PUT ${path('gateway-peak')}`])
    expect(hpc('gateway-peak')).toMatchObject({
      metadata: { uid: before?.metadata.uid, labels: { team: 'pay' }, annotations: { 'longshore.dev/time-zone': 'Europe/Berlin' } },
      spec: {
        crons: [
          { name: 'up', targetSize: 8 },
          { name: 'down', targetSize: 4 },
        ],
      },
    })

    const [, entry = ''] = /To take it back: longshore undo cron-scaler (\d+)$/.exec(applied.out) ?? []
    expect(JSON.parse((await longshore('journal', 'show', 'cron-scaler', entry)).out)).toMatchObject({
      kind: 'intent',
      target: name,
      step: { change: { from: { spec: before?.spec }, to: { spec: { crons: [{ targetSize: 8 }, {}] } } } },
    })
    // The same again does nothing.
    const again = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')
    expect([again.code, again.out]).toEqual([0, `${name}: no change\nNothing to do.`])

    const undone = await longshore('undo', 'cron-scaler', entry)
    expect([undone.code, undone.err]).toEqual([0, ''])
    expect(hpc('gateway-peak')?.spec).toEqual(before?.spec)
    expect(hpc('gateway-peak')?.metadata.labels ?? {}).toEqual(before?.metadata.labels ?? {})
    expect(hpc('gateway-peak')?.metadata.annotations ?? {}).toEqual(before?.metadata.annotations ?? {})
    expect(writes()).toHaveLength(2)
    expect((await longshore('undo', 'cron-scaler', entry)).out).toMatch(/NoChange/)
    expect(writes()).toHaveLength(2)
    // What was undone can be wished again: it is a wish about another state.
    expect((await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')).out).toMatch(/Applied/)
    expect(hpc('gateway-peak')?.spec.crons[0]?.targetSize).toBe(8)
    expect((await longshore('journal', 'verify', 'cron-scaler')).code).toBe(0)
  })

  test('creates what is not there, and undo deletes it again, as often as anybody likes', async () => {
    await configure('enforce')
    await file(fresh)
    for (let round = 0; round < 2; round += 1) {
      const applied = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', baseClusters.production, '--yes')
      expect([applied.code, applied.err]).toEqual([0, ''])
      expect(applied.out).toMatch(/fresh: create\n {2}\+ spec\.scaleTarget\.apiVersion: "apps\/v1"/)
      expect(hpc('fresh')).toMatchObject({ kind: 'HorizontalPodCronscaler', spec: { crons: [{ name: 'up' }, { name: 'down' }] } })
      const [, entry = ''] = /longshore undo cron-scaler (\d+)$/.exec(applied.out) ?? []
      expect((await longshore('undo', 'cron-scaler', entry)).out).toMatch(/Applied/)
      expect(hpc('fresh')).toBeUndefined()
      clock.move(1000)
    }
    expect(writes().map((line) => line.split(' ')[0])).toEqual(['POST', 'DELETE', 'POST', 'DELETE'])
  })

  test('what it writes is what the scaler decides by', async () => {
    await configure('enforce')
    await file(fresh.replace("'0 0 8 * * *'", "'0 * * * * *'"))
    await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')
    // It fires every minute, so it is the next to decide, whatever has decided last.
    const planned = await longshore('plan', 'cron-scaler')
    expect(planned.out).toMatch(/\/pay\/Deployment\/gateway .*next: replicas 8 at .* by hpc\/pay\/fresh\/up/)
  })

  test.each(['plan', 'observe'])('in mode %s shows what would be written and writes nothing, whatever is said', async (mode) => {
    await configure(mode)
    await file(gateway())
    const ran = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')
    expect(ran.code).toBe(2)
    expect(ran.out).toMatch(/targetSize: 6 -> 8/)
    expect(ran.out).toMatch(
      new RegExp(`1 change\\. Nothing was written: .*longshore\\.yaml says mode ${mode}, and only with .mode: enforce. anything is`),
    )
    const deleted = await longshore('hpc', 'delete', 'pay/gateway-peak', '--cluster', 'production', '--yes')
    expect([deleted.code, hpc('gateway-peak') === undefined]).toEqual([2, false])
    expect(writes()).toEqual([])
  })

  test('with --dry-run writes nothing in any mode', async () => {
    await configure('enforce')
    await file(gateway())
    const ran = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--dry-run')
    expect([ran.code, ran.err]).toEqual([2, ''])
    expect(ran.out).toMatch(/targetSize: 6 -> 8[\s\S]*Nothing was written: --dry-run/)
    expect((await longshore('hpc', 'delete', 'pay/gateway-peak', '--cluster', 'production', '--dry-run')).code).toBe(2)
    expect(writes()).toEqual([])
  })

  test('asks, and writes only for a yes', async () => {
    await configure('enforce')
    await file(gateway())
    const words = ['apply', '-f', 'schedules.yaml', '--cluster', 'production']
    for (const answer of ['n', '', 'no', 'yesterday']) {
      const ran = await asked(answer, words)
      expect([ran.code, ran.questions]).toEqual([2, [`Write 1 change to ${baseClusters.production}? [y/N] `]])
      expect(ran.out).toMatch(/Nothing was written\.$/)
    }
    // This process is not at a terminal.
    expect((await longshore('hpc', ...words)).err).toMatch(/nobody is here to ask/)
    const nobody = await asked(undefined, words)
    expect([nobody.code, nobody.err]).toEqual([1, 'nothing was written: nobody is here to ask; say --yes if this is to be written.'])
    expect(writes()).toEqual([])
    expect((await asked(' Yes ', words)).out).toMatch(/Applied/)
    expect(writes()).toHaveLength(1)
  })

  test('does not overwrite what somebody changed while the question was open', async () => {
    await configure('enforce')
    await file(gateway())
    const words = ['apply', '-f', 'schedules.yaml', '--cluster', 'production']
    const change = (edit: (object: Hpc) => void) => () => {
      const object = structuredClone(hpc('gateway-peak')) as Hpc
      edit(object)
      putObject(world(), object as JsonObject, clock.now())
    }
    const ran = await asked(
      'y',
      words,
      change((object) => {
        object.spec.crons = object.spec.crons.map((cron) => ({ ...cron, targetSize: 5 }))
      }),
    )
    expect(ran.code).toBe(1)
    expect(ran.out).toMatch(/Skipped .*somebody has changed it \(~ spec\.crons\[up\]\.targetSize: 6 -> 5\) since it was looked at/)
    expect(writes()).toEqual([])
    // A status that moves on is nobody's decision.
    const moved = await asked(
      'y',
      words,
      change((object) => {
        object.status = { seen: 2 }
      }),
    )
    expect(moved.out).toMatch(/Applied/)
    expect(hpc('gateway-peak')).toMatchObject({ status: { seen: 2 }, spec: { crons: [{ targetSize: 8 }, {}] } })
  })

  test('a file that was got from the cluster is refused when the object has moved on', async () => {
    await configure('enforce')
    const version = String(hpc('gateway-peak')?.metadata.resourceVersion)
    await file(gateway(`  resourceVersion: '${version}'\n`))
    const words = ['hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes']
    expect((await longshore(...words)).code).toBe(0)
    await file(gateway(`  resourceVersion: '${version}'\n`, 9))
    const ran = await longshore(...words)
    expect([ran.code, ran.err]).toEqual([
      1,
      expect.stringMatching(new RegExp(`made from state ${version} of the object, which is at \\d+ now`)),
    ])
    expect(writes()).toHaveLength(1)
  })

  test('refuses everything with all that is wrong, and writes nothing of it', async () => {
    await configure('enforce', 'functions: { cron-scaler: { calendars: { cn: { holidays: [2026-10-01] } } } }\n')
    await file(`${fresh}---
apiVersion: ${publicGroup}/v1
kind: HorizontalPodCronscaler
metadata: { name: bad, namespace: pay }
spec:
  scaleTarget: { apiVersion: apps/v1, kind: Deployment, name: gateway }
  crons:
    - { name: five, schedule: '2 8 * * 1-5', targetSize: 6 }
    - { name: never, schedule: '0 0 8 30 2 *', targetSize: 6 }
    - { name: both, schedule: '0 0 8 * * *', minSize: 1, maxSize: 2, excludeDates: ['@calendar/de'] }
    - { name: typo, schedule: '0 0 8 * * *', targetSise: 3 }
    - { name: twice, schedule: '0 0 8 * * *', targetSize: 3 }
    - { name: twice, schedule: '0 0 9 * * *', targetSize: 4 }
    - { schedule: '0 0 8 * * *', targetSize: 3, runOnce: true }
`)
    const ran = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')
    expect(ran.code).toBe(1)
    for (const why of [
      /schedules\.yaml, object 2: hpc\/pay\/bad\/five: .*0 2 8 \* \* 1-5/,
      /bad\/never: .*does not fire within the next five years/,
      /bad\/both: .*the calendar "de" is not configured/,
      /bad\/both: .*minSize and maxSize are for a HorizontalPodAutoscaler/,
      /bad\/typo: .*did you mean "targetSize"/,
      /bad\/twice: two crons have this name/,
      /bad\/#6: a cron that runs once needs a name/,
      /nothing was written: 7 problems\.$/,
    ])
      expect(ran.err).toMatch(why)
    expect([hpc('fresh'), hpc('bad'), writes()]).toEqual([undefined, undefined, []])
  })

  test.each([
    ['kind: Deployment\nmetadata: { name: x }\nspec: {}\n', /it is a "Deployment": only HPC objects/],
    ['kind: CronHorizontalPodAutoscaler\nmetadata: { name: x }\nspec: {}\n', /longshore hpc convert --to hpc/],
    ['- 1\n', /it is no HPC object/],
    [gateway().replace('spec:', 'specs: {}\nspec:'), /the field "specs" is unknown: did you mean "spec"/],
    [gateway().replace('name: gateway-peak', 'name: Gateway_Peak'), /"Gateway_Peak" is no name of a Kubernetes object/],
    [gateway().replace('namespace: pay', 'namespace: ../x'), /"\.\.\/x" is no name of a namespace/],
    [gateway().replace(`${publicGroup}/v1`, 'v1'), /its apiVersion "v1" is none/],
    [gateway().replace(/ {2}crons:[\s\S]*/, '  crons: []\n'), /it has no crons, so it would do nothing/],
    [gateway().replace('scaleTarget', 'scaleTargetRef'), /spec\.scaleTarget/],
    [`${gateway()}---\n${gateway()}`, /object 2: pay\/gateway-peak is in schedules\.yaml, object 1 already/],
    ['kind: [\n', /schedules\.yaml, line \d+, column \d+: it is not valid YAML/],
    ['', /has nothing in it/],
  ])('refuses %j', async (text, why) => {
    await configure('enforce')
    await file(text)
    const ran = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')
    expect([ran.code, ran.err]).toEqual([1, expect.stringMatching(why)])
    expect(writes()).toEqual([])
  })

  test('writes the kind and group that the cluster has, and says so', async () => {
    await configure('enforce')
    await file(fresh.replace('HorizontalPodCronscaler', 'HorizontalPodCronsScaler').replaceAll('pay', 'settlement'))
    const ran = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'legacy', '--yes')
    expect(ran.code).toBe(0)
    expect(ran.err).toMatch(
      /note: schedules\.yaml: \S+ does not serve autoscaling\.cloud\.tencent\.com; it is written as autoscaling\.finance\.cloud\.tencent\.com\/v1/,
    )
    expect(ran.err).toMatch(
      /warning: settlement\/fresh: \S+ has no Deployment gateway in settlement, so it does nothing before there is one/,
    )
    expect(hpc('fresh', 'settlement', financeGroup, 'legacy')).toMatchObject({
      apiVersion: `${financeGroup}/v1`,
      kind: 'HorizontalPodCronscaler',
    })
  })

  test('16: the kill switch stops it before the write', async () => {
    await configure('enforce')
    await file(gateway())
    await longshore('switch', 'stop', '--by', 'on-call', '--reason', 'database migration')
    const ran = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')
    expect([ran.code, ran.out]).toEqual([1, expect.stringMatching(/Held .*stopped by on-call.*database migration/)])
    expect(writes()).toEqual([])
  })

  test('17: a freeze window holds it, and a protected object is left alone', async () => {
    await configure(
      'enforce',
      "guard:\n  freeze:\n    - { name: quarter-end, kind: deny, schedule: '0 * * * * *', duration: 1h, timeZone: UTC }\n",
    )
    await file(gateway())
    expect((await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')).out).toMatch(/Held .*quarter-end/)
    await configure('enforce', 'guard: { protect: ["*/pay/HorizontalPodCronscaler/*"] }\n')
    expect((await longshore('hpc', 'delete', 'pay/gateway-peak', '--cluster', 'production', '--yes')).out).toMatch(/Held .*protect/)
    expect(writes()).toEqual([])
  })

  test('4: a write whose answer is lost is settled by reading, and not repeated', async () => {
    await configure('enforce')
    await file(gateway())
    sandbox.faults.add({ fault: { kind: 'drop-after' }, match: { effect: 'write' }, count: 1 })
    const ran = await longshore('hpc', 'apply', '-f', 'schedules.yaml', '--cluster', 'production', '--yes')
    expect([ran.code, ran.out]).toEqual([0, expect.stringMatching(/Applied .*the target shows it/)])
    expect(writes()).toHaveLength(1)
    expect(hpc('gateway-peak')?.spec.crons[0]?.targetSize).toBe(8)
  })
})

describe('longshore hpc delete', () => {
  test('shows what goes, deletes it, and undo makes it again', async () => {
    await configure('enforce')
    const before = structuredClone(hpc('gateway-peak'))
    const ran = await asked('y', ['delete', 'pay/gateway-peak', '--cluster', 'production'])
    expect([ran.code, ran.err]).toEqual([0, ''])
    expect(ran.out).toMatch(/gateway-peak: delete\n(.*\n)* {2}- spec\.crons\[up\]\.targetSize: 6\n[\s\S]*Applied/)
    expect(hpc('gateway-peak')).toBeUndefined()
    const [, entry = ''] = /longshore undo cron-scaler (\d+)$/.exec(ran.out) ?? []
    expect((await longshore('undo', 'cron-scaler', entry)).out).toMatch(/Applied/)
    expect(hpc('gateway-peak')?.spec).toEqual(before?.spec)
    expect(writes()).toEqual([`DELETE ${path('gateway-peak')}`, `POST ${path('gateway-peak').replace('/gateway-peak', '')}`])
  })

  test.each([
    [['delete', 'pay/gone', '--cluster', 'production'], /has no HPC object pay\/gone/],
    [['delete', 'gateway-peak', '--cluster', 'production'], /<namespace>\/<name>, not "gateway-peak"/],
    [['delete', 'pay/../x', '--cluster', 'production'], /<namespace>\/<name>/],
    [['delete', '--cluster', 'production'], /name one object/],
    [['delete', 'pay/gateway-peak'], /name the cluster: --cluster production/],
    [['delete', 'pay/gateway-peak', '--cluster', 'produktion'], /did you mean "production"/],
    [['delete', 'pay/gateway-peak', '--cluster', 'production', '--group', 'autoscaling.example.com'], /serves no HPC objects/],
    [['delete', 'pay/gateway-peak', '--cluster', 'production', '--yes', '--dry-run'], /give one of them/],
    [['apply', '--cluster', 'production'], /name the files/],
    [['apply', '-f', 'gone.yaml', '--cluster', 'production'], /gone\.yaml cannot be read: there is no such file/],
    [['aply'], /did you mean "apply"/],
    [[], /say what to do: apply, list, delete, convert/],
  ])('%j is explained', async (words, why) => {
    await configure('enforce')
    const ran = await longshore('hpc', ...words)
    expect([ran.code, ran.err]).toEqual([1, expect.stringMatching(why)])
    expect(writes()).toEqual([])
  })
})

describe('longshore hpc list', () => {
  test('shows every cron with its next firing and what is wrong with it', async () => {
    await configure('plan')
    const { code, out, err } = await longshore('hpc', 'list')
    expect([code, err]).toEqual([0, ''])
    const lines = out.split('\n')
    expect(lines[0]).toMatch(/^cluster +cron +target +schedule +size +next +state$/)
    const line = (id: string) => lines.find((one) => one.includes(id)) ?? ''
    expect(line('hpc/pay/gateway-peak/up')).toMatch(
      /^cls-9f3kq2vd +\S+ +pay\/Deployment\/gateway +.* +replicas 6 +\w{3} \d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} Asia\/Shanghai +ok$/,
    )
    expect(line('hpc/pay/ledger-peak/up')).toContain('pay/StatefulSet/ledger')
    expect(line('hpc/shop/storefront-hours/open')).toContain('min 4, max 12')
    expect(line('hpc/pay/risk-morning/up')).toMatch(/ - +invalid: .*has 5 fields/)
    expect(out).toContain(baseClusters.legacy)
    expect(writes()).toEqual([])
  })

  test('shows one cluster, as JSON with the same facts', async () => {
    await configure('plan')
    const { code, out } = await longshore('hpc', 'list', '--cluster', 'production', '--json')
    expect(code).toBe(0)
    const objects = JSON.parse(out) as {
      cluster: string
      namespace: string
      name: string
      crons: { id: string; next?: string; problems: string[]; size: string }[]
    }[]
    expect(new Set(objects.map(({ cluster }) => cluster))).toEqual(new Set([baseClusters.production]))
    const found = objects.find(({ name }) => name === 'gateway-peak')
    expect(found).toMatchObject({ namespace: 'pay', crons: [{ id: 'hpc/pay/gateway-peak/up', size: 'replicas 6', problems: [] }, {}] })
    expect(Date.parse(found?.crons[0]?.next ?? '')).toBeGreaterThan(clock.now())
    const bad = objects.find(({ name }) => name === 'risk-morning')
    expect(bad?.crons[0]).toMatchObject({ problems: [expect.stringMatching(/0 2 8 \* \* 1-5/)] })
    expect(bad?.crons[0]).not.toHaveProperty('next')
  })

  test('a cluster that cannot be read is told, and the others are shown', async () => {
    await configure('plan', '')
    const config = join(folder, 'longshore.yaml')
    await writeFile(config, (await readFile(config, 'utf8')).replace(baseClusters.legacy, 'cls-00000000'))
    const { code, out, err } = await longshore('hpc', 'list')
    expect([code, err]).toEqual([1, expect.stringMatching(/^cls-00000000 cannot be read: /)])
    expect(out).toContain('hpc/pay/gateway-peak/up')
  })
})

describe('longshore hpc convert', () => {
  const rules = `rules:
  - { name: day, cluster: production, target: { kind: Deployment, name: web }, schedule: '0 0 8 * * *', targetSize: 5 }
  - { name: night, cluster: production, target: { kind: Deployment, name: web }, schedule: '0 0 20 * * *', targetSize: 2 }
`

  test('makes objects of rules, which apply takes, and rules of objects', async () => {
    await configure('enforce', `functions:\n  cron-scaler:\n${rules.replaceAll(/^/gm, '    ').trimEnd()}\n`)
    const ran = await longshore('hpc', 'convert', '-f', 'longshore.yaml', '--to', 'hpc', '-o', 'out.yaml')
    expect([ran.code, ran.out]).toEqual([0, ''])
    expect(ran.err).toMatch(/^note: the settings: 2 of the rules name no time zone: [^\n]*\nwritten to out\.yaml\.$/)
    expect((await longshore('hpc', 'apply', '-f', 'out.yaml', '--cluster', 'production', '--dry-run')).out).toMatch(
      /default\/HorizontalPodCronscaler\/web: create/,
    )
    const back = await longshore('hpc', 'convert', '-f', 'out.yaml', '--to', 'rules', '--cluster', 'production')
    expect(back.code).toBe(0)
    await file(back.out, 'back.yaml')
    const again = await longshore('hpc', 'convert', '-f', 'back.yaml', '--to', 'hpc')
    expect(`${again.out}\n`).toBe(await readFile(join(folder, 'out.yaml'), 'utf8'))
    expect((await longshore('hpc', 'convert', '-f', 'longshore.yaml', '--to', 'hpc', '-o', 'out.yaml')).err).toMatch(
      /out\.yaml is there already/,
    )
    expect(sandbox.journal).toHaveLength(sandbox.journal.filter(({ effect }) => effect === 'read').length)
  })

  test('refuses losses unless they are wanted', async () => {
    await file(
      rules.replace('targetSize: 5', "targetSize: 5, timeZone: Europe/Berlin, excludeDates: ['@calendar/cn', '* * * * * 0']"),
      'rules.yaml',
    )
    const ran = await longshore('hpc', 'convert', '-f', 'rules.yaml', '--to', 'hpc')
    expect([ran.code, ran.out]).toEqual([1, ''])
    expect(ran.err).toMatch(
      /loss: config\/day: timeZone Europe\/Berlin: .*node it runs on\nloss: config\/day: excludeDates "@calendar\/cn": /,
    )
    expect(ran.err).toMatch(/nothing was converted: 2 losses; say --lossy if that is wanted\.$/)
    const lossy = await longshore('hpc', 'convert', '-f', 'rules.yaml', '--to', 'hpc', '--lossy')
    expect(lossy.code).toBe(0)
    expect(lossy.out).toContain('longshore.dev/time-zone: Europe/Berlin')
    expect(lossy.out).toContain('"@calendar/cn"')
  })

  test('makes objects and rules of the ancestor’s', async () => {
    await file(
      `apiVersion: autoscaling.alibabacloud.com/v1beta1
kind: CronHorizontalPodAutoscaler
metadata: { name: web, namespace: shop }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }
  excludeDates: ['* * * 15 11 *']
  jobs:
    - { name: up, schedule: '0 0 8 * * *', targetSize: 5 }
    - { name: down, schedule: '@daily', targetSize: 2, runOnce: true }
`,
      'ancestor.yaml',
    )
    const objects = await longshore('hpc', 'convert', '-f', 'ancestor.yaml', '--to', 'hpc', '--group', financeGroup)
    expect(objects.code).toBe(0)
    expect(objects.out).toContain(`apiVersion: ${financeGroup}/v1\nkind: HorizontalPodCronscaler`)
    expect(objects.err).toMatch(/note: cronhpa\/shop\/web: the ancestor compared month and hour only/)
    const made = await longshore('hpc', 'convert', '-f', 'ancestor.yaml', '--to', 'rules', '--cluster', 'production')
    expect(made.code).toBe(0)
    expect(made.out).toMatch(/- name: down\n +cluster: production[\s\S]*schedule: 0 0 0 \* \* \*[\s\S]*runOnce: true/)
  })

  test.each([
    [['convert', '--to', 'hpc'], /name the files/],
    [['convert', '-f', 'rules.yaml'], /say what to make/],
    [['convert', '-f', 'rules.yaml', '--to', 'yaml'], /say what to make/],
    [['convert', '-f', 'rules.yaml', '--to', 'rules'], /holds rules already/],
    [['convert', '-f', 'object.yaml', '--to', 'rules'], /say which cluster/],
    [['convert', '-f', 'other.yaml', '--to', 'hpc'], /neither a configuration/],
    [['convert', '-f', 'rules.yaml', '--to', 'hpc', '--max-size', 'x'], /--max-size takes a whole number/],
    [
      ['convert', '-f', 'bad.yaml', '--to', 'hpc'],
      /cannot be converted: config\/day: .*has 5 fields[\s\S]*nothing was converted: 1 problem/,
    ],
    [
      ['convert', '-f', 'rules.yaml', '--to', 'hpc', '-o', 'no/such/folder.yaml'],
      /no\/such\/folder\.yaml cannot be written: there is no such file/,
    ],
  ])('%j is explained', async (words, why) => {
    await file(rules, 'rules.yaml')
    await file(gateway(), 'object.yaml')
    await file('hello: world\n', 'other.yaml')
    await file(rules.replace("'0 0 8 * * *'", "'0 8 * * *'"), 'bad.yaml')
    const ran = await longshore('hpc', ...words)
    expect([ran.code, ran.err]).toEqual([1, expect.stringMatching(why)])
  })
})
