import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sharedCron, sharedNextFiring, sharedPreviousFiring, sharedZone } from '#functions/cron-scaler/schedule-cache.ts'
import { type CronSchedule, nextFiring, parseCron, previousFiring } from '#shared/pure/cron.ts'
import { at } from './fixtures.ts'

function scheduleOf(spec: string): CronSchedule {
  const parsed = sharedCron(spec)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return parsed.value
}

test('an expression is read once, and right', () => {
  expect(sharedCron('0 0 8 * * 1-5')).toBe(sharedCron('0 0 8 * * 1-5'))
  expect(sharedCron('0 0 8 * * 1-5')).toEqual(parseCron('0 0 8 * * 1-5'))
  expect(sharedCron('2 8 * * 1-5')).toEqual(parseCron('2 8 * * 1-5'))
})

test('very long ones and very many are read all the same, and not kept', () => {
  const long = `0 0 8 * * ${'1,'.repeat(200)}2`
  expect(sharedCron(long)).toEqual(parseCron(long))
  expect(sharedCron(long)).not.toBe(sharedCron(long))
  const first = sharedCron('1 2 3 4 5 *')
  for (let index = 0; index < 12_000; index += 1)
    sharedCron(`${index % 60} ${Math.floor(index / 60) % 60} ${Math.floor(index / 3600)} * * *`)
  expect(sharedCron('1 2 3 4 5 *')).not.toBe(first)
  expect(sharedCron('1 2 3 4 5 *')).toEqual(first)
})

test('a zone is known by its name, and a name that is none stays none', () => {
  for (const name of ['Asia/Shanghai', 'UTC', 'Asia/Shanghai', '+08:00', 'UTC']) expect(sharedZone(name)).toBe(name)
  for (const name of ['Asia/Atlantis', 'UTC', 'Asia/Atlantis', '']) expect(sharedZone(name)).toBe(name === 'UTC' ? name : undefined)
})

test('whatever is asked in whatever order, the answers are those of the schedule itself', () => {
  const start = at('2026-03-28T00:00:00Z')
  const hour = 3_600_000
  const question = fc.record({
    spec: fc.constantFrom('0 30 2 * * *', '0 0 8 * * 1-5', '0 0 0 29 2 *', '0 0 0 30 2 *', '*/7 * * * * *'),
    zone: fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Shanghai'),
    // Few of them, so that the same is asked again.
    hours: fc.integer({ min: 0, max: 3 }),
    back: fc.constantFrom(-1, 0, 1, 24, 24 * 8, 24 * 400),
    next: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(question, { minLength: 1, maxLength: 30 }), (questions) => {
      for (const { spec, zone, hours, back, next } of questions) {
        const schedule = scheduleOf(spec)
        const ms = start + hours * 9 * hour
        if (next) expect(sharedNextFiring(schedule, zone, ms)).toBe(nextFiring(schedule, zone, ms))
        else expect(sharedPreviousFiring(schedule, zone, ms, ms - back * hour)).toBe(previousFiring(schedule, zone, ms, ms - back * hour))
      }
    }),
    { seed: 61, numRuns: 300 },
  )
})
