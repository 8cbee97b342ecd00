import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runWords } from './run-words.ts'

const root = join(import.meta.dirname, '../../..')
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-cli-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

describe('longshore', () => {
  it('lists its commands', async () => {
    const { code, out } = await runWords(['--help'])
    expect(code).toBe(0)
    for (const name of ['start', 'sandbox', 'validate', 'call', 'cron', 'invoke']) expect(out).toContain(name)
    expect((await runWords([])).code).toBe(1)
  })

  it.each(['--version', '-v', 'version'])('says its version at %s', async (word) => {
    const { version }: { version: string } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    expect(await runWords([word])).toEqual({ code: 0, out: `longshore ${version} (Node ${process.versions.node})`, err: '' })
  })

  it('suggests the command that was meant', async () => {
    const { code, err } = await runWords(['strat'])
    expect(code).toBe(1)
    expect(err).toMatch(/no command "strat".*"start"/)
  })

  it.each(['start', 'sandbox', 'validate', 'call', 'cron', 'invoke'])('explains %s', async (name) => {
    const { code, out } = await runWords([name, '--help'])
    expect(code).toBe(0)
    expect(out).toMatch(/^Usage: /)
  })
})

describe('longshore cron next', () => {
  it('agrees with every case of the recorded vectors', async () => {
    interface Case {
      readonly spec: string
      readonly tz: string
      readonly start: string
      readonly next?: readonly string[]
      readonly error?: string
    }
    const { cases }: { cases: readonly Case[] } = JSON.parse(await readFile(join(root, 'test/vectors/cron.json'), 'utf8'))
    let compared = 0
    for (const { spec, tz, start, next, error } of cases) {
      const { code, out, err } = await runWords(['cron', 'next', spec, '--zone', tz, '--from', start, '--count', '20'])
      if (error !== undefined) {
        expect(code, spec).toBe(1)
        expect(err, spec).not.toBe('')
      } else {
        expect(code, spec).toBe(0)
        expect(out, `${spec} in ${tz}`).toBe((next ?? []).map((time) => new Date(time).toISOString().replace('.000Z', 'Z')).join('\n'))
      }
      compared += 1
    }
    expect(compared).toBeGreaterThan(100)
  })

  it.each([
    [['cron'], /next/],
    [['cron', 'last', '* * * * * *'], /cron last/],
    [['cron', 'next'], /schedule is missing/],
    [['cron', 'next', '0', '0', '*'], /quotes/],
    [['cron', 'next', '* * * * * *', '--zone', 'Mars/Base'], /Mars\/Base/],
    [['cron', 'next', '* * * * * *', '--from', '2026-11-24T08:00:00'], /instant/],
    [['cron', 'next', '* * * * * *', '--from', '2026-02-30'], /the calendar has no 2026-02-30/],
    [['cron', 'next', '* * * * * *', '--from', '2026-02-30T00:00:00Z'], /the calendar has no 2026-02-30/],
    [['cron', 'next', '* * * * * *', '--from', '2026-06-31T08:00+08:00'], /the calendar has no 2026-06-31/],
    [['cron', 'next', '* * * * * *', '--count', '0'], /--count/],
    [['cron', 'next', '2 8 * * 1-5'], /0 2 8 \* \* 1-5/],
    [['cron', 'next', '0 0 8 * * 1-5 2026'], /7 fields.*write "0 0 8 \* \* 1-5"/],
  ])('refuses %j', async (words, why) => {
    const { code, err } = await runWords(words)
    expect(code).toBe(1)
    expect(err).toMatch(why)
  })
})

describe('what longshore cron next prints', () => {
  it('with --local shows what the clocks of the zone show', async () => {
    const words = ['cron', 'next', '0 0 8 * * *', '--zone', 'Asia/Shanghai', '--from', '2026-11-24T00:00:00Z', '--count', '1']
    expect((await runWords(words)).out).toBe('2026-11-25T00:00:00Z')
    expect((await runWords([...words, '--local'])).out).toBe('2026-11-25T00:00:00Z  Wed 2026-11-25 08:00:00 Asia/Shanghai')
  })

  it('says of a schedule that it never fires', async () => {
    const ran = await runWords(['cron', 'next', '0 0 8 30 2 *', '--from', '2026-11-24T00:00:00Z'])
    expect(ran).toEqual({
      code: 0,
      out: '',
      err: '"0 0 8 30 2 *" never fires: not within five years of 2026-11-24T00:00:00.000Z',
    })
    expect((await runWords(['cron', '--help'])).out).toMatch(/never fires/)
  })
})

describe('longshore validate', () => {
  const env = { TENCENTCLOUD_REGION: 'ap-guangzhou' }

  it('accepts a sound file', async () => {
    await writeFile(join(folder, 'good.yaml'), 'mode: enforce\nclusters:\n  - id: cls-9f3kq2vd\nfunctions:\n  cron-scaler: {}\n')
    const { code, out } = await runWords(['validate', 'good.yaml'], { cwd: folder, env })
    expect(code).toBe(0)
    expect(out).toMatch(/valid: mode enforce.*1 cluster,.*cron-scaler/)
  })

  it('names line, key and the nearest key of every mistake', async () => {
    await writeFile(join(folder, 'bad.yaml'), 'mdoe: enforce\nclusters:\n  - idd: cls-9f3kq2vd\nfunctions:\n  cron-scalr: {}\n')
    const { code, err } = await runWords(['validate', 'bad.yaml'], { cwd: folder, env })
    expect(code).toBe(1)
    expect(err).toMatch(/line 1, mdoe: unknown key; did you mean "mode"/)
    expect(err).toMatch(/line 3, clusters\[0\]\.idd: unknown key; did you mean "id"/)
    expect(err).toMatch(/line 5, functions\.cron-scalr: unknown key; did you mean "cron-scaler"/)
  })

  it('takes an empty LONGSHORE_CONFIG as none, and one that is set as the file', async () => {
    const other = join(folder, 'by-variable')
    await mkdir(other)
    await writeFile(join(other, 'longshore.yaml'), 'mode: observe\n')
    await writeFile(join(other, 'named.yaml'), 'mode: plan\n')
    for (const [LONGSHORE_CONFIG, mode] of [
      ['', 'observe'],
      ['named.yaml', 'plan'],
    ] as const) {
      const { code, out, err } = await runWords(['validate'], { cwd: other, env: { ...env, LONGSHORE_CONFIG } })
      expect({ code, err }).toEqual({ code: 0, err: '' })
      expect(out).toContain(`mode ${mode}`)
    }
  })

  it('says which file is not there', async () => {
    const { code, err } = await runWords(['validate', 'none.yaml'], { cwd: folder, env })
    expect(code).toBe(1)
    expect(err).toMatch(/none\.yaml.*ENOENT/)
  })
})

describe('longshore invoke', () => {
  it('prints the same for the same event', async () => {
    const words = ['invoke', 'cron-scaler', '--event', join(root, 'events/cron-scaler/base.json')]
    const first = await runWords(words)
    expect(first.code).toBe(0)
    expect(first.out).toMatch(/ Applied .*Deployment\//)
    expect(await runWords(words)).toEqual(first)
  })

  it('says what it runs on, and that a configuration that lies there is not used', async () => {
    const words = ['invoke', 'cron-scaler', '--event', join(root, 'events/cron-scaler/base.json')]
    expect((await runWords(words)).out).toMatch(/^Longshore on a fresh sandbox.*nothing real is touched\.\nMode enforce .*; 3 clusters;/)
    const own = await mkdtemp(join(folder, 'own-'))
    await writeFile(join(own, 'longshore.yaml'), 'mode: plan\n')
    expect((await runWords(words, { cwd: own })).out).toMatch(/There is a longshore\.yaml, but it is not used/)
  })

  it('sets the time of the sandbox with --now: what comes late is late', async () => {
    const words = ['invoke', 'cron-scaler', '--event', join(root, 'events/cron-scaler/late.json')]
    expect((await runWords(words)).out).not.toMatch(/ late /)
    const late = await runWords([...words, '--now', '2026-11-24T00:00:00Z'])
    expect(late.out).toMatch(/^cron-scaler@2026-11-23T23:40:00\.000Z, run 20m late /m)
    const report = JSON.parse((await runWords([...words, '--now', '2026-11-24T00:00:00Z', '--json'])).out)
    expect(report.now - report.scheduledAt).toBe(20 * 60_000)
    expect(await runWords([...words, '--now', 'noon'])).toMatchObject({ code: 1, err: expect.stringMatching(/--now takes a date such as/) })
    expect(await runWords([...words, '--now', '2026-11-24T00:00:00Z', '--config', 'x.yaml'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/sandbox's clock/),
    })
  })

  it('shows superseded rules with --all only', async () => {
    const words = ['invoke', 'cron-scaler', '--event', join(root, 'events/cron-scaler/base.json')]
    const { out } = await runWords(words)
    const hidden = Number(/\(\+(\d+) superseded, --all shows them\)/.exec(out)?.[1])
    const all = await runWords([...words, '--all'])
    expect(all.out).not.toMatch(/superseded/)
    expect(all.out.split('\n').length - out.split('\n').length).toBe(hidden)
    expect(hidden).toBeGreaterThan(0)
  })

  it('runs every sample event, and refuses those that are meant to be refused', async () => {
    const names = await readdir(join(root, 'events'))
    const events = await Promise.all(names.map(async (name) => (await readdir(join(root, 'events', name))).map((file) => ({ name, file }))))
    // Each has a sandbox of its own, whose published rates are waited for.
    const runs = events.flat().map(async ({ name, file }) => {
      const { code, err } = await runWords(['invoke', name, '--event', join(root, 'events', name, file)])
      if (file.startsWith('invalid')) {
        expect(code, file).toBe(1)
        expect(err, file).toMatch(/Nothing was done/)
      } else expect({ name, file, code, err }).toEqual({ name, file, code: 0, err: '' })
    })
    expect(runs.length).toBeGreaterThan(10)
    await Promise.all(runs)
  })

  it('hands a webhook to the function as API Gateway would, and works on what it brings', async () => {
    const invoke = async (name: string) =>
      await runWords(['invoke', 'redeploy-hook', '--event', join(root, 'events/redeploy-hook', `${name}.json`)])
    const base = await invoke('base')
    expect(base.out).toMatch(
      /\nredeploy-hook answers 202: \{"entries":\[\{"id":"[0-9a-f]{40}","receivedAt":"2026-11-24T00:21:38\.000Z"\}\]\}\n/,
    )
    expect(base.out).toMatch(/redeploy-hook {2}event [0-9a-f]{12} of registry, try 1 {2}done$/)
    expect((await invoke('child-manifest')).out).toMatch(/answers 202: \{"entries":\[\]\}\nNo event waits\.$/)
    expect((await invoke('approval-page')).out).toContain('redeploy-hook answers 200: a page, "Approve a deployment"')
    expect(await invoke('invalid-secret')).toMatchObject({
      code: 1,
      err: 'redeploy-hook answers 401: {"error":"denied"} Nothing was done.',
    })
    const other = await runWords(['invoke', 'cron-scaler', '--event', join(root, 'events/redeploy-hook/base.json')])
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('cron-scaler takes no webhooks. Nothing was done')])
  })

  it.each([
    [['invoke'], /name one function/],
    [['invoke', 'cron-scalr', '--event', 'x.json'], /cron-scaler/],
    [['invoke', 'cron-scaler'], /--event/],
    [['invoke', 'cron-scaler', '--event', 'nowhere.json'], /nowhere\.json.*there is no such file/],
  ])('refuses %j', async (words, why) => {
    const { code, err } = await runWords(words)
    expect(code).toBe(1)
    expect(err).toMatch(why)
  })
})

describe('longshore sandbox', () => {
  it('prints what a client needs, answers, and ends when told to', async () => {
    const stop = new AbortController()
    let endpoint = ''
    const ready = Promise.withResolvers<void>()
    const ran = runWords(['sandbox', '--port', '0'], {
      signal: stop.signal,
      onOut: (line) => {
        endpoint ||= /^endpoint +(\S+)$/.exec(line)?.[1] ?? ''
        if (line.startsWith('steering')) ready.resolve()
      },
    })
    await ready.promise
    const answer = await fetch(`${endpoint}/_sandbox/clock`)
    expect(answer.status).toBe(200)
    stop.abort()
    expect(await ran).toMatchObject({ code: 0, err: '' })
    await expect(fetch(`${endpoint}/_sandbox/clock`)).rejects.toThrow()
  })

  it('attaches a cluster it has and says so, and refuses one it has not', async () => {
    const stop = new AbortController()
    const attach = ['sandbox', '--port', '0', '--attach']
    const { code, out } = await runWords([...attach, 'cls-9f3kq2vd=https://127.0.0.1:1,token=secret-token'], {
      signal: stop.signal,
      onOut: (line) => line.startsWith('steering') && stop.abort(),
    })
    expect(code).toBe(0)
    expect(out).toMatch(/^attached +cls-9f3kq2vd is really https:\/\/127\.0\.0\.1:1, with a token and this machine's authorities$/m)
    expect(out).not.toMatch(/secret-token/)
    const stranger = await runWords([...attach, 'cls-00000000=https://127.0.0.1:1'], { signal: AbortSignal.abort() })
    expect(stranger).toMatchObject({ code: 1, err: expect.stringMatching(/cls-00000000.*cls-9f3kq2vd, cls-/) })
    const noFile = await runWords([...attach, 'cls-9f3kq2vd=https://127.0.0.1:1,ca-file=none.pem'], { cwd: folder })
    expect(noFile).toMatchObject({ code: 1, err: expect.stringMatching(/ca-file names .*none\.pem.*ENOENT/) })
    expect((await runWords(['sandbox', '--help'])).out).toMatch(/token=TOKEN/)
  })

  it('refuses an --attach it cannot read', async () => {
    const { code, err } = await runWords(['sandbox', '--attach', 'cls-1=http://127.0.0.1:1'])
    expect(code).toBe(1)
    expect(err).toMatch(/--attach/)
  })
})

describe('the launcher', () => {
  it('runs the command line and passes its exit code on', async () => {
    const result = await new Promise<{ code: number | null; err: string }>((resolve) => {
      execFile(process.execPath, [join(root, 'infra/cli/longshore.mjs'), 'frob'], (error, _, err) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, err }),
      )
    })
    expect(result).toEqual({ code: 1, err: expect.stringContaining('no command "frob"') })
  })

  it('ends `start` cleanly at Ctrl-C', async () => {
    const child = spawn(process.execPath, [join(root, 'infra/cli/longshore.mjs'), 'start', '--port', '0', '--sandbox-port', '0'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stderr.on('data', (piece) => (err += piece))
    const ticking = new Promise<void>((resolve) => {
      child.stdout.on('data', (piece) => {
        out += piece
        if (out.includes('Ticking on')) resolve()
      })
    })
    await ticking
    const health = /status at (\S+)\./.exec(out)?.[1] ?? ''
    expect(await (await fetch(health)).json()).toMatchObject({
      ok: true,
      mode: 'enforce',
      functions: [
        { function: 'cron-scaler' },
        { function: 'image-cleaner' },
        { function: 'license-meter' },
        { function: 'redeploy-hook' },
        { function: 'alarm-scaler' },
      ],
      events: [
        { function: 'redeploy-hook', ok: true },
        { function: 'alarm-scaler', ok: true },
      ],
    })
    child.kill('SIGINT')
    const code = await new Promise((resolve) => child.on('exit', resolve))
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out.trimEnd().endsWith('Stopped.')).toBe(true)
  })
})
