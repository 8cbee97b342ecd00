import { expect, test } from 'vitest'
import { clockRange, createSandboxClock } from '#infra/sandbox/clock.ts'

function machine() {
  let time = 1_000_000
  return { now: () => time, pass: (ms: number) => (time += ms) }
}

test('runs with the machine until it is set, and goes on from there', () => {
  const { now, pass } = machine()
  const clock = createSandboxClock({ source: now })
  expect(clock.now()).toBe(1_000_000)
  clock.set(5_000_000)
  pass(250)
  expect(clock.now()).toBe(5_000_250)
  clock.move(-1000)
  expect(clock.now()).toBe(4_999_250)
})

test('stands still when frozen, is still set and moved, and runs on from where it stands', () => {
  const { now, pass } = machine()
  const clock = createSandboxClock({ source: now })
  clock.freeze()
  pass(10_000)
  expect(clock.now()).toBe(1_000_000)
  clock.move(60_000)
  expect(clock.now()).toBe(1_060_000)
  clock.set(2_000_000)
  clock.freeze()
  expect(clock.now()).toBe(2_000_000)
  clock.run()
  pass(5)
  expect(clock.now()).toBe(2_000_005)
  clock.run()
  expect(clock.now()).toBe(2_000_005)
})

test('starts where it is told, frozen or not, to the millisecond', () => {
  const { now, pass } = machine()
  const frozen = createSandboxClock({ startMs: 42, frozen: true, source: now })
  const running = createSandboxClock({ startMs: 42, source: now })
  pass(8)
  expect([frozen.now(), running.now()]).toEqual([42, 50])
})

test('refuses an instant that is no number instead of turning every later time into NaN', () => {
  const clock = createSandboxClock({ startMs: 42, frozen: true })
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => clock.set(wrong)).toThrow(RangeError)
    expect(() => clock.move(wrong)).toThrow(RangeError)
    expect(() => createSandboxClock({ startMs: wrong })).toThrow(RangeError)
  }
  expect(clock.now()).toBe(42)
})

test('takes the ends of its range and nothing beyond, and stays where it was when a move leads there', () => {
  const { earliestMs, latestMs } = clockRange
  const { now, pass } = machine()
  for (const frozen of [true, false]) {
    const clock = createSandboxClock({ frozen, source: now })
    for (const end of [earliestMs, latestMs]) {
      clock.set(end)
      expect(clock.now()).toBe(end)
      expect(new Date(clock.now()).toISOString()).toMatch(/Z$/)
    }
    for (const wrong of [earliestMs - 1, latestMs + 1, 8.64e15]) {
      expect(() => clock.set(wrong)).toThrow(/-271820-01-01T00:00:00\.000Z.*\+275759-01-01T00:00:00\.000Z/)
      expect(() => createSandboxClock({ startMs: wrong })).toThrow(RangeError)
    }
    expect(() => clock.move(1)).toThrow(/Moved by 1 ms/)
    expect(clock.now()).toBe(latestMs)
  }
  pass(1)
})
