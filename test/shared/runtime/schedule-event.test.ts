import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventError, parseScheduleEvent } from '#shared/runtime/schedule-event.ts'

const at = Date.UTC(2026, 0, 31, 8, 0, 0)
const rule = {
  version: '0',
  id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa',
  'detail-type': 'Scheduled Event',
  source: 'aws.events',
  account: '123456789012',
  time: '2026-01-31T08:00:00Z',
  region: 'eu-west-1',
  resources: ['arn:aws:events:eu-west-1:123456789012:rule/every-minute'],
  detail: {},
}
const scheduler = {
  trigger: 'eventbridge-scheduler',
  scheduledAt: '2026-01-31T08:00:00Z',
  schedule: 'arn:aws:scheduler:eu-west-1:123456789012:schedule/default/x',
  executionId: 'd32c5kddcf5bb8c3',
  attempt: '1',
}
const timer = { Type: 'Timer', TriggerName: 'every-minute', Time: '2026-01-31T08:00:00Z', Message: 'anything' }
const local = { trigger: 'local', scheduledAt: at, name: 'clock' }

describe('parseScheduleEvent', () => {
  it.each([
    ['a rule of EventBridge', rule, 'eventbridge-rule', rule.resources[0]],
    ['Scheduler without an input', { ...rule, source: 'aws.scheduler', detail: '{}' }, 'eventbridge-scheduler', rule.resources[0]],
    ['Scheduler with our input', scheduler, 'eventbridge-scheduler', scheduler.schedule],
    ['a timer of the platform’s functions', timer, 'scf-timer', 'every-minute'],
    ['the local runner', local, 'local', 'clock'],
    ['the local runner in words', { trigger: 'local', scheduledAt: '2026-01-31T16:00:00+08:00' }, 'local', undefined],
  ])('reads %s', (_, event, kind, name) => {
    expect(parseScheduleEvent(event)).toEqual({ trigger: { kind, name }, scheduledAt: at })
  })

  it('reads 29 February of a leap year', () => {
    expect(parseScheduleEvent({ ...timer, Time: '2024-02-29T00:00:00Z' }).scheduledAt).toBe(Date.UTC(2024, 1, 29))
  })

  it('reads the same instant from a second attempt', () => {
    expect(parseScheduleEvent({ ...scheduler, attempt: '2', executionId: 'other' })).toEqual(parseScheduleEvent(scheduler))
  })

  it.each([
    ['nothing', undefined, 'must be a mapping'],
    ['a text', 'tick', 'must be a mapping'],
    ['a list', [rule], 'must be a mapping'],
    ['an empty mapping', {}, 'comes from no trigger'],
    ['a trigger that is not known', { trigger: 'cron', scheduledAt: at }, 'comes from no trigger'],
    [
      'words of Scheduler that were not filled in',
      { ...scheduler, scheduledAt: '<aws.scheduler.scheduled-time>' },
      'scheduledAt must be an instant',
    ],
    ['a key too much in our input', { ...scheduler, mode: 'enforce' }, 'unknown: mode'],
    ['a key too much for the local runner', { ...local, apply: true }, 'unknown: apply'],
    ['another event of EventBridge', { ...rule, 'detail-type': 'EC2 Instance State-change Notification' }, 'detail-type does not fit'],
    ['another sender', { ...rule, source: 'my.app' }, 'source does not fit'],
    ['an instant without zone', { ...rule, time: '2026-01-31T08:00:00' }, 'time must be an instant'],
    ['an hour that does not exist', { ...timer, Time: '2026-02-28T25:00:00Z' }, 'Time must be an instant'],
    ['30 February', { ...timer, Time: '2026-02-30T00:00:00Z' }, 'Time must be an instant'],
    ['30 February of a rule', { ...rule, time: '2024-02-30T00:00:00Z' }, 'time must be an instant'],
    ['29 February of another year', { ...scheduler, scheduledAt: '2026-02-29T00:00:00Z' }, 'scheduledAt must be an instant'],
    ['31 April in another zone', { ...local, scheduledAt: '2026-04-31T00:00:00+08:00' }, 'scheduledAt must be an instant'],
    ['a number out of range', { ...local, scheduledAt: 8.64e15 + 1 }, 'scheduledAt does not fit'],
    ['another timer', { ...timer, Type: 'Cron' }, 'Type does not fit'],
  ])('refuses %s', (_, event, text) => {
    expect(() => parseScheduleEvent(event)).toThrow(EventError)
    expect(() => parseScheduleEvent(event)).toThrow(text)
  })

  it('throws nothing else for anything, and repeats nothing of it', () => {
    const planted = 'PLANTEDSECRET'
    const anyEvent = fc.oneof(
      fc.anything(),
      fc.record(
        {
          trigger: fc.constantFrom('local', 'eventbridge-scheduler', planted),
          Type: fc.anything(),
          'detail-type': fc.anything(),
          scheduledAt: fc.constant(planted),
        },
        { requiredKeys: [] },
      ),
    )
    fc.assert(
      fc.property(anyEvent, (event) => {
        try {
          parseScheduleEvent(event)
        } catch (error) {
          expect(error).toBeInstanceOf(EventError)
          expect(String(error)).not.toContain(planted)
        }
      }),
      { seed: 14, numRuns: 500 },
    )
  })
})
