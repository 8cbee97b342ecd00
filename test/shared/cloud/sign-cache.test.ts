import { createHmac } from 'node:crypto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { type SignTc3Input, signTc3 } from '#cloud/sign.ts'

// Counts how often a key is derived: that takes three HMACs with a prepared key each, the rest of a signature none.
vi.mock('node:crypto', async (importOriginal) => {
  const crypto = await importOriginal<typeof import('node:crypto')>()
  return { ...crypto, createHmac: vi.fn(crypto.createHmac) }
})

const startAt = 1_700_000_000
const daySeconds = 86_400

function inputOf(credentials = { secretId: 'AKIDEXAMPLE', secretKey: 'KeyEXAMPLE0123456789' }): SignTc3Input {
  return {
    credentials,
    method: 'POST',
    host: 'tke.tencentcloudapi.com',
    service: 'tke',
    action: 'DescribeClusters',
    version: '2018-05-25',
    params: {},
    timestamp: startAt,
  }
}

/** How many keys were derived since this was asked last. */
function derivations(): number {
  const count = vi.mocked(createHmac).mock.calls.length / 3
  vi.mocked(createHmac).mockClear()
  return count
}

describe('a signing key is derived', () => {
  beforeEach(() => {
    derivations()
  })

  test('once for a day and a service', () => {
    const input = inputOf()
    for (let second = 0; second < 50; second += 1) signTc3({ ...input, timestamp: startAt + second })
    expect(derivations()).toBe(1)
    signTc3({ ...input, service: 'tcr' })
    expect(derivations()).toBe(1)
    signTc3({ ...input, timestamp: startAt + daySeconds })
    expect(derivations()).toBe(1)
    signTc3(input)
    signTc3({ ...input, service: 'tcr' })
    expect(derivations()).toBe(0)
  })

  test('anew for other credentials, and for a key that was exchanged in the same object', () => {
    const credentials = { secretId: 'AKIDEXAMPLE', secretKey: 'first' }
    signTc3(inputOf(credentials))
    expect(derivations()).toBe(1)
    signTc3(inputOf({ ...credentials }))
    expect(derivations()).toBe(1)
    signTc3(inputOf(credentials))
    expect(derivations()).toBe(0)
    credentials.secretKey = 'second'
    signTc3(inputOf(credentials))
    expect(derivations()).toBe(1)
  })

  test('again only when sixteen younger ones have taken its place, the oldest first', () => {
    const input = inputOf()
    const sign = (day: number) => signTc3({ ...input, timestamp: startAt + day * daySeconds })
    for (let day = 0; day < 16; day += 1) sign(day)
    expect(derivations()).toBe(16)
    for (let day = 0; day < 16; day += 1) sign(day)
    expect(derivations()).toBe(0)
    sign(16)
    expect(derivations()).toBe(1)
    for (let day = 1; day <= 16; day += 1) sign(day)
    expect(derivations()).toBe(0)
    sign(0)
    expect(derivations()).toBe(1)
  })
})
