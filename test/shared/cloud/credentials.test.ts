import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Clock } from '#cloud/clock.ts'
import {
  type Credentials,
  environmentCredentials,
  firstCredentials,
  holdCredentials,
  refreshingCredentials,
  staticCredentials,
} from '#cloud/credentials.ts'
import { CloudError } from '#cloud/errors.ts'

const secretKey = 'hunter2-Key0123456789EXAMPLE'
const token = 'hunter2-token/with+chars=='
const plain = { secretId: 'AKIDEXAMPLE', secretKey, token }

/** A clock that stands still until it is moved; sleepers wake when their time comes. */
function manualClock(): Clock & { move(ms: number): Promise<void>; readonly sleeping: () => number } {
  let now = 1_700_000_000_000
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  return {
    now: () => now,
    monotonic: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { at: now + ms, wake: resolve }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper)
          reject(signal.reason as Error)
        })
      }),
    move: async (ms) => {
      now += ms
      for (const sleeper of sleepers) {
        if (sleeper.at > now) continue
        sleepers.delete(sleeper)
        sleeper.wake()
      }
      await settled()
    },
    sleeping: () => sleepers.size,
  }
}

/** Lets everything that is ready to run, run. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

async function failure(promise: Promise<unknown>): Promise<CloudError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(CloudError)
  return error as CloudError
}

describe('credentials', () => {
  test('no way of printing them shows key or token', () => {
    const held = holdCredentials({ ...plain, expiresAt: 1_700_000_000_000 }, 'a test')
    expect(held).toMatchObject({ secretId: 'AKIDEXAMPLE', expiresAt: 1_700_000_000_000 })
    expect(held.secretKey).toBe(secretKey)
    expect(held.token).toBe(token)
    const error = new Error('failed', { cause: held })
    const printed = [
      inspect(held, { depth: 9, showHidden: true, getters: false }),
      JSON.stringify({ held, list: [held] }),
      `${String(held)}`,
      JSON.stringify({ ...held }),
      inspect(error),
      inspect(new Map([['a', held]]), { depth: 9 }),
      JSON.stringify(structuredClone({ ...held })),
    ]
    for (const text of printed) {
      for (const secret of [secretKey, token]) {
        expect(text).not.toContain(secret)
        expect(text).not.toContain(Buffer.from(secret).toString('base64'))
        expect(text).not.toContain(encodeURIComponent(secret))
      }
    }
    expect(printed[0]).toContain('AKIDEXAMPLE')
    expect(printed[0]).toContain('(hidden)')
  })

  test('they cannot be changed', () => {
    const held = holdCredentials(plain, 'a test') as { secretKey: string; secretId: string }
    expect(() => {
      held.secretKey = 'other'
    }).toThrow(TypeError)
    expect(() => {
      held.secretId = 'other'
    }).toThrow(TypeError)
  })

  test('white space around them is cut off, an empty token is none', () => {
    const held = holdCredentials({ secretId: ' AKIDEXAMPLE\n', secretKey: `${secretKey}\r\n`, token: '  ' }, 'a test')
    expect([held.secretId, held.secretKey, held.token]).toEqual(['AKIDEXAMPLE', secretKey, undefined])
  })

  test.each([
    [{ secretId: '', secretKey }, 'gives no secret id.'],
    [{ secretId: 'AKID', secretKey: ' ' }, 'gives no secret key.'],
    [{ secretId: '', secretKey: '' }, 'gives no secret id and no secret key.'],
    [{ secretId: 'AK ID', secretKey }, 'the secret id from the cupboard holds a character'],
    [{ secretId: 'AKID,hunter2', secretKey }, 'the secret id from the cupboard holds a character'],
    [{ secretId: 'AKID', secretKey: 'hunter2 hunter2' }, 'the secret key from the cupboard holds a character'],
    [{ secretId: 'AKID', secretKey: 'hunter2\u0000' }, 'the secret key from the cupboard holds a character'],
    [{ secretId: 'AKID', secretKey, token: 'hunter2\nx' }, 'the token from the cupboard holds a character'],
    [{ secretId: 'AKID', secretKey, expiresAt: Number.NaN }, 'the expiry from the cupboard'],
  ])('unusable ones are refused by name, without a value', (credentials, text) => {
    let error: unknown
    try {
      holdCredentials(credentials, 'the cupboard')
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ kind: 'cloud.credentials', code: 'credentials.broken', retryable: false })
    expect(String(error)).toContain(text)
    expect(String(error)).not.toContain('hunter2')
  })

  test('static ones are always the same object, as the cache of signing keys needs', async () => {
    const source = staticCredentials(plain)
    expect(await source()).toBe(await source())
    expect((await source()).secretKey).toBe(secretKey)
  })
})

describe('environmentCredentials', () => {
  test('reads the names of the Terraform provider', async () => {
    const source = environmentCredentials({
      TENCENTCLOUD_SECRET_ID: 'AKIDENV',
      TENCENTCLOUD_SECRET_KEY: secretKey,
      TENCENTCLOUD_TOKEN: token,
    })
    expect(await source()).toMatchObject({ secretId: 'AKIDENV' })
    expect((await source()).token).toBe(token)
    expect(await source()).toBe(await source())
  })

  test('none are absent, and the error says what to set', async () => {
    for (const environment of [{}, { TENCENTCLOUD_SECRET_ID: '', TENCENTCLOUD_SECRET_KEY: ' ' }, { TENCENTCLOUD_TOKEN: token }]) {
      const error = await failure(environmentCredentials(environment)())
      expect(error).toMatchObject({ kind: 'cloud.credentials', code: 'credentials.absent' })
      expect(error.message).toContain('Set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY')
    }
  })

  test('half of them are broken, not absent', async () => {
    const error = await failure(environmentCredentials({ TENCENTCLOUD_SECRET_ID: 'AKIDENV' })())
    expect(error.code).toBe('credentials.broken')
    expect(error.message).toContain('gives no secret key')
  })
})

describe('firstCredentials', () => {
  const absent = environmentCredentials({})

  test('asks in order and takes the first that has some', async () => {
    expect(
      (await firstCredentials([absent, staticCredentials(plain), staticCredentials({ secretId: 'OTHER', secretKey })])()).secretId,
    ).toBe('AKIDEXAMPLE')
  })

  test("a broken source ends the search, so that nobody else's account is used instead", async () => {
    const broken = environmentCredentials({ TENCENTCLOUD_SECRET_KEY: secretKey })
    expect((await failure(firstCredentials([broken, staticCredentials(plain)])())).code).toBe('credentials.broken')
  })

  test('an error that is not about credentials ends it as well', async () => {
    const strange = () => Promise.reject(new RangeError('strange'))
    await expect(firstCredentials([strange, staticCredentials(plain)])()).rejects.toThrow(RangeError)
  })

  test('when nobody has any, the error names every place', async () => {
    const error = await failure(firstCredentials([absent, absent])())
    expect(error.code).toBe('credentials.absent')
    expect(error.message.split('TENCENTCLOUD_TOKEN').length).toBe(3)
    expect((await failure(firstCredentials([])())).message).toContain('no place to look')
  })
})

describe('refreshingCredentials', () => {
  const hour = 3_600_000

  function refreshing(lifetimeMs: number | undefined, over: { readonly renewBeforeMs?: number; readonly timeoutMs?: number } = {}) {
    const clock = manualClock()
    const state = {
      calls: 0,
      fail: undefined as Error | undefined,
      hold: undefined as Promise<void> | undefined,
      signal: undefined as AbortSignal | undefined,
    }
    const source = refreshingCredentials({
      clock,
      name: 'the role of this test',
      ...over,
      refresh: async (signal) => {
        state.calls += 1
        state.signal = signal
        const call = state.calls
        if (state.hold !== undefined) await state.hold
        if (state.fail !== undefined) throw state.fail
        const fetched: Credentials = {
          secretId: `AKID${call}`,
          secretKey,
          token,
          expiresAt: lifetimeMs === undefined ? undefined : clock.now() + lifetimeMs,
        }
        return fetched
      },
    })
    return { clock, state, source }
  }

  test('50 callers at the start, and 50 at expiry, make one refresh each', async () => {
    const { clock, state, source } = refreshing(hour)
    const first = await Promise.all(Array.from({ length: 50 }, () => source()))
    expect(state.calls).toBe(1)
    expect(new Set(first).size).toBe(1)
    await clock.move(hour)
    const second = await Promise.all(Array.from({ length: 50 }, () => source()))
    expect(state.calls).toBe(2)
    expect(new Set(second.map(({ secretId }) => secretId))).toEqual(new Set(['AKID2']))
  })

  test('five minutes before expiry they are renewed in the background, and nobody waits', async () => {
    const { clock, state, source } = refreshing(hour)
    await source()
    await clock.move(hour - 300_001)
    expect((await source()).secretId).toBe('AKID1')
    expect(state.calls).toBe(1)
    await clock.move(1)
    let release: () => void = () => undefined
    state.hold = new Promise((resolve) => {
      release = resolve
    })
    expect((await source()).secretId).toBe('AKID1')
    expect((await source()).secretId).toBe('AKID1')
    expect(state.calls).toBe(2)
    release()
    await settled()
    expect((await source()).secretId).toBe('AKID2')
    expect(state.calls).toBe(2)
  })

  test('a failed refresh is told to those who waited, and the next caller tries again', async () => {
    const { state, source } = refreshing(hour)
    state.fail = new Error('connection refused')
    const errors = await Promise.all([failure(source()), failure(source())])
    expect(state.calls).toBe(1)
    for (const error of errors) {
      expect(error).toMatchObject({ kind: 'cloud.credentials', code: 'credentials.refresh-failed', retryable: true })
      expect(error.message).toContain('the role of this test could not give credentials: connection refused')
      expect(error.cause).toBe(state.fail)
    }
    state.fail = undefined
    expect((await source()).secretId).toBe('AKID2')
  })

  test('while the old ones are valid a failing renewal disturbs nobody, and is tried again after a second', async () => {
    const { clock, state, source } = refreshing(hour)
    await source()
    state.fail = new Error('down')
    await clock.move(hour - 200_000)
    for (let call = 0; call < 20; call += 1) {
      expect((await source()).secretId).toBe('AKID1')
      await settled()
    }
    expect(state.calls).toBe(2)
    await clock.move(1000)
    expect((await source()).secretId).toBe('AKID1')
    await settled()
    expect(state.calls).toBe(3)
    await clock.move(hour)
    expect((await failure(source())).message).toContain('down')
    state.fail = undefined
    expect((await source()).secretId).toBe('AKID5')
  })

  test('credentials that live shorter than five minutes are renewed at half their life, not at every call', async () => {
    const { clock, state, source } = refreshing(60_000)
    await source()
    await clock.move(29_999)
    await source()
    expect(state.calls).toBe(1)
    await clock.move(1)
    await source()
    await settled()
    expect(state.calls).toBe(2)
  })

  test('credentials without expiry are fetched once', async () => {
    const { clock, state, source } = refreshing(undefined)
    await source()
    await clock.move(1000 * hour)
    await source()
    expect(state.calls).toBe(1)
  })

  test('credentials that come expired are refused', async () => {
    const { source } = refreshing(-5000)
    const error = await failure(source())
    expect(error.code).toBe('credentials.expired')
    expect(error.message).toContain('expired 5 s ago')
  })

  test('credentials that cannot be used are refused and not kept', async () => {
    const clock = manualClock()
    let calls = 0
    const source = refreshingCredentials({
      clock,
      name: 'the role',
      refresh: async () => {
        calls += 1
        return calls === 1 ? { secretId: '', secretKey: '' } : plain
      },
    })
    expect((await failure(source())).code).toBe('credentials.broken')
    expect((await source()).secretId).toBe('AKIDEXAMPLE')
  })

  test('a refresh that hangs is given up after its time, is told so, and does not block the next', async () => {
    const { clock, state, source } = refreshing(hour, { timeoutMs: 2000 })
    state.hold = new Promise(() => undefined)
    const waiting = failure(source())
    await settled()
    await clock.move(1999)
    expect(state.signal?.aborted).toBe(false)
    await clock.move(1)
    const error = await waiting
    expect(error).toMatchObject({ code: 'credentials.refresh-failed', retryable: true })
    expect(error.message).toContain('within 2000 ms')
    expect(state.signal?.aborted).toBe(true)
    state.hold = undefined
    expect((await source()).secretId).toBe('AKID2')
    await settled()
    expect(clock.sleeping()).toBe(0)
  })

  test('after a thaw of the process long past expiry nobody gets the old ones', async () => {
    const { clock, source } = refreshing(hour)
    await source()
    await clock.move(100 * hour)
    expect((await source()).secretId).toBe('AKID2')
  })
})

describe('credentials that the platform has turned down', () => {
  const source = (clock: Clock) => {
    let fetched = 0
    const refreshing = refreshingCredentials({
      clock,
      name: 'the test',
      refresh: async () => {
        fetched += 1
        return { secretId: 'AKIDEXAMPLE', secretKey, token: `token-${fetched}`, expiresAt: clock.now() + 3_600_000 }
      },
    })
    return { refreshing, fetched: () => fetched }
  }

  test('are fetched anew although they were to be valid for an hour', async () => {
    const { refreshing, fetched } = source(manualClock())
    const old = await refreshing()
    expect(await refreshing()).toBe(old)
    const fresh = await refreshing(old)
    expect([old.token, fresh.token, fetched()]).toEqual(['token-1', 'token-2', 2])
    expect(await refreshing()).toBe(fresh)
  })

  test('are fetched once for everybody who was turned down with them', async () => {
    const { refreshing, fetched } = source(manualClock())
    const old = await refreshing()
    const all = await Promise.all(Array.from({ length: 50 }, () => refreshing(old)))
    expect([new Set(all).size, fetched()]).toEqual([1, 2])
    expect(await refreshing(old)).toBe(all[0])
    expect(fetched()).toBe(2)
  })

  test('are asked of the first source that has some', async () => {
    const { refreshing } = source(manualClock())
    const chain = firstCredentials([environmentCredentials({}), refreshing])
    const old = await chain()
    expect((await chain(old)).token).toBe('token-2')
  })
})
