import { describe, expect, it } from 'vitest'
import { orderTokenOf } from '#infra/status/order-token.ts'
import { createRedactor } from '#shared/runtime/redact.ts'

const long = 'd41d8cd98f00b204e9800998ecf8427e'

async function failureOf(reference: string, env: Record<string, string>): Promise<string> {
  return await orderTokenOf(reference, env, createRedactor()).then(
    () => 'none',
    (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : ''),
  )
}

describe('the token of orders', () => {
  it('is what the reference leads to, and the redactor knows it', async () => {
    const redactor = createRedactor()
    expect(await orderTokenOf('env:STATUS_TOKEN', { STATUS_TOKEN: long }, redactor)).toBe(long)
    expect(redactor.text(`it is ${long}`)).toBe('it is [redacted]')
    expect(await orderTokenOf(undefined, {}, redactor)).toBeUndefined()
  })

  it('leaves texts readable when it is refused because it is too short', async () => {
    const redactor = createRedactor()
    await expect(orderTokenOf('env:STATUS_TOKEN', { STATUS_TOKEN: 'e' }, redactor)).rejects.toThrow('fewer than 16')
    expect(redactor.text('the token has fewer letters')).toBe('the token has fewer letters')
  })

  it.each([
    ['env:STATUS_TOKEN', {}, 'the environment variable STATUS_TOKEN is not set'],
    ['env:STATUS_TOKEN', { STATUS_TOKEN: 'short' }, 'fewer than 16 characters'],
    ['env:STATUS_TOKEN', { STATUS_TOKEN: 'with blanks and more of them' }, 'blanks'],
    ['file:/nowhere/token', {}, 'the file cannot be read'],
    [long, {}, 'a secret is given as it is'],
  ])('%s with %j is refused without being shown', async (reference, env: Record<string, string>, why) => {
    const message = await failureOf(reference, env)
    expect(message).toMatch(/^SecretUnavailableError: --token: /)
    expect(message).toContain(why)
    for (const value of [...Object.values(env), long]) expect(message).not.toContain(value)
  })
})
