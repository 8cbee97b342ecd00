import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Clock } from '#cloud/clock.ts'
import { fileCredentials, homeCredentials } from '#cloud/credentials-file.ts'
import { CloudError } from '#cloud/errors.ts'

const secretKey = 'hunter2Key0123456789EXAMPLE'
let directory = ''
let files = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-credentials-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true })
})

function clockAt(start = 1_700_000_000_000): Clock & { time: number } {
  const clock = { time: start, now: () => clock.time, monotonic: () => clock.time, sleep: () => Promise.resolve() }
  return clock
}

async function fileWith(content: string): Promise<string> {
  files += 1
  const path = join(directory, `file-${files}`)
  await writeFile(path, content)
  return path
}

async function failure(promise: Promise<unknown>): Promise<CloudError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(CloudError)
  expect(String(error)).not.toContain('hunter2')
  return error as CloudError
}

describe("the JSON file of the platform's command line", () => {
  test('gives id, key and token', async () => {
    const path = await fileWith(JSON.stringify({ secretId: 'AKIDJSON', secretKey, token: 'tok' }))
    const credentials = await fileCredentials({ path, clock: clockAt() })()
    expect([credentials.secretId, credentials.secretKey, credentials.token, credentials.expiresAt]).toEqual([
      'AKIDJSON',
      secretKey,
      'tok',
      undefined,
    ])
  })

  test('with a byte order mark and an empty token as well', async () => {
    const path = await fileWith(`\uFEFF ${JSON.stringify({ secretId: 'AKIDJSON', secretKey, token: '' })}`)
    expect((await fileCredentials({ path, clock: clockAt() })()).token).toBeUndefined()
  })

  test('an expired login is refused, also when it expires while it is held', async () => {
    const path = await fileWith(JSON.stringify({ secretId: 'AKIDJSON', secretKey, expiresAt: 1_700_000_100 }))
    const clock = clockAt()
    const source = fileCredentials({ path, clock })
    expect((await source()).expiresAt).toBe(1_700_000_100_000)
    clock.time += 100_000
    const error = await failure(source())
    expect(error.code).toBe('credentials.expired')
    expect(error.message).toContain('2023-11-14T22:15:00.000Z')
    expect(error.message).toContain('Log in again')
  })

  test.each([
    ['{"secretId":"AKID","secretKey":"hunter2', 'looks like JSON but is none'],
    ['{"secretId":"AKID"}', 'gives no secret key'],
    ['{"secretId":7,"secretKey":"hunter2"}', 'gives no secret id'],
    ['{}', 'gives no secret id and no secret key'],
  ])('%s is broken', async (content, text) => {
    const path = await fileWith(content)
    const error = await failure(fileCredentials({ path, clock: clockAt() })())
    expect(error.code).toBe('credentials.broken')
    expect(error.message).toContain(text)
    expect(error.message).toContain(path)
  })
})

describe("the INI file of the platform's SDKs", () => {
  const ini = `# mine\n[default]\nsecret_id = AKIDDEFAULT\nsecret_key=${secretKey}\n\n; theirs\n[work]\r\nsecret_id=AKIDWORK\r\nsecret_key = a=b\r\ntoken=tok\n`

  test('gives the section of the profile', async () => {
    const path = await fileWith(ini)
    expect(await fileCredentials({ path, clock: clockAt() })()).toMatchObject({ secretId: 'AKIDDEFAULT' })
    const work = await fileCredentials({ path, profile: 'work', clock: clockAt() })()
    expect([work.secretId, work.secretKey, work.token]).toEqual(['AKIDWORK', 'a=b', 'tok'])
  })

  test('an unknown profile is absent and the others are named', async () => {
    const error = await failure(fileCredentials({ path: await fileWith(ini), profile: 'home', clock: clockAt() })())
    expect(error.code).toBe('credentials.absent')
    expect(error.message).toContain('no section [home], only [default], [work]')
  })

  test.each([
    ['[default]\nhunter2\n', 'line 2'],
    ['secret_id = AKID\n', 'line 1'],
    ['[default]\nsecret_id = AKID\n=hunter2\n', 'line 3'],
    ['[default]\nsecret_id = AKID\n', 'gives no secret key'],
  ])('%j is broken', async (content, text) => {
    const error = await failure(fileCredentials({ path: await fileWith(content), clock: clockAt() })())
    expect(error.code).toBe('credentials.broken')
    expect(error.message).toContain(text)
  })
})

describe('where a file is looked for', () => {
  test('a missing file is absent', async () => {
    const path = join(directory, 'nowhere', 'credentials')
    const error = await failure(fileCredentials({ path, clock: clockAt() })())
    expect(error.code).toBe('credentials.absent')
    expect(error.message).toContain(path)
  })

  test.each(['../../etc/passwd', 'a/b', '.hidden', '', 'a\u0000b'])('the profile %j is refused', async (profile) => {
    expect((await failure(fileCredentials({ path: directory, profile, clock: clockAt() })())).code).toBe('credentials.broken')
  })

  test("a home directory is asked for the command line's profile first, then for the SDK's", async () => {
    const homeDirectory = join(directory, 'home')
    await mkdir(join(homeDirectory, '.tencentcloud'), { recursive: true })
    const nothing = await failure(homeCredentials({ homeDirectory, clock: clockAt() })())
    expect(nothing.code).toBe('credentials.absent')
    expect(nothing.message).toContain('.tccli')
    expect(nothing.message).toContain(join('.tencentcloud', 'credentials'))

    await writeFile(join(homeDirectory, '.tencentcloud', 'credentials'), `[default]\nsecret_id=AKIDSDK\nsecret_key=${secretKey}\n`)
    expect(await homeCredentials({ homeDirectory, clock: clockAt() })()).toMatchObject({ secretId: 'AKIDSDK' })

    await mkdir(join(homeDirectory, '.tccli'))
    await writeFile(join(homeDirectory, '.tccli', 'default.credential'), JSON.stringify({ secretId: 'AKIDCLI', secretKey }))
    expect(await homeCredentials({ homeDirectory, clock: clockAt() })()).toMatchObject({ secretId: 'AKIDCLI' })
    expect((await failure(homeCredentials({ homeDirectory, profile: 'work', clock: clockAt() })())).code).toBe('credentials.absent')
  })

  test('a path below a file is absent, a directory as the file is broken', async () => {
    const path = await fileWith('{}')
    expect((await failure(fileCredentials({ path: join(path, 'x'), clock: clockAt() })())).code).toBe('credentials.absent')
    await mkdir(join(directory, 'odd', 'default.credential'), { recursive: true })
    expect((await failure(fileCredentials({ path: join(directory, 'odd'), clock: clockAt() })())).message).toContain('EISDIR')
  })
})

describe('a file that changes', () => {
  test('is read again within ten seconds, and an unchanged one stays the same object', async () => {
    const path = await fileWith(JSON.stringify({ secretId: 'AKIDONE', secretKey }))
    const clock = clockAt()
    const source = fileCredentials({ path, clock })
    const first = await source()
    clock.time += 60_000
    expect(await source()).toBe(first)
    await writeFile(path, JSON.stringify({ secretId: 'AKIDTWO', secretKey }))
    await utimes(path, new Date(clock.time), new Date(clock.time + 5000))
    clock.time += 9_999
    expect(await source()).toBe(first)
    clock.time += 1
    expect((await Promise.all([source(), source()])).map(({ secretId }) => secretId)).toEqual(['AKIDTWO', 'AKIDTWO'])
  })

  test('that became unreadable is told, and read again once it is whole', async () => {
    const path = await fileWith(JSON.stringify({ secretId: 'AKIDONE', secretKey }))
    const clock = clockAt()
    const source = fileCredentials({ path, clock })
    await source()
    await writeFile(path, '{"secretId":')
    clock.time += 10_000
    expect((await failure(source())).code).toBe('credentials.broken')
    await writeFile(path, JSON.stringify({ secretId: 'AKIDNEW', secretKey }))
    expect((await source()).secretId).toBe('AKIDNEW')
  })
})
