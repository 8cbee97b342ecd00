import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { civilOf } from '#shared/pure/civil.ts'
import { type Ran, runWords } from './run-words.ts'

const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }

let folder: string
let sandbox: Sandbox
let server: Server
let answer: { status: number; body: string }
let asked: number

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-calendars-'))
  sandbox = await startSandbox({ rates: false })
  asked = 0
  answer = { status: 200, body: closing('休') }
  server = createServer((_, response) => {
    asked += 1
    response.writeHead(answer.status).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  await sandbox.close()
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true })
})

/** A calendar of the days around now, all of one kind. */
function closing(summary: string): string {
  const { year, month, day } = civilOf(Date.now() - 2 * 86_400_000, 'UTC')
  const start = `${year}${String(month).padStart(2, '0')}${String(day).padStart(2, '0')}`
  return `BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:${start}\r\nDURATION:P5D\r\nSUMMARY:${summary}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n`
}

/** One rule that fires every minute but on the days of the calendar and on every weekday. */
async function configure(calendar: string, excludeDates: readonly string[], mode = 'plan'): Promise<void> {
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeFile(
    join(folder, 'longshore.yaml'),
    `mode: ${mode}
platform: { endpoint: '${sandbox.url}', region: ap-guangzhou, allowedHosts: ['${host}'] }
clusters: [{ id: ${baseClusters.production}, name: production }]
functions:
  cron-scaler:
    hpc: { enabled: false }
    calendars: { cn: ${calendar.replace('HOST', host)} }
    rules:
      - name: gateway-now
        cluster: production
        target: { kind: Deployment, namespace: pay, name: gateway }
        schedule: '0 * * * * *'
        targetSize: 7
        excludeDates: ${JSON.stringify(excludeDates)}
`,
  )
}

const longshore = (...words: string[]): Promise<Ran> => runWords(words, { env, cwd: folder })
const anyWeekday = '* * * * * 1-6'
const sunday = '* * * * * 0'

describe('a calendar decides whether a rule runs', () => {
  test.each([
    ['a file', '{ file: cn.ics }', 0],
    ['an address', '{ url: "http://HOST/cn.ics" }', 1],
  ])('from %s', async (_, calendar, calls) => {
    await writeFile(join(folder, 'cn.ics'), closing('休'))
    await configure(calendar, ['@calendar/cn'])
    expect((await longshore('plan', 'cron-scaler')).out).toMatch(/skipped +\S+\/gateway .*is excluded by "@calendar\/cn"/)
    expect(asked).toBe(calls)
    // A day that is worked is open, whatever weekday it is.
    await writeFile(join(folder, 'cn.ics'), closing('补班'))
    answer.body = closing('补班')
    await configure(calendar.replace('cn.ics"', 'work.ics"'), [anyWeekday, sunday, '@calendar/cn'])
    expect((await longshore('plan', 'cron-scaler')).out).toMatch(/change +\S+\/gateway +replicas 3 -> replicas 7/)
    await configure(calendar.replace('cn.ics"', 'work.ics"'), [anyWeekday, sunday])
    expect((await longshore('plan', 'cron-scaler')).out).toMatch(/skipped +\S+\/gateway /)
  })

  test('that cannot be read holds the rule and says why, and one that was read is used for a week', async () => {
    answer.status = 500
    await configure('{ url: "http://HOST/cn.ics" }', ['@calendar/cn'], 'enforce')
    const held = await longshore('start', '--once', '--config', 'longshore.yaml')
    expect(held.out).toMatch(/Held +\S+\/gateway .*calendar cannot be read.*500/)
    answer = { status: 200, body: closing('休') }
    expect((await longshore('start', '--once', '--config', 'longshore.yaml')).out).toMatch(
      /Skipped +\S+\/gateway .*excluded by "@calendar\/cn"/,
    )
    const before = asked
    answer.status = 500
    expect((await longshore('start', '--once', '--config', 'longshore.yaml')).out).toMatch(
      /Skipped +\S+\/gateway .*excluded by "@calendar\/cn"/,
    )
    expect(asked).toBe(before)
    expect(sandbox.journal.filter(({ effect }) => effect === 'write')).toEqual([])
  })

  test('is refused with its line when the configuration is checked', async () => {
    await writeFile(join(folder, 'cn.ics'), closing('休').replace('DURATION:P5D', 'DURATION:often'))
    await configure('{ file: cn.ics }', ['@calendar/cn'])
    expect(await longshore('validate')).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /functions\.cron-scaler\.calendars\.cn\.file: cn\.ics: line 2: the event "休" has a DURATION that is none: "often"/,
      ),
    })
    await configure('{ url: "http://HOST/cn.ics", workdayPattern: "(" }', ['@calendar/cn'])
    expect(await longshore('validate')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/calendars\.cn\.workdayPattern: .*none of RE2/),
    })
    await configure('{ holidays: [], workdayPattern: "x" }', [])
    expect(await longshore('validate')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/a workdayPattern and nothing to look for it in/),
    })
  })
})
