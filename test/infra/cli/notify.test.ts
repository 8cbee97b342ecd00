import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { systemClock } from '#cloud/clock.ts'
import { type SandboxBot, sandboxNotifiers, startBots } from '#infra/sandbox/bots.ts'
import { createOutbox } from '#shared/runtime/notify/outbox.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { runWords } from './run-words.ts'

let folder: string
let bots: Awaited<ReturnType<typeof startBots>>
let added: SandboxBot[]
let env: Readonly<Record<string, string>>
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-notify-cli-'))
  bots = await startBots({ now: systemClock.now })
  added = []
  const local = sandboxNotifiers(
    [
      { name: 'ops', kind: 'dingtalk', url: 'env:U', secret: 'env:S' },
      { name: 'mail', kind: 'sns', topic: 'arn:aws:sns:eu-central-1:000000000000:x' },
    ],
    {
      ...bots,
      add: (kind, name) => {
        const bot = bots.add(kind, name)
        added.push(bot)
        return bot
      },
    },
  )
  env = local.env
  const config = { platform: { region: 'ap-guangzhou' }, store: { kind: 'sqlite', path: 'store.db' }, notifiers: local.notifiers }
  await writeFile(join(folder, 'longshore.yaml'), stringify(config))
})
afterEach(async () => {
  await bots.close()
  await rm(folder, { recursive: true })
})

const run = (words: readonly string[], more: Record<string, string> = {}) =>
  runWords(['notify', ...words], { cwd: folder, env: { ...env, ...more } })

describe('notify test', () => {
  it('sends one message through each notifier, or through the one that is named, and says how it went', async () => {
    const all = await run(['test'])
    expect(all.err).toBe('')
    expect(all.out).toMatch(/^ops {2}dingtalk {2}delivered in \d+ ms\nmail {2}sns {2}delivered in \d+ ms$/)
    expect(all.code).toBe(0)
    expect((await run(['test', 'mail'])).code).toBe(0)
    expect(added.map(({ messages }) => messages.map(({ title }) => title))).toEqual([
      ['Longshore info · longshore: test message for ops'],
      ['Longshore info - longshore: test message for mail', 'Longshore info - longshore: test message for mail'],
    ])
  })

  it('says what is wrong, shows no secret of it, and tries the others', async () => {
    const [ops] = added
    const wrong = await run(['test'], { LONGSHORE_SANDBOX_BOT_0_SECRET: 'SECnot-the-secret-at-all' })
    expect(wrong.code).toBe(1)
    expect(wrong.err).toMatch(
      /^ops {2}dingtalk {2}failed {2}notify\.code-310000: the server answered 310000: sign not match, .*compare the secret of its signature/,
    )
    expect(wrong.out).toContain('mail  sns  delivered')
    ops?.fail({ kind: 'body', body: `{"errcode":300001,"errmsg":"no robot at ${ops.url}"}` })
    const gone = await run(['test', 'ops'])
    expect(gone.err).toContain('no robot at [redacted]')
    expect(gone.err).toContain('copy it again from the settings of the group')
  })

  it('explains names that are not there, and a file without notifiers', async () => {
    expect((await run(['test', 'opz'])).err).toContain('there is no notifier "opz"; did you mean "ops"?')
    expect((await run(['tset'])).err).toContain('say what to do: test or status')
    await writeFile(join(folder, 'longshore.yaml'), 'platform: { region: ap-guangzhou }\n')
    expect((await run(['test'])).err).toContain('has no `notifiers`; there is nobody to tell')
  })
})

describe('notify status', () => {
  it('shows what waits, how the last try went, and what was given up with its reason', async () => {
    const store = await openSqliteStore({ path: join(folder, 'store.db') })
    const outbox = createOutbox(store, 'ops')
    const now = systemClock.now()
    const notice = (key: string) => ({
      key,
      severity: 'warning' as const,
      function: 'cron-scaler',
      title: `title of ${key}`,
      lines: [],
      at: now,
    })
    for (const key of ['a', 'b', 'c']) await outbox.record(notice(key), now)
    const [dead] = (await outbox.waiting(now)).filter(({ notice: { key } }) => key === 'b')
    if (dead === undefined) throw new Error('it waits')
    await outbox.bury(dead, { code: 'notify.http-400', text: 'its message was refused 3 times' }, now)
    const last = { at: now, code: 'notify.http-502', text: 'the server answered with status 502' }
    await outbox.putLane(await outbox.lane(now), { owner: '', until: 0, sentAt: [], notBefore: now + 60_000, failures: 2, last }, now)
    await store.close()

    const shown = await run(['status'])
    const [first, second, third] = shown.out.split('\n')
    expect(first).toMatch(
      /^ops {2}dingtalk {2}2 notices waiting {2}last try \S+: notify\.http-502: the server answered with status 502 {2}keeps still until \S+$/,
    )
    expect(second).toMatch(/^ {2}given up \S+ {2}cron-scaler: title of b {2}notify\.http-400: its message was refused 3 times$/)
    expect(third).toBe('mail  sns  0 notices waiting  nothing was sent yet')
    expect(shown.code).toBe(1)
    const json: unknown = JSON.parse((await run(['status', 'ops', '--json'])).out)
    expect(json).toMatchObject({
      name: 'ops',
      waiting: 2,
      failures: 2,
      last: { code: 'notify.http-502' },
      givenUp: [{ title: 'title of b' }],
    })
    expect((await run(['status', 'mail'])).code).toBe(0)
  })
})

describe('npm start on the sandbox', () => {
  it('shows what its stand-ins for bots were told, whatever the references of the notifiers lead to', async () => {
    await writeFile(
      join(folder, 'longshore.yaml'),
      stringify({
        mode: 'plan',
        platform: { region: 'ap-guangzhou' },
        clusters: [{ id: 'cls-9f3kq2vd', name: 'production' }],
        notifiers: [{ name: 'real', kind: 'slack', url: 'env:REAL_URL', functions: ['cron-scaler'] }],
      }),
    )
    const started = await runWords(['start', '--once', '--sandbox', '--config', 'longshore.yaml', '--port', '0'], {
      cwd: folder,
      env: { REAL_URL: 'https://hooks.slack.com/services/T0/B0/never-called' },
    })
    expect(started.out).toMatch(
      /\(to the sandbox's slack bot real\) \S+ Longshore warning · cron-scaler: cls-9f3kq2vd\/\S+ is (?:held|invalid)/,
    )
    expect(started.err).toBe('')
  })
})
