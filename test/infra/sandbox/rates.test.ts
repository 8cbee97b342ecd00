import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { ForwardRequest } from '#cloud/generated/tke/forward-request.ts'
import { createRateLimits } from '#infra/sandbox/rates.ts'
import { PlatformFault } from '#infra/sandbox/reducer.ts'

function admits(
  limits: ReturnType<typeof createRateLimits>,
  action: Parameters<typeof limits.admit>[1],
  now: number,
  account = 'a',
): boolean {
  try {
    limits.admit(account, action, now)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(PlatformFault)
    expect(error).toMatchObject({
      code: 'RequestLimitExceeded',
      message: expect.stringContaining(`${action.ratePerSecond} calls per second`),
    })
    return false
  }
}

test('admits as many calls a second as the catalog says, and the next one a second after the first', () => {
  const limits = createRateLimits(true)
  expect(Array.from({ length: 20 }, () => admits(limits, DescribeImagePersonal, 1000)).every(Boolean)).toBe(true)
  expect(admits(limits, DescribeImagePersonal, 1999)).toBe(false)
  expect(admits(limits, DescribeImagePersonal, 2000)).toBe(true)
})

test('property: no second that lies anywhere holds more admitted calls than the limit, and nothing is refused without need', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 30, maxLength: 200 }), (gaps) => {
      const limits = createRateLimits(true)
      const admitted: number[] = []
      let now = 0
      for (const gap of gaps) {
        now += gap
        const inWindow = admitted.filter((at) => now - at < 1000).length
        const passed = admits(limits, DescribeImagePersonal, now)
        expect(passed).toBe(inWindow < 20)
        if (passed) {
          admitted.push(now)
        }
      }
    }),
    { seed: 7, numRuns: 200 },
  )
})

test('counts actions, and accounts, apart', () => {
  const limits = createRateLimits(true)
  for (let index = 0; index < 20; index++) {
    admits(limits, DescribeImagePersonal, 0)
  }
  expect(admits(limits, DescribeImagePersonal, 0)).toBe(false)
  expect(admits(limits, DescribeClusters, 0)).toBe(true)
  expect(admits(limits, DescribeImagePersonal, 0, 'b')).toBe(true)
  const forwards = Array.from({ length: 201 }, () => admits(limits, ForwardRequest, 0))
  expect(forwards.filter(Boolean)).toHaveLength(ForwardRequest.ratePerSecond)
})

test('counts nothing while it is off, and starts anew when the clock is set back', () => {
  const limits = createRateLimits(false)
  for (let index = 0; index < 50; index++) {
    expect(admits(limits, DescribeImagePersonal, 5000)).toBe(true)
  }
  limits.enabled = true
  for (let index = 0; index < 20; index++) {
    expect(admits(limits, DescribeImagePersonal, 5000)).toBe(true)
  }
  expect(admits(limits, DescribeImagePersonal, 5000)).toBe(false)
  expect(admits(limits, DescribeImagePersonal, 100)).toBe(true)
})
