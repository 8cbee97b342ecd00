import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KillSwitch, KillSwitchError } from '#shared/safety/kill-switch.ts'
import { type KillSwitchPorts, killSwitchOf } from '#shared/safety/kill-switch-of.ts'
import { readSwitch, setSwitch, storeKillSwitch } from '#shared/safety/kill-switch-store.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'

const now = Date.UTC(2026, 2, 1, 8)

async function failureOf(killSwitch: KillSwitch): Promise<KillSwitchError> {
  const error = await killSwitch.read(now).then(
    (value) => new Error(`it said ${value}`),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(KillSwitchError)
  return error as KillSwitchError
}

function nothing(): never {
  throw new Error('this port is not to be used')
}

function switchOf(settings: Parameters<typeof killSwitchOf>[0], ports: Partial<KillSwitchPorts>): KillSwitch {
  return killSwitchOf(settings, { store: openMemoryStore(new MemoryDisk()), readParameter: nothing, kubeReader: nothing, ...ports })
}

describe('16: the switch in the store', () => {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-switch-'))
  let store: Store
  beforeAll(async () => {
    store = await openSqliteStore({ path: join(folder, 'store.db') })
  })
  afterAll(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('says run as long as it was never set, then what it was set to, and why', async () => {
    const killSwitch = switchOf({ kind: 'store' }, { store })
    expect(killSwitch.name).toBe(`the kill switch in ${store.name}`)
    expect(await killSwitch.read(now)).toBe('run')
    expect(await killSwitch.why?.(now)).toBeUndefined()
    expect(await readSwitch(store, { now })).toBeUndefined()
    await setSwitch(store, { state: 'stop', by: 'ann', reason: 'incident 7', now })
    expect(await killSwitch.read(now + 1)).toBe('stop')
    expect(await killSwitch.why?.(now + 1)).toBe('stopped by ann at 2026-03-01T08:00:00.000Z: incident 7')
    expect(await readSwitch(store, { now })).toEqual({ state: 'stop', by: 'ann', reason: 'incident 7', at: now })
    await setSwitch(store, { state: 'run', by: 'bob', reason: 'over', now: now + 2 })
    expect(await killSwitch.read(now + 3)).toBe('run')
    expect(await killSwitch.why?.(now + 3)).toBeUndefined()
  })

  it.each([
    ['another word', { format: 1, state: 'Stop', by: '', reason: '', at: 1 }, 'state'],
    ['run in another form', { format: 2, state: 'run', by: '', reason: '', at: 1 }, 'format'],
    ['nothing', {}, 'format, state, by, reason, at'],
    ['more than there should be', { format: 1, state: 'run', by: '', reason: '', at: 1, more: 1 }, 'as a whole'],
  ])('counts as stop when it is damaged: %s', async (_, data, what) => {
    await store.put({ partition: 'guard/kill-switch', sort: 'switch' }, data, { when: 'any', now })
    const error = await failureOf(storeKillSwitch(store))
    expect([error.name, error.kind, error.message]).toEqual([
      'KillSwitchError',
      'kill-switch.unknown-value',
      `the kill switch in ${store.name} is damaged (${what}), which counts as stop; set it again.`,
    ])
    await setSwitch(store, { state: 'run', by: 'ann', reason: 'set again', now })
    expect(await storeKillSwitch(store).read(now)).toBe('run')
  })

  it('cannot be read where the store cannot', async () => {
    const broken = openMemoryStore(new MemoryDisk(), {
      before: () => {
        throw new StoreError('store.unavailable', 'the store is away')
      },
    })
    const error = await failureOf(storeKillSwitch(broken))
    expect([error.kind, error.message]).toEqual([
      'kill-switch.unreachable',
      'the kill switch in the store in memory cannot be read: the store is away',
    ])
  })

  it('is set for certain although answers are lost, and never by a late arrival', async () => {
    const disk = new MemoryDisk()
    let losing = 2
    const losesAnswers = openMemoryStore(disk, {
      after: ({ operation }) => {
        if (operation === 'put' && losing-- > 0) throw new StoreError('store.unknown-outcome', 'the answer was lost')
      },
    })
    await setSwitch(losesAnswers, { state: 'stop', by: 'ann', reason: 'x', now })
    expect(await storeKillSwitch(losesAnswers).read(now)).toBe('stop')
    // Somebody stops everything between the reading and the writing of somebody who lets it run: the last one wins, knowingly.
    const plain = openMemoryStore(disk)
    let crossings = 0
    const crossed = openMemoryStore(disk, {
      before: async ({ operation }) => {
        if (operation !== 'put' || crossings++ > 0) return
        await setSwitch(plain, { state: 'stop', by: 'eve', reason: 'y', now })
      },
    })
    await setSwitch(crossed, { state: 'run', by: 'bob', reason: 'z', now })
    expect(await readSwitch(plain, { now })).toMatchObject({ state: 'run', by: 'bob' })
  })

  it('gives up when others set it every time', async () => {
    const disk = new MemoryDisk()
    const plain = openMemoryStore(disk)
    let turn = 0
    const contended = openMemoryStore(disk, {
      before: async ({ operation }) => {
        if (operation === 'put') await setSwitch(plain, { state: 'stop', by: `other ${turn++}`, reason: 'y', now })
      },
    })
    await expect(setSwitch(contended, { state: 'run', by: 'bob', reason: 'z', now })).rejects.toMatchObject({
      kind: 'store.unavailable',
      message: expect.stringMatching(/set by others 5 times meanwhile\. It was not set to run/),
    })
    expect(turn).toBe(5)
    expect(await storeKillSwitch(plain).read(now)).toBe('stop')
  })
})

describe('16: the switch in a parameter', () => {
  const settings = { kind: 'ssm', parameter: '/longshore/kill-switch' } as const
  const saying = (value: unknown) => switchOf(settings, { readParameter: async () => value as string })

  it('says exactly run or stop, and is asked for by its name', async () => {
    const asked: string[] = []
    const killSwitch = switchOf(settings, {
      readParameter: async (name) => {
        asked.push(name)
        return 'run'
      },
    })
    expect(await killSwitch.read(now)).toBe('run')
    expect(asked).toEqual(['/longshore/kill-switch'])
    expect(await saying('stop').read(now)).toBe('stop')
  })

  it.each([
    ['run\n', 'a text of 4 characters, run but for blanks or capitals'],
    [' Stop ', 'a text of 6 characters, stop but for blanks or capitals'],
    ['RUN', 'a text of 3 characters, run but for blanks or capitals'],
    ['', 'a text of 0 characters'],
    ['AKIDsecret', 'a text of 10 characters'],
    [undefined, 'no text (undefined)'],
    [null, 'no text (null)'],
    [true, 'no text (boolean)'],
  ])('counts %j as stop and does not show it', async (value, what) => {
    const error = await failureOf(saying(value))
    expect(error.kind).toBe('kill-switch.unknown-value')
    expect(error.message).toBe(
      `the kill switch in the parameter /longshore/kill-switch says neither run nor stop but ${what}, which counts as stop; write exactly run or stop.`,
    )
  })

  it.each([
    [new Error('no such parameter'), 'no such parameter'],
    ['a text', 'a text'],
  ])('cannot be read when the reading throws %s', async (thrown, what) => {
    const killSwitch = switchOf(settings, { readParameter: () => Promise.reject(thrown) })
    const error = await failureOf(killSwitch)
    expect(error.kind).toBe('kill-switch.unreachable')
    expect(error.message).toBe(`the kill switch in the parameter /longshore/kill-switch cannot be read: ${what}`)
    expect(error.cause).toBe(thrown)
  })
})
