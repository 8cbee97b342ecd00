import { expect, it } from 'vitest'
import { formatRecord, recordAnnotation } from '#functions/redeploy-hook/record.ts'
import { readRolloutRecord, rolloutRecordAnnotation } from '#shared/runtime/rollout-record.ts'

const atMs = Date.parse('2026-11-24T12:00:00Z')
const set = { image: 'r/team/web:2', content: 'b', rule: 'web', key: 'k', atMs, state: 'rolling' } as const

it('reads of what redeploy-hook writes where a way back leads, and what failed', () => {
  const bad = [{ repository: 'team/web', image: 'r/team/web:3', content: 'c', why: 'it crashed', atMs }]
  const text = formatRecord(undefined, { app: { set: { ...set, previous: { image: 'r/team/web:1', content: 'a' } }, bad }, side: { set } })
  expect(readRolloutRecord(text)).toEqual({
    ways: [{ image: 'r/team/web:1', content: 'a' }],
    failed: [{ image: 'r/team/web:3', content: 'c' }],
  })
  expect(rolloutRecordAnnotation).toBe(recordAnnotation)
})

it('leads back to nothing that failed', () => {
  const bad = [{ repository: 'team/web', image: 'r/team/web:1', content: 'a', why: 'it crashed', atMs }]
  const text = formatRecord(undefined, { app: { set: { ...set, previous: { image: 'r/team/web:1', content: 'a' } }, bad } })
  expect(readRolloutRecord(text)?.ways).toEqual([])
})

it.each(['', '{', '[]', '"text"', '{"app":{"set":{"previous":{"image":5}}}}', '{"app":{"bad":"x"}}'])('does not understand %s', (text) => {
  expect(readRolloutRecord(text)).toBeUndefined()
})
