import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { allItems, type Store, StoreError } from '#shared/safety/store.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { fails, finished, runProcess, storeContract } from '../../contract/store-suite.ts'

const now = 1_790_000_000_000
const week = 7 * 86_400_000
const home = mkdtempSync(join(tmpdir(), 'longshore-store-'))
const processFile = fileURLToPath(new URL('../../contract/store-process.ts', import.meta.url))
let folders = 0
const newPath = (): string => join(home, `store-${++folders}`, 'store.db')

afterAll(() => rmSync(home, { recursive: true, force: true }))

storeContract(
  'SQLite file',
  async () => {
    const path = newPath()
    return {
      place: { path },
      open: () => openSqliteStore({ path }),
      openSmall: () => openSqliteStore({ path: newPath(), maxSizeBytes: 100_000 }),
      runs: 60,
      kills: 3,
      dispose: async () => undefined,
    }
  },
  { processes: true, fill: true },
)

const key = { partition: 'p', sort: 's' }

/** A closed store file with a few items in it. */
async function filled(items = 50): Promise<string> {
  const path = newPath()
  const store = await openSqliteStore({ path })
  await fillStore(store, items)
  await store.close()
  return path
}

async function fillStore(store: Store, items: number): Promise<void> {
  await Promise.all(
    Array.from({ length: items }, (_, number) =>
      store.put({ partition: 'p', sort: `item-${number}` }, { number, text: 'x'.repeat(200) }, { when: 'absent', now }),
    ),
  )
}

describe('the store file', () => {
  test('is made with its folder, for its owner only, and opening it again finds what was written', async () => {
    const path = newPath()
    const first = await openSqliteStore({ path })
    await first.put(key, { n: 1 }, { when: 'absent', now })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600)
    await first.close()
    expect(readdirSync(join(path, '..'))).toEqual(['store.db'])
    const second = await openSqliteStore({ path })
    expect((await second.get(key, { now }))?.data).toEqual({ n: 1 })
    expect(second.name).toContain(path)
    await second.close()
  })

  test('many may make it at the same time, here and in other processes: it is one store', async () => {
    const path = newPath()
    const children = ['one', 'two', 'three'].map((name) => runProcess('count', { path }, name, '5'))
    const stores = await Promise.all(Array.from({ length: 5 }, () => openSqliteStore({ path })))
    await Promise.all(stores.map((store, number) => store.put({ partition: 'p', sort: `s-${number}` }, {}, { when: 'absent', now })))
    for (const end of await Promise.all(children.map(finished))) expect(end.code).toBe(0)
    expect((await stores[0]!.query({ partition: 'p', now })).items).toHaveLength(5)
    expect((await stores[0]!.get({ partition: 'race', sort: 'counter' }, { now }))?.data).toMatchObject({ value: 15 })
    await Promise.all(stores.map((store) => store.close()))
    expect(readdirSync(join(path, '..'))).toEqual(['store.db'])
  })

  test('processes that make it at the very same moment all write to the one that got the name', async () => {
    const path = newPath()
    mkdirSync(join(path, '..'))
    const rounds = 4
    const children = ['one', 'two', 'three'].map((name) => runProcess('make', { path }, name, String(rounds)))
    const waiting = Array.from({ length: rounds }, () => 0)
    for (const child of children) {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const round = Number(line)
        waiting[round]! += 1
        if (waiting[round] === children.length) writeFileSync(`${path}-${round}.go`, '')
      })
    }
    const ends = children.map(async (child) => {
      const [code] = (await once(child, 'close')) as [number | null]
      // The others would wait for it.
      if (code !== 0) for (const other of children) other.kill('SIGKILL')
      return code
    })
    expect(await Promise.all(ends)).toEqual([0, 0, 0])
    for (let round = 0; round < rounds; round += 1) {
      const store = await openSqliteStore({ path: `${path}-${round}` })
      expect((await store.query({ partition: 'made', now })).items.map((item) => item.sort)).toEqual(['one', 'three', 'two'])
      await store.close()
    }
  })

  test('its connections flush at every commit (synchronous = FULL)', async () => {
    const connections = new Set<DatabaseSync>()
    const spy = vi.spyOn(DatabaseSync.prototype, 'exec')
    const store = await openSqliteStore({ path: newPath() })
    await store.put(key, {}, { when: 'absent', now })
    spy.mock.calls.forEach(([sql], index) => {
      if (sql === 'COMMIT') connections.add(spy.mock.contexts[index] as DatabaseSync)
    })
    spy.mockRestore()
    expect(connections.size).toBe(1)
    for (const connection of connections) {
      expect(connection.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
      expect(connection.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    }
    await store.close()
  })

  test('every write is flushed before it is acknowledged: the write-ahead log with FULL synchronisation', async () => {
    const path = newPath()
    const store = await openSqliteStore({ path })
    await fillStore(store, 10)
    // A copy taken at this moment, without closing, is what a power cut would leave.
    const copy = newPath()
    mkdirSync(join(copy, '..'))
    for (const suffix of ['', '-wal']) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`)
    const survivor = await openSqliteStore({ path: copy })
    expect((await survivor.query({ partition: 'p', now })).items).toHaveLength(10)
    await Promise.all([store.close(), survivor.close()])
  })

  test('a log that was cut in the middle of a write loses that write only', async () => {
    const path = newPath()
    const store = await openSqliteStore({ path })
    for (let number = 0; number < 5; number += 1)
      await store.put({ partition: 'p', sort: `s-${number}` }, { number }, { when: 'absent', now })
    const copy = newPath()
    mkdirSync(join(copy, '..'))
    for (const suffix of ['', '-wal']) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`)
    await store.close()
    truncateSync(`${copy}-wal`, statSync(`${copy}-wal`).size - 100)
    const survivor = await openSqliteStore({ path: copy })
    expect((await survivor.query({ partition: 'p', now })).items.map((item) => item.sort)).toEqual(['s-0', 's-1', 's-2', 's-3'])
    await survivor.close()
  })

  test('rows of expired and deleted items stay for a week, then go by themselves', async () => {
    const path = newPath()
    const store = await openSqliteStore({ path })
    await Promise.all(
      Array.from({ length: 100 }, (_, number) =>
        store.put({ partition: 'old', sort: `s-${number}` }, {}, { when: 'absent', now, expiresAt: now + 1 }),
      ),
    )
    await store.put({ partition: 'old', sort: 'deleted' }, {}, { when: 'absent', now })
    await store.delete({ partition: 'old', sort: 'deleted' }, { when: 'any', now })
    await store.put({ partition: 'old', sort: 'stays' }, {}, { when: 'absent', now })
    const rows = (): unknown => {
      const database = new DatabaseSync(path, { readOnly: true })
      try {
        return Object.values(database.prepare(`SELECT count(*) FROM item WHERE partition = 'old'`).get() ?? {})[0]
      } finally {
        database.close()
      }
    }
    const busyUntil = async (at: number): Promise<void> => {
      await Promise.all(
        Array.from({ length: 1000 }, (_, number) => store.put({ partition: 'new', sort: `s-${number}` }, {}, { when: 'any', now: at })),
      )
    }
    await busyUntil(now + week - 1)
    // A clock that runs ahead decides nothing while others disagree.
    await Promise.all(
      Array.from({ length: 1200 }, (_, number) =>
        store.put({ partition: 'new', sort: `s-${number}` }, {}, { when: 'any', now: number % 2 === 0 ? now + week - 1 : now + 9 * week }),
      ),
    )
    expect(rows()).toBe(102)
    await busyUntil(now + week + 1)
    expect(rows()).toBe(1)
    expect((await store.query({ partition: 'old', now: now + week + 1 })).items.map((item) => item.sort)).toEqual(['stays'])
    await store.close()
  })

  test('waits for another process that holds the lock, without holding up this one, and gives up in the end', async () => {
    const path = await filled()
    const store = await openSqliteStore({ path, lockTimeoutMs: 100 })
    const blocker = new DatabaseSync(path)
    blocker.exec('BEGIN IMMEDIATE')
    let turns = 0
    const ticker = setInterval(() => {
      turns += 1
    }, 5)
    await fails('store.unavailable', store.put(key, {}, { when: 'absent', now }), 'locked by another process')
    clearInterval(ticker)
    expect(turns).toBeGreaterThan(3)
    expect(await store.get(key, { now })).toBeUndefined()
    const waiting = store.put(key, { waited: true }, { when: 'absent', now })
    setTimeout(() => blocker.exec('ROLLBACK'), 20)
    expect(await waiting).toMatchObject({ ok: true })
    blocker.close()
    await store.close()
  })

  test('writes asked for at the same time share a flush, and one that is refused does not disturb the others', async () => {
    const path = newPath()
    const store = await openSqliteStore({ path })
    await store.put(key, {}, { when: 'absent', now })
    const before = statSync(`${path}-wal`).size
    const answers = await Promise.all([
      ...Array.from({ length: 40 }, (_, number) =>
        store.put({ partition: 'p', sort: `b-${number % 20}` }, { number }, { when: 'absent', now }),
      ),
      store.put(key, {}, { when: 'absent', now }),
      store.delete({ partition: 'p', sort: 'b-3' }, { when: 'any', now }),
    ])
    expect(answers.map((answer) => answer.ok)).toEqual([...Array(20).fill(true), ...Array(20).fill(false), false, true])
    // One transaction writes the few pages it touches once; forty would write them forty times.
    expect(statSync(`${path}-wal`).size - before).toBeLessThan(10 * 4200)
    await store.close()
  })
})

describe('a damaged store file', () => {
  const damages: Readonly<Record<string, { readonly damage: (path: string) => void; readonly says: string }>> = {
    'that is empty': { damage: (path) => truncateSync(path, 0), says: 'is empty' },
    'that was cut off': { damage: (path) => truncateSync(path, 8192), says: 'is damaged' },
    'that is text': { damage: (path) => writeFileSync(path, 'partition,sort,version\n'.repeat(500)), says: 'not a database' },
    'with a broken header': { damage: (path) => overwrite(path, 0, 'XXXX'), says: 'not a database' },
    'with a page of noise': { damage: (path) => overwrite(path, 8192, 'noise'.repeat(800)), says: 'is damaged' },
    'whose table is gone': { damage: (path) => overwrite(path, 100, '\0'.repeat(3996)), says: 'is damaged' },
  }
  for (const [name, { damage, says }] of Object.entries(damages)) {
    test(`${name} is refused with its name and the way out, and left as it is`, async () => {
      const path = await filled(200)
      damage(path)
      const before = readFileSync(path)
      const error = await fails('store.corrupt', openSqliteStore({ path }), says)
      expect(error.message).toContain(path)
      expect(error.message).toContain('.recover')
      expect(error.message).toContain('Nothing was written')
      expect(readFileSync(path).equals(before)).toBe(true)
    })
  }

  test('with a changed value inside an item is noticed when the item is used, and the others still work', async () => {
    const path = await filled()
    const bytes = readFileSync(path)
    const at = bytes.indexOf('{"number":17,')
    expect(at).toBeGreaterThan(0)
    overwrite(path, at, '{"number":99,')
    const store = await openSqliteStore({ path })
    const damaged = { partition: 'p', sort: 'item-17' }
    await fails('store.corrupt', store.get(damaged, { now }), 'item-17')
    await fails('store.corrupt', store.query({ partition: 'p', now }), path)
    const [bad, good] = await Promise.allSettled([
      store.put(damaged, {}, { when: 'any', now }),
      store.put({ partition: 'p', sort: 'item-18' }, { fine: true }, { when: 'any', now }),
    ])
    expect(bad).toMatchObject({ status: 'rejected', reason: { kind: 'store.corrupt' } })
    expect(good).toMatchObject({ status: 'fulfilled', value: { ok: true } })
    await store.close()
  })

  test('never shows data that was not written, whichever byte is changed (120 places)', async () => {
    const path = await filled()
    const original = readFileSync(path)
    const verdicts = { refused: 0, intact: 0 }
    for (let round = 0; round < 120; round += 1) {
      const copy = newPath()
      mkdirSync(join(copy, '..'))
      const bytes = Buffer.from(original)
      const at = (round * 7_919_993) % bytes.length
      bytes[at] = bytes[at]! ^ (1 << (round % 8))
      writeFileSync(copy, bytes)
      try {
        const store = await openSqliteStore({ path: copy })
        try {
          for await (const item of allItems(store, { partition: 'p', now, limit: 10 })) {
            const number = Number(item.sort.slice('item-'.length))
            expect(item).toEqual({
              partition: 'p',
              sort: `item-${number}`,
              version: now + 1,
              data: { number, text: 'x'.repeat(200) },
              expiresAt: undefined,
            })
          }
          verdicts.intact += 1
        } finally {
          await store.close()
        }
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError)
        expect(['store.corrupt', 'store.misconfigured']).toContain((error as StoreError).kind)
        verdicts.refused += 1
      }
    }
    expect(verdicts.refused).toBeGreaterThan(30)
    expect(verdicts.intact).toBeGreaterThan(5)
  })

  test('that is missing while its log is there is not silently begun anew', async () => {
    const path = newPath()
    const store = await openSqliteStore({ path })
    await fillStore(store, 5)
    const copy = newPath()
    mkdirSync(join(copy, '..'))
    copyFileSync(`${path}-wal`, `${copy}-wal`)
    await store.close()
    await fails('store.corrupt', openSqliteStore({ path: copy }), `${copy}-wal`)
    expect(existsSync(copy)).toBe(false)
  })

  test('that is removed or replaced while it is open takes no more writes', async () => {
    const path = await filled()
    const store = await openSqliteStore({ path })
    renameSync(path, `${path}.moved`)
    await fails('store.corrupt', store.put(key, {}, { when: 'any', now }), 'removed or replaced')
    copyFileSync(`${path}.moved`, path)
    await fails('store.corrupt', store.put(key, {}, { when: 'any', now }), 'removed or replaced')
    await fails('store.corrupt', store.get(key, { now }), 'removed or replaced')
    rmSync(path)
    renameSync(`${path}.moved`, path)
    expect(await store.put(key, {}, { when: 'any', now })).toMatchObject({ ok: true })
    await store.close()
  })
})

describe('a place where no store can be', () => {
  test("another program's database is left alone", async () => {
    const path = newPath()
    mkdirSync(join(path, '..'))
    const database = new DatabaseSync(path)
    database.exec('CREATE TABLE theirs (a)')
    database.close()
    const before = readFileSync(path)
    await fails('store.misconfigured', openSqliteStore({ path }), "another program's")
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('a file of a later format is left alone', async () => {
    const path = await filled()
    const database = new DatabaseSync(path)
    database.exec('PRAGMA user_version = 2')
    database.close()
    await fails('store.misconfigured', openSqliteStore({ path }), 'format 2')
  })

  test('a folder, and a path through a file, are refused with what to do', async () => {
    const path = newPath()
    mkdirSync(path, { recursive: true })
    await fails('store.misconfigured', openSqliteStore({ path }), 'is no file')
    const file = await filled()
    await fails('store.misconfigured', openSqliteStore({ path: join(file, 'store.db') }), 'Check the path')
  })

  test('a file that asks for no room to be made is `store.full` and leaves nothing behind', async () => {
    const path = newPath()
    await fails(
      'store.full',
      openSqliteStore({ path, maxSizeBytes: 1 }).then((store) => store.put(key, { text: 'x'.repeat(100_000) }, { when: 'any', now })),
    )
  })
})

test('a disk that fails while a write is made durable leaves its outcome unknown, and everything acknowledged is there', async () => {
  const path = newPath()
  // Node ignores SIGXFSZ, so writing past the limit on a file's size is an I/O error; 512 bytes a unit.
  const limited = spawnSync(
    'sh',
    ['-c', 'ulimit -f 400; exec "$0" "$1" fill "$2" fill', process.execPath, processFile, JSON.stringify({ path })],
    {
      encoding: 'utf8',
    },
  )
  const report = JSON.parse(limited.stdout) as { kind: string; message: string; written: number; readable: number }
  expect(report).toMatchObject({ kind: 'store.unknown-outcome', message: expect.stringContaining('may have happened') })
  expect(report.written).toBeGreaterThan(3)
  expect(report.readable).toBe(report.written)
  const store = await openSqliteStore({ path })
  const { items } = await store.query({ partition: 'full', now })
  expect(items.length - report.written).toBeOneOf([0, 1])
  expect(await store.put(key, {}, { when: 'absent', now })).toMatchObject({ ok: true })
  await store.close()
})

const mount = 'mount -t tmpfs -o size=1m tmpfs "$1"'
/** Namespaces of users and mounts let a test fill a disk of its own without being root. Some systems forbid them. */
const canMount = ((): boolean => {
  const place = join(home, 'probe')
  mkdirSync(place)
  return spawnSync('unshare', ['--map-root-user', '--mount', 'sh', '-c', mount, 'sh', place]).status === 0
})()

if (canMount) {
  describe('a disk that is really full (ENOSPC on a small tmpfs)', () => {
    const inside = (script: string, place: string): string =>
      execFileSync(
        'unshare',
        ['--map-root-user', '--mount', 'sh', '-ec', `${mount}\n${script}`, 'sh', place, process.execPath, processFile],
        {
          encoding: 'utf8',
        },
      )
    test('refuses writes as `store.full`, loses nothing, opens again and goes on when there is room', () => {
      const place = join(home, 'small')
      mkdirSync(place)
      const lines = inside(
        `
        head -c 300000 /dev/zero > "$1/ballast"
        "$2" "$3" fill '{"path":"'"$1"'/store.db"}' fill
        rm "$1/ballast"
        "$2" "$3" count '{"path":"'"$1"'/store.db"}' after 3
        "$2" "$3" fill '{"path":"'"$1"'/store.db"}' again
        `,
        place,
      ).split('\n')
      const [first, refusals, again] = lines
      const full = JSON.parse(first ?? '') as { kind: string; message: string; written: number; readable: number }
      expect(full).toMatchObject({ kind: 'store.full', message: expect.stringContaining('no room left') })
      expect(full.written).toBeGreaterThan(5)
      expect(full.readable).toBe(full.written)
      expect(refusals).toBe('0')
      expect(JSON.parse(again ?? '')).toMatchObject({ kind: 'store.full' })
    })

    test('a store cannot be made there: `store.full`, and nothing half made stays', () => {
      const place = join(home, 'none')
      mkdirSync(place)
      const output = inside(
        `
        head -c 2000000 /dev/zero > "$1/ballast" 2>/dev/null || true
        "$2" "$3" fill '{"path":"'"$1"'/store.db"}' fill 2>&1 || true
        ls "$1"
        `,
        place,
      )
      expect(output).toContain("kind: 'store.full'")
      expect(output.trim().split('\n').at(-1)).toBe('ballast')
    })
  })
}

function overwrite(path: string, at: number, text: string): void {
  const bytes = readFileSync(path)
  bytes.write(text, at, 'latin1')
  writeFileSync(path, bytes)
}
