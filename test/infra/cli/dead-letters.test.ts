import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CommandIo, UsageError } from '#infra/cli/command.ts'
import { createDeadLettersCommand } from '#infra/cli/dead-letters.ts'
import { createInbox } from '#shared/safety/inbox.ts'
import { entryIdOf } from '#shared/safety/inbox-entry.ts'
import type { Store } from '#shared/safety/store.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'

const start = Date.UTC(2026, 10, 24, 8, 0, 0)
const minute = 60_000

let folder: string
let path: string
let opened: { configPath: string | undefined; closed: boolean }[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-dead-letters-'))
  path = join(folder, 'store.db')
  opened = []
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

/** Runs the command on the store file of this test. */
async function run(...words: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = []
  const err: string[] = []
  const io: CommandIo = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env: {},
    cwd: folder,
    signal: new AbortController().signal,
  }
  const command = createDeadLettersCommand(
    async (_, configPath) => {
      const store = await openSqliteStore({ path })
      const record = { configPath, closed: false }
      opened.push(record)
      const close = store.close.bind(store)
      store.close = async () => {
        record.closed = true
        await close()
      }
      return store
    },
    () => start + 10 * minute,
  )
  const code = await command.run(words, io)
  return { code, out, err }
}

async function withStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openSqliteStore({ path })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** Lets an event die; answers its id. */
async function die(name: string, key: string, more: { group?: string; payload?: unknown; text?: string } = {}): Promise<string> {
  return await withStore(async (store) => {
    const inbox = createInbox(store, { function: name })
    const { entry } = await inbox.accept({
      source: 'harbor',
      id: key,
      group: more.group ?? 'team/web',
      payload: more.payload ?? { key },
      receivedAt: start,
      now: start,
    })
    const taken = await inbox.takeFor(entry.id, { owner: 'test', now: start + minute, deadline: start + 2 * minute })
    if (taken.kind !== 'taken') throw new Error(taken.kind)
    await inbox.finish(taken.claim, {
      now: start + minute,
      outcome: { kind: 'dead', code: 'hook.unreadable', text: more.text ?? 'it makes no sense' },
    })
    return entry.id
  })
}

describe('longshore dead-letters list', () => {
  it('says that there are none', async () => {
    expect(await run('list')).toEqual({ code: 0, out: ['There are no dead letters.'], err: [] })
    expect((await run('list', '--json')).out).toEqual([])
  })

  it('prints one line for each, function by function', async () => {
    const one = await die('redeploy-hook', 'a')
    const other = await die('alarm-scaler', 'b', { group: 'cls-1' })
    const { code, out } = await run('list')
    expect(code).toBe(0)
    expect(out).toEqual([
      `alarm-scaler  ${other.slice(0, 12)}  harbor  cls-1  died 2026-11-24T08:01:00.000Z after 1 try  hook.unreadable: it makes no sense`,
      `redeploy-hook  ${one.slice(0, 12)}  harbor  team/web  died 2026-11-24T08:01:00.000Z after 1 try  hook.unreadable: it makes no sense`,
    ])
    expect((await run('list', '--function', 'redeploy-hook')).out).toHaveLength(1)
    const [json] = (await run('list', '--json', '--function', 'redeploy-hook')).out
    expect(JSON.parse(json ?? '')).toEqual({
      function: 'redeploy-hook',
      id: one,
      diedAt: '2026-11-24T08:01:00.000Z',
      source: 'harbor',
      key: 'a',
      group: 'team/web',
      receivedAt: '2026-11-24T08:00:00.000Z',
      tries: 1,
      error: { at: '2026-11-24T08:01:00.000Z', code: 'hook.unreadable', text: 'it makes no sense' },
      payload: { key: 'a' },
    })
  })

  it('lets no stranger forge a line', async () => {
    await die('redeploy-hook', 'a', { group: 'x\nalarm-scaler  forged\u202e', text: 'y\r\u001b[2Jz' })
    const { out } = await run('list')
    expect(out).toHaveLength(1)
    expect(out[0]).toContain('x alarm-scaler  forged')
    expect(out[0]).not.toMatch(/\p{C}/u)
  })
})

describe('longshore dead-letters show', () => {
  it('prints all that is known, whatever the payload', async () => {
    const id = await die('redeploy-hook', 'push-1', { payload: { size: 9007199254740993n, text: 'a\nb' } })
    const { code, out } = await run('show', id.slice(0, 8))
    expect(code).toBe(0)
    expect(out).toEqual([
      'function     redeploy-hook',
      `id           ${id}`,
      'died         2026-11-24T08:01:00.000Z',
      'source       harbor',
      "sender's id  push-1",
      'group        team/web',
      'received     2026-11-24T08:00:00.000Z',
      'tries        1',
      'why          hook.unreadable: it makes no sense',
      'payload      {"size":9007199254740993,"text":"a\\nb"}',
    ])
    expect((await run('show', id, '--json')).out[0]).toContain('"payload":{"size":9007199254740993')
  })
})

describe('longshore dead-letters retry', () => {
  it('puts it back in line', async () => {
    const id = await die('redeploy-hook', 'a')
    const { code, out } = await run('retry', id.slice(0, 12))
    expect([code, out]).toEqual([0, [`redeploy-hook  ${id.slice(0, 12)} is in line again; it is taken up at the next look.`]])
    expect((await run('list')).out).toEqual(['There are no dead letters.'])
    const taken = await withStore((store) =>
      createInbox(store, { function: 'redeploy-hook' }).take({ owner: 'test', now: start + 11 * minute, deadline: start + 12 * minute }),
    )
    expect(taken.claims.map(({ entry }) => [entry.key, entry.attempt])).toEqual([['a', 1]])
  })

  it('takes several ids, and goes on after one that is none', async () => {
    const one = await die('redeploy-hook', 'a')
    const other = await die('redeploy-hook', 'b')
    const { code, out, err } = await run('retry', one, '0000', other)
    expect([code, out.length]).toEqual([1, 2])
    expect(err).toEqual(['There is no dead letter 0000. `longshore dead-letters list` shows what there is.'])
  })
})

describe('longshore dead-letters discard', () => {
  it('gives it up', async () => {
    const id = await die('redeploy-hook', 'a')
    expect((await run('discard', id)).out).toEqual([`redeploy-hook  ${id.slice(0, 12)} is given up.`])
    expect((await run('list')).out).toEqual(['There are no dead letters.'])
    expect((await run('discard', id)).code).toBe(1)
  })

  it('removes what is damaged, which cannot be tried again', async () => {
    const id = await withStore(async (store) => {
      const inbox = createInbox(store, { function: 'redeploy-hook' })
      const { entry } = await inbox.accept({ source: 'harbor', id: 'a', group: 'g', payload: 1, receivedAt: start, now: start })
      await store.put({ partition: 'inbox/redeploy-hook/entries', sort: entry.id }, { broken: true }, { when: 'any', now: start })
      await inbox.take({ owner: 'test', now: start, deadline: start + minute })
      return entry.id
    })
    expect((await run('list')).out[0]).toContain('is damaged')
    expect((await run('show', id)).out.at(-1)).toContain('is damaged')
    expect((await run('list', '--json')).out[0]).toContain('"damage":')
    const retried = await run('retry', id)
    expect([retried.code, retried.err[0]]).toEqual([1, expect.stringContaining('cannot be tried again')])
    expect((await run('discard', id)).code).toBe(0)
    expect((await run('list')).out).toEqual(['There are no dead letters.'])
  })
})

describe('the words', () => {
  it.each([
    [[], 'say what to do'],
    [['lsit'], 'did you mean "list"'],
    [['list', 'abcd'], 'takes no id'],
    [['show'], 'needs an id'],
    [['show', 'abcd', 'abce'], 'takes one id'],
    [['retry', 'ABCD'], 'is no id'],
    [['retry', 'abc'], 'is no id'],
    [['discard', `${'a'.repeat(41)}`], 'is no id'],
    [['list', '--function', 'nothing'], 'there is no function "nothing"'],
  ])('%j are explained before anything is opened', async (words, text) => {
    const error = await run(...words).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(UsageError)
    expect((error as Error).message).toContain(text)
    expect(opened).toEqual([])
  })

  it('refuse an option that is none', async () => {
    await expect(run('list', '--all')).rejects.toMatchObject({ code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' })
  })

  it('ask for more of an id that means several', async () => {
    // Among so many some begin alike.
    const keys = new Map<string, string>()
    let pair: { readonly prefix: string; readonly keys: readonly string[] } | undefined
    for (let i = 0; pair === undefined; i += 1) {
      const prefix = entryIdOf('redeploy-hook', 'harbor', `e${i}`).slice(0, 4)
      const other = keys.get(prefix)
      if (other !== undefined) pair = { prefix, keys: [other, `e${i}`] }
      keys.set(prefix, `e${i}`)
    }
    for (const key of pair.keys) await die('redeploy-hook', key)
    const { code, err } = await run('discard', pair.prefix)
    expect(code).toBe(1)
    expect(err[0]).toContain('give more of the id')
    expect((await run('list')).out).toHaveLength(2)
  })

  it('name the configuration, and the store is closed in the end', async () => {
    await run('list', '--config', 'other.yaml')
    await run('list')
    expect(opened).toEqual([
      { configPath: 'other.yaml', closed: true },
      { configPath: undefined, closed: true },
    ])
  })
})
