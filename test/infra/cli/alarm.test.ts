import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { poolObjectName } from '#functions/alarm-scaler/pool-store.ts'
import { overlayMemory } from '#infra/cli/overlay-memory.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { listObjects, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import { baseAsGroups, baseClusters, createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential, sandboxHookSecrets } from '#infra/sandbox/test-credentials.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { type Ran, runWords } from './run-words.ts'

const events = fileURLToPath(new URL('../../../events/alarm-scaler/', import.meta.url))
const { production } = baseClusters

let sandbox: Sandbox
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-alarm-'))
  // Its time stands, so that what was asked for stays on its way.
  sandbox = await startSandbox({ world: createBaseWorld(Date.now(), 1), clock: createSandboxClock({ frozen: true }), rates: false })
})

afterEach(async () => {
  await sandbox.close()
  await rm(folder, { recursive: true })
})

const env = {
  TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId,
  TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey,
  ...sandboxHookSecrets,
}

const policy = `{ name: cpu, match: { alert: "*Cpu*" }, pool: general, mode: enforce, confirm: [{ requests: { cpuPercentAbove: 0.1 } }], steps: [{ from: 0, add: 1 }, { from: 10, add: 2 }], mechanisms: [{ name: general, kind: scaling-group, group: ${baseAsGroups.general} }], clusterAutoscaler: share, licence: { guard: false } }`

async function configure(mode: 'plan' | 'enforce' = 'enforce', policies = policy): Promise<void> {
  await writeFile(
    join(folder, 'longshore.yaml'),
    `mode: ${mode}
platform: { endpoint: '${sandbox.url}', region: ap-guangzhou }
clusters: [{ id: ${production}, name: production }]
store: { kind: sqlite, path: ${join(folder, 'store.sqlite')} }
functions:
  alarm-scaler:
    sources: { alerts: { kind: alertmanager, secrets: [env:SANDBOX_ALERTS_TOKEN] } }
    pools: [{ name: general, cluster: production, group: ${baseAsGroups.general}, max: 8 }]
    policies: [${policies}]
`,
  )
}

async function longshore(...words: readonly string[]): Promise<Ran> {
  return await runWords(words, { cwd: folder, env })
}

/** The function works on the event, as when the webhook comes. */
async function receive(name: string): Promise<void> {
  const ran = await longshore('invoke', 'alarm-scaler', '--event', join(events, `${name}.json`), '--config', 'longshore.yaml')
  expect(ran, ran.err).toMatchObject({ code: 0 })
}

const writes = (): number => sandbox.journal.filter(({ effect, applied }) => effect === 'write' && applied).length
const group = () => sandbox.world.tke.clusters[production]?.asGroups[baseAsGroups.general]

describe('longshore invoke', () => {
  it('shows what an event of a webhook has come to, and not only that it is done', async () => {
    const ran = await runWords(['invoke', 'alarm-scaler', '--event', join(events, 'base.json')])
    expect(ran.code).toBe(0)
    expect(ran.out).toMatch(
      /^alarm-scaler {2}Applied {2}cls-9f3kq2vd\/general .* 2 nodes more by general, at least 4 and at most 10 machines .*93\.5 over 80/m,
    )
    expect(ran.out).toMatch(/^alarm-scaler {2}event \w+ of alerts, try 1 {2}done$/m)
  })
})

describe('longshore alarm test', () => {
  it('says what would be done and why, and does and remembers nothing', async () => {
    await configure()
    const test = ['alarm', 'test', '--event', join(events, 'base.json')] as const
    for (const turn of ['first', 'second']) {
      const ran = await longshore(...test)
      expect(ran.out, turn).toMatch(/^alerts says: ClusterCpuHigh fires, 93\.5 over 80; that is new; for it: cpu \(general\)$/m)
      expect(ran.out).toMatch(/^change .*at least 4 and at most 10 machines .*93\.5 over 80, step 2 of 2 wants 2 more/m)
      expect(ran.code).toBe(2)
    }
    expect(writes()).toBe(0)
    const { steps, heard } = JSON.parse((await longshore(...test, '--json')).out)
    expect(steps).toMatchObject([{ verdict: 'change', reason: { code: 'alarm-confirmed' }, change: { kind: 'grow' } }])
    expect(heard).toMatchObject([{ came: 'opened', episode: { state: 'firing' } }])
  })

  it('says that nothing would be done where no policy is for the alarm, where it is over, and where it is known', async () => {
    await configure('enforce', policy.replace('*Cpu*', 'Other'))
    const stranger = await longshore('alarm', 'test', '--event', join(events, 'base.json'))
    expect(stranger).toMatchObject({ code: 0 })
    expect(stranger.out).toContain('no policy is for it')
    await configure()
    const over = await longshore('alarm', 'test', '--event', join(events, 'resolved.json'))
    expect(over).toMatchObject({ code: 0 })
    expect(over.out).toContain('nobody had heard that it fired')
    await receive('base')
    const again = await longshore('alarm', 'test', '--event', join(events, 'base.json'))
    expect(again).toMatchObject({ code: 0 })
    expect(again.out).toContain('that is known')
    expect(again.out).toMatch(/^no-change .*2 in flight/m)
  })

  it('explains what it does not understand', async () => {
    await configure()
    expect(await longshore('alarm')).toMatchObject({ code: 1, err: expect.stringContaining('say test') })
    expect(await longshore('alarm', 'tset')).toMatchObject({ code: 1, err: expect.stringContaining('there is no "alarm tset"') })
    expect(await longshore('alarm', 'test')).toMatchObject({ code: 1, err: expect.stringContaining('give the event') })
    const other = await longshore('alarm', 'test', '--event', join(events, 'grafana.json'))
    expect(other).toMatchObject({ code: 1, err: expect.stringContaining('Addresses: /hooks/alarm-scaler/alerts') })
    const broken = await longshore('alarm', 'test', '--event', join(events, 'invalid.json'))
    expect(broken).toMatchObject({ code: 1, err: expect.stringContaining('would be answered 400') })
  })
})

describe('longshore leases', () => {
  const leaseId = async (): Promise<string> => /ls-[0-9a-f]{16}/.exec((await longshore('leases', 'list')).out)?.[0] ?? ''

  it('lists what was added for which alarm', async () => {
    await configure()
    expect(await longshore('leases', 'list')).toMatchObject({ code: 0, out: 'Nothing is leased.' })
    await receive('base')
    const listed = await longshore('leases', 'list')
    expect(listed.code).toBe(0)
    expect(listed.out).toMatch(
      /^ls-[0-9a-f]{16} +cls-9f3kq2vd\/general +provisioning +0 of 2 +cpu +ClusterCpuHigh .*have to be ready in 1[45]m/m,
    )
    const { pools } = JSON.parse((await longshore('leases', 'list', '--json')).out)
    expect(pools).toMatchObject([{ pool: 'general', leases: [{ wanted: 2, policy: 'cpu' }] }])
  })

  it('gives back or keeps what somebody names by the beginning of its name, through the journal', async () => {
    await configure()
    await receive('base')
    const id = await leaseId()
    // Right after it was asked for more its group is busy.
    const busy = await longshore('leases', 'release', id.slice(0, 7), '--keep', '--by', 'on call')
    expect(busy.out).toContain('nothing is kept yet; try again in a moment')
    Object.assign(group() ?? {}, { status: 'enabled', settles: null })
    const kept = await longshore('leases', 'release', id.slice(0, 7), '--keep', '--by', 'on call')
    expect(kept.out).toMatch(/Applied .*closed \(kept\)/)
    expect(kept.code).toBe(0)
    expect(await longshore('leases', 'list')).toMatchObject({ out: expect.stringContaining('1 lease ended') })
    expect((await longshore('leases', 'list', '--all')).out).toMatch(/closed .*kept at .*on call keeps its nodes/)
    expect((await longshore('journal', 'list', 'alarm-scaler')).out).toContain('on call keeps its nodes')
    expect(group()).toMatchObject({ minSize: 2, desiredSize: 4 })
    const again = await longshore('leases', 'release', id, '--by', 'on call')
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('Nothing is leased.') })
  })

  it('writes nothing in mode plan, and explains what it does not understand', async () => {
    await configure()
    await receive('base')
    const id = await leaseId()
    await configure('plan')
    const before = writes()
    const planned = await longshore('leases', 'release', id, '--by', 'on call')
    expect(planned).toMatchObject({ code: 2 })
    expect(planned.out).toContain('Nothing was done')
    expect(writes()).toBe(before)
    expect(await longshore('leases')).toMatchObject({ code: 1, err: expect.stringContaining('say list or release') })
    expect(await longshore('leases', 'release', id)).toMatchObject({ code: 1, err: expect.stringContaining('--by NAME') })
    expect(await longshore('leases', 'release', '--by', 'me')).toMatchObject({ code: 1, err: expect.stringContaining('name the leases') })
    const unknown = await longshore('leases', 'release', 'ls-0', '--by', 'me')
    expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining(id) })
  })

  it('a record that cannot be read is told of and hides no other', async () => {
    await configure()
    await receive('base')
    const state = sandbox.world.kubernetes[production]
    if (state === undefined) throw new Error('there is no cluster')
    const broken = structuredClone(listObjects(state, '', 'configmaps').find(({ metadata }) => metadata.name === poolObjectName('general')))
    expect(broken).toBeDefined()
    const metadata = { name: 'longshore-pool-x', namespace: 'kube-system', labels: { 'longshore.dev/leases': 'true' } }
    putObject(state, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'pool.json': '{' } }, Date.now())
    const listed = await longshore('leases', 'list')
    expect(listed).toMatchObject({ code: 1, err: expect.stringContaining('holds no JSON') })
    expect(listed.out).toContain('provisioning')
    removeObject(state, '', 'configmaps', 'longshore-pool-x', 'kube-system')
    expect(await longshore('leases', 'list')).toMatchObject({ code: 0, err: '' })
  })
})

describe('longshore replay', () => {
  it('runs what was heard through a proposed policy, and says beside it what was really done', async () => {
    await configure()
    await receive('base')
    const ran = await longshore('replay', 'alarm-scaler')
    expect(ran, ran.err).toMatchObject({ code: 0 })
    expect(ran.out).toContain('1 alarm, of which a policy is for 1')
    expect(ran.out).toContain('Really added in that time: 2 nodes by 1 decision')
    await writeFile(join(folder, 'proposed.yaml'), `policies: [${policy.replace('add: 2', 'add: 4')}]\n`)
    const { pools, really, refusals } = JSON.parse((await longshore('replay', 'alarm-scaler', '--policy', 'proposed.yaml', '--json')).out)
    expect(really).toEqual({ decisions: 1, nodes: 2 })
    expect(pools[0]).toMatchObject({ pool: 'general', entries: [{ verdict: 'change', kind: 'grow', nodes: 4, code: 'alarm-confirmed' }] })
    expect(refusals).toEqual([])
  })

  it('goes through a file of requests, with the nodes over time and what kept some from being added', async () => {
    await configure()
    const base = JSON.parse(await readFile(join(events, 'base.json'), 'utf8'))
    const resolved = JSON.parse(await readFile(join(events, 'resolved.json'), 'utf8'))
    resolved.requestContext.timeEpoch = base.requestContext.timeEpoch + 3_600_000
    await writeFile(join(folder, 'alarms.json'), JSON.stringify([resolved, base]))
    const words = ['replay', 'alarm-scaler', '--events', 'alarms.json', '--from', '2026-11-24', '--to', '2026-11-24T06:00:00Z'] as const
    const { pools, refusals, episodes } = JSON.parse((await longshore(...words, '--json')).out)
    expect(episodes).toEqual({ heard: 1, matched: 1 })
    expect(pools[0]).toMatchObject({ peak: 8, added: 5, removed: 5 })
    expect(pools[0].points[0]).toMatchObject({ nodes: 3 })
    expect(pools[0].points.at(-1)).toMatchObject({ nodes: 3 })
    expect(refusals).toMatchObject([{ code: 'absolute-max' }])
    const shown = await longshore(...words, '--show', '1')
    expect(shown.out).toMatch(/5 added, 5 given back, \d+\.\d node-hours/)
    expect(shown.out).toContain('more; --show')
    // The same twice, to the letter; no node before its alarm, and none left after it.
    expect(await longshore(...words, '--json')).toEqual(await longshore(...words, '--json'))
    expect(Date.parse(pools[0].points[1].at)).toBe(base.requestContext.timeEpoch)
    expect(sandbox.journal).toEqual([])
  })

  it('explains what it does not understand', async () => {
    await configure()
    const says = async (...words: readonly string[]) => await longshore('replay', ...words)
    expect(await says('cron-scaler')).toMatchObject({ code: 1, err: expect.stringContaining('hears no alarms') })
    expect(await says('alarm-scaler', '--sandbox')).toMatchObject({ code: 1, err: expect.stringContaining('--events FILE') })
    const backwards = await says('alarm-scaler', '--from', '2026-11-24', '--to', '2026-11-23')
    expect(backwards).toMatchObject({ code: 1, err: expect.stringContaining('--from has to be before --to') })
    await writeFile(join(folder, 'alarms.json'), '[{"at": "yesterday", "alert": 1}]')
    const unread = await says('alarm-scaler', '--events', 'alarms.json')
    expect(unread).toMatchObject({ code: 1, err: expect.stringContaining('item 1 of the file') })
    await writeFile(join(folder, 'proposed.yaml'), 'polices: []\n')
    const misspelt = await says('alarm-scaler', '--policy', 'proposed.yaml')
    expect(misspelt).toMatchObject({ code: 1, err: expect.stringContaining('policies') })
  })
})

describe('a memory that is only tried out', () => {
  it('reads what lies below, keeps its own writes to itself, and honours conditions', async () => {
    const below = createMemory(openMemoryStore(new MemoryDisk()), { function: 'alarm-scaler', now: () => 0 })
    await below.put('a/1', 'one')
    await below.put('a/2', 'two')
    const memory = overlayMemory(below)
    const first = await memory.get('a/1')
    await memory.put('a/1', 'changed', { ifVersion: first?.version })
    await expect(memory.put('a/1', 'again', { ifVersion: first?.version })).rejects.toThrow('somebody else has written a/1')
    await expect(memory.put('a/2', 'x', { ifVersion: 'absent' })).rejects.toThrow('meanwhile')
    await memory.put('a/3', 'three', { ifVersion: 'absent' })
    await memory.delete('a/2')
    expect((await memory.list('a/')).map(({ key, value }) => [key, value])).toEqual([
      ['a/1', 'changed'],
      ['a/3', 'three'],
    ])
    expect((await below.list('')).map(({ value }) => value)).toEqual(['one', 'two'])
    expect(await memory.get('a/2')).toBeUndefined()
  })
})
