import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { createStart } from '#infra/cli/start.ts'
import type { Processed } from '#shared/runtime/queue-definition.ts'
import { maxBodyBytes } from '#shared/runtime/webhook-desk.ts'
import { createInbox } from '#shared/safety/inbox.ts'
import { entryIdOf } from '#shared/safety/inbox-entry.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { type Ran, runWords } from '../cli/run-words.ts'
import { type Probe, ProbePayload, probeFunction } from './probe-function.ts'

const name = 'redeploy-hook'
const secret = 'header-secret'
const pathSecret = 'path-secret'
const env = {
  TENCENTCLOUD_SECRET_ID: 'AKIDnobody',
  TENCENTCLOUD_SECRET_KEY: 'nobody',
  HOOK_TOKEN: secret,
  HOOK_PATH: pathSecret,
}

let folder: string
let running: Running | undefined
let children: ChildProcess[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-hooks-'))
  children = []
  const common = `platform: { endpoint: 'http://127.0.0.1:1', region: ap-guangzhou }\nstore: { kind: sqlite, path: store.db }\n`
  await writeFile(
    join(folder, 'longshore.yaml'),
    `${common}functions:\n  ${name}: { header: ['env:HOOK_TOKEN'], path: ['env:HOOK_PATH'] }\n`,
  )
  // For commands that know the product's functions only.
  await writeFile(join(folder, 'store-only.yaml'), common)
})
afterEach(async () => {
  await running?.stop()
  running = undefined
  for (const child of children) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

interface Running {
  readonly url: string
  readonly lines: string[]
  readonly errors: string[]
  readonly worked: { readonly payload: unknown; readonly attempt: number }[]
  readonly probe: Probe
  stop(): Promise<number>
}

type Work = (payload: { readonly do: string }, attempt: number) => Processed | Promise<Processed>

/** `npm start` with the probe, on real sockets and a real file. */
async function start(
  work: Work = () => ({ kind: 'done' }),
  more: { readonly env?: Record<string, string | undefined> } = {},
): Promise<Running> {
  const lines: string[] = []
  const errors: string[] = []
  const worked: Running['worked'] = []
  const stop = new AbortController()
  const ready = Promise.withResolvers<string>()
  const probe = probeFunction(async (event, _, tools) => {
    expect(tools.mode).toBe('plan')
    worked.push({ payload: event.payload, attempt: event.attempt })
    return await work(z.parse(ProbePayload, event.payload), event.attempt)
  })
  const ended = createStart(async () => [{ function: probe.function, schedules: [] }]).run(['--config', 'longshore.yaml', '--port', '0'], {
    out: (line) => {
      lines.push(line)
      const url = /status at (http:\S+)\/healthz/.exec(line)?.[1]
      if (url !== undefined) ready.resolve(url)
    },
    err: (line) => errors.push(line),
    env: { ...env, ...more.env },
    cwd: folder,
    signal: stop.signal,
  })
  ended.catch(ready.reject)
  running = {
    url: await ready.promise,
    lines,
    errors,
    worked,
    probe,
    stop: async () => {
      stop.abort()
      return await ended
    },
  }
  return running
}

/** The same as a process of its own; answers its address. */
async function startProcess(ends?: string): Promise<{ readonly child: ChildProcess; readonly url: string; readonly lines: () => string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'probe-process.ts'), '--config', 'longshore.yaml', '--port', '0'], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env, PROBE_WORKED: join(folder, 'worked'), ...(ends === undefined ? {} : { PROBE_ENDS: ends }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let out = ''
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (piece) => {
      out += piece
    })
    child.stdout.on('data', (piece) => {
      out += piece
      const found = /status at (http:\S+)\/healthz/.exec(out)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${out}`)))
  })
  return { child, url, lines: () => out }
}

const events = (...items: readonly { readonly id: string; readonly group?: string; readonly payload?: unknown }[]): string =>
  JSON.stringify({ events: items.map((item) => ({ payload: { do: 'done', id: item.id }, ...item })) })

const post = (url: string, body: string, headers: Record<string, string> = { 'x-token': secret }, path = 'header'): Promise<Response> =>
  fetch(`${url}/hooks/${name}/${path}`, { method: 'POST', body, headers })

async function until<T>(what: () => T | Promise<T>, isDone: (value: T) => boolean): Promise<T> {
  const before = performance.now()
  for (;;) {
    const value = await what()
    if (isDone(value)) return value
    if (performance.now() - before > 10_000) throw new Error(`it did not happen within 10 s; it is ${JSON.stringify(value)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** What the store file holds about an event, read as any other process would. */
async function entryOf(id: string) {
  const store = await openSqliteStore({ path: join(folder, 'store.db') })
  try {
    return await createInbox(store, { function: name }).get(entryIdOf(name, 'header', id), { now: Date.now() })
  } finally {
    await store.close()
  }
}

const workedFile = async (): Promise<string> => await readFile(join(folder, 'worked'), 'utf8').catch(() => '')

const deadLetters = (...words: string[]): Promise<Ran> =>
  runWords(['dead-letters', ...words, '--config', 'store-only.yaml'], { env, cwd: folder })

describe('13: a webhook here', () => {
  it('answers 202 only when the event is durable: a process that is killed at that moment has lost nothing', async () => {
    const { child, url } = await startProcess('never')
    const answer = await post(url, events({ id: 'a' }))
    expect(answer.status).toBe(202)
    child.kill('SIGKILL')
    await until(
      () => child.signalCode,
      (signal) => signal === 'SIGKILL',
    )
    expect(await entryOf('a')).toMatchObject({ key: 'a', payload: { do: 'done', id: 'a' }, receivedAt: expect.any(Number) })
    expect(await workedFile()).toBe('')
  })

  it('works on what another process wrote down before it was killed, without any nudge', async () => {
    const first = await startProcess('before-nudge')
    await expect(post(first.url, events({ id: 'a' }))).rejects.toThrow()
    await once(first.child, 'exit').catch(() => undefined)
    expect(first.child.signalCode).toBe('SIGKILL')
    expect(await entryOf('a')).toMatchObject({ state: 'RECEIVED' })
    const second = await startProcess()
    expect(await until(workedFile, (text) => text !== '')).toBe('{"do":"done","id":"a"}\n')
    // The sender, which got no answer, sends it again: nothing is done twice.
    expect((await post(second.url, events({ id: 'a' }))).status).toBe(202)
    expect(second.lines()).toContain('try 1  done')
    expect(
      (
        await until(
          () => entryOf('a'),
          (entry) => entry?.state === 'DONE',
        )
      )?.attempt,
    ).toBe(1)
    expect(await workedFile()).toBe('{"do":"done","id":"a"}\n')
  })

  it('is swept by a process that was running all the time', async () => {
    const { url, worked } = await start()
    const dying = await startProcess('before-nudge')
    expect(dying.url).not.toBe(url)
    await expect(post(dying.url, events({ id: 'a' }))).rejects.toThrow()
    await until(
      () => worked,
      ({ length }) => length === 1,
    )
    expect(worked).toEqual([{ payload: { do: 'done', id: 'a' }, attempt: 1 }])
  })

  it('denies with 401 before anything is parsed, and lets the right ones in, by header and by path', async () => {
    const { url, probe, worked } = await start()
    const answers = await Promise.all([
      post(url, 'no json', {}),
      post(url, 'no json', { 'x-token': 'wrong' }),
      post(url, 'no json', { 'x-token': `${secret}x` }),
      post(url, 'no json', {}, 'path/wrong'),
      post(url, 'no json', {}, `path/${pathSecret}x`),
    ])
    const texts = await Promise.all(answers.map(async (answer) => `${answer.status} ${await answer.text()}`))
    expect(new Set(texts)).toEqual(new Set(['401 {"error":"denied"}\n']))
    expect(probe.seen.parsed).toBe(0)
    expect((await post(url, events({ id: 'a' }))).status).toBe(202)
    expect((await post(url, events({ id: 'b' }), {}, `path/${pathSecret}`)).status).toBe(202)
    expect(probe.seen.parsed).toBe(2)
    await until(
      () => worked.length,
      (count) => count === 2,
    )
  })

  it('has no route for a source without a secret, and says so', async () => {
    const { url, errors, lines } = await start()
    expect((await post(url, events({ id: 'a' }), {}, 'signed')).status).toBe(404)
    expect((await post(url, events({ id: 'a' }), {}, 'path')).status).toBe(404)
    expect((await post(url, events({ id: 'a' }), {}, `path/${pathSecret}/more`)).status).toBe(404)
    expect((await fetch(`${url}/hooks/${name}/header`, { headers: { 'x-token': secret } })).status).toBe(404)
    expect(errors).toEqual([`${name}: the source signed has no secret, so it has no route.`])
    expect(lines).toContain(`2 webhooks at ${url}.`)
    expect(await (await fetch(url)).text()).not.toContain(pathSecret)
  })

  it('turns senders away whose secret cannot be read, and says why at the start', async () => {
    const { url, errors } = await start(undefined, { env: { HOOK_TOKEN: undefined } })
    expect((await post(url, events({ id: 'a' }))).status).toBe(503)
    expect((await post(url, events({ id: 'a' }), {}, `path/${pathSecret}`)).status).toBe(202)
    expect(errors.join('\n')).toMatch(/a secret of the source header cannot be read, so its sender is turned away: env:HOOK_TOKEN/)
  })

  it('refuses more than 256 KiB, and takes exactly that', async () => {
    const { url } = await start()
    const padded = (sizeBytes: number): string => events({ id: 'a' }).padEnd(sizeBytes)
    expect((await post(url, padded(maxBodyBytes))).status).toBe(202)
    expect((await post(url, padded(maxBodyBytes + 1))).status).toBe(413)
  })

  it('gives a repeated delivery the first answer, byte for byte, and works once', async () => {
    const { url, worked } = await start()
    const first = await (await post(url, events({ id: 'a' }, { id: 'b' }))).text()
    await until(
      () => worked.length,
      (count) => count === 2,
    )
    const again = await Promise.all(Array.from({ length: 5 }, async () => await (await post(url, events({ id: 'a' }, { id: 'b' }))).text()))
    expect(new Set([first, ...again]).size).toBe(1)
    expect(worked).toHaveLength(2)
  })

  it('answers within a second while another process holds the store: 503, and later the event is taken in once', async () => {
    const { url, worked } = await start()
    const other = new DatabaseSync(join(folder, 'store.db'))
    other.exec('begin immediate')
    const before = performance.now()
    const answer = await post(url, events({ id: 'a' }))
    const tookMs = performance.now() - before
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('10')
    // The lock would be waited for five seconds; this leaves room for a busy machine.
    expect(tookMs).toBeLessThan(3000)
    other.exec('rollback')
    other.close()
    expect((await post(url, events({ id: 'a' }))).status).toBe(202)
    await until(
      () => worked.length,
      (count) => count > 0,
    )
    expect(worked).toEqual([{ payload: { do: 'done', id: 'a' }, attempt: 1 }])
  })
})

describe('23: what fails', () => {
  it('waits alone, its group behind it, while everything else goes on', async () => {
    const { url, worked, lines } = await start(({ do: what }) => {
      if (what === 'throw') throw new Error('a bug')
      return what === 'fail' ? { kind: 'failed', code: 'cloud.network', text: 'no connection' } : { kind: 'done' }
    })
    const body = events(
      { id: 'w1', group: 'web', payload: { do: 'done' } },
      { id: 'w2', group: 'web', payload: { do: 'fail' } },
      { id: 'w3', group: 'web', payload: { do: 'done' } },
      { id: 'x1', group: 'api', payload: { do: 'done' } },
      { id: 'y1', group: 'db', payload: { do: 'throw' } },
    )
    expect((await post(url, body)).status).toBe(202)
    await until(
      () => worked.length,
      (count) => count === 4,
    )
    const states = await until(
      async () => await Promise.all(['w1', 'w2', 'w3', 'x1', 'y1'].map(async (id) => (await entryOf(id))?.state)),
      (all) => !all.includes('TAKEN'),
    )
    expect(states).toEqual(['DONE', 'RETRY', 'RECEIVED', 'DONE', 'RETRY'])
    expect((await entryOf('w2'))?.error).toMatchObject({ code: 'cloud.network', text: 'no connection' })
    // Said once it is written down.
    await until(
      () => lines.filter((line) => line.endsWith('failed; it is tried again later')),
      (said) => said.length === 2,
    )
  })

  it('for good ends with the dead letters, where it is seen, tried again and done', async () => {
    let isPoison = true
    const { url, lines, worked } = await start(() =>
      isPoison ? { kind: 'dead', code: 'hook.unreadable', text: 'it makes no sense' } : { kind: 'done' },
    )
    expect((await deadLetters('list')).out).toBe('There are no dead letters.')
    await post(url, events({ id: 'a', group: 'team/web' }))
    const listed = await until(
      () => deadLetters('list'),
      ({ out }) => out.includes('hook.unreadable'),
    )
    const id = entryIdOf(name, 'header', 'a').slice(0, 12)
    expect(listed.out).toMatch(new RegExp(`^${name}  ${id}  header  team/web  died \\S+ after 1 try  hook.unreadable: it makes no sense$`))
    expect(lines.some((line) => line.includes(id) && line.endsWith('dead: see `longshore dead-letters list`'))).toBe(true)
    expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({ ok: true, events: [{ function: name, groupsDue: 0, dead: 1 }] })
    isPoison = false
    expect((await deadLetters('retry', id)).out).toContain('is in line again')
    await until(
      () => worked.length,
      (count) => count === 2,
    )
    expect(
      (
        await until(
          () => entryOf('a'),
          (entry) => entry?.state === 'DONE',
        )
      )?.attempt,
    ).toBe(1)
    expect((await deadLetters('list')).out).toBe('There are no dead letters.')
  })

  it('is told to whoever starts it again', async () => {
    const first = await start(() => ({ kind: 'dead', code: 'x', text: 'y' }))
    await post(first.url, events({ id: 'a' }, { id: 'b' }))
    await until(
      () => deadLetters('list'),
      ({ out }) => out.split('\n').length === 2,
    )
    expect(await first.stop()).toBe(0)
    const second = await start()
    expect(second.errors.join('\n')).toContain(`${name}: 2 events are dead; \`longshore dead-letters list\` shows them.`)
  })
})

describe('stopping', () => {
  it('lets a request that is being answered have its answer, and keeps what waits for the next start', async () => {
    const begun = Promise.withResolvers<void>()
    const first = await start(async () => {
      begun.resolve()
      throw new Error('stopped')
    })
    await post(first.url, events({ id: 'a' }))
    await begun.promise
    expect(await first.stop()).toBe(0)
    expect(first.lines.at(-1)).toBe('Stopped.')
    await expect(post(first.url, events({ id: 'b' }))).rejects.toThrow()
    expect((await entryOf('a'))?.state).toBe('RETRY')
  })
})

describe('start --once', () => {
  const startOnce = async (work: Work): Promise<{ code: number; worked: unknown[] }> => {
    const worked: unknown[] = []
    const probe = probeFunction(async (event) => {
      worked.push(event.payload)
      return await work(z.parse(ProbePayload, event.payload), event.attempt)
    })
    const code = await createStart(async () => [{ function: probe.function, schedules: [] }]).run(
      ['--once', '--config', 'longshore.yaml'],
      {
        out: () => undefined,
        err: () => undefined,
        env,
        cwd: folder,
        signal: new AbortController().signal,
      },
    )
    return { code, worked }
  }

  it('works on the events that wait, and ends with 1 when one of them failed', async () => {
    const store = await openSqliteStore({ path: join(folder, 'store.db') })
    const inbox = createInbox(store, { function: name })
    const now = Date.now()
    for (const id of ['a', 'b']) await inbox.accept({ source: 'header', id, group: id, payload: { do: id }, receivedAt: now, now })
    await store.close()
    const failing = await startOnce(({ do: what }) => (what === 'a' ? { kind: 'failed', code: 'x', text: 'y' } : { kind: 'done' }))
    expect([failing.code, failing.worked.length]).toEqual([1, 2])
    // The one that failed is not due yet.
    expect(await startOnce(() => ({ kind: 'done' }))).toEqual({ code: 0, worked: [] })
  })
})
