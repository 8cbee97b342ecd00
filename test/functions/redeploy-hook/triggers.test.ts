import { describe, expect, it } from 'vitest'
import { RedeployChange, type TriggerFacts } from '#functions/redeploy-hook/change.ts'
import type { RedeployConfig } from '#functions/redeploy-hook/event.ts'
import { type ObservedTriggers, planTriggers, type SeenTrigger } from '#functions/redeploy-hook/triggers.ts'
import { changeOf, config, container, minute, noon, rule, verdicts, workload } from './small-world.ts'

const item = {
  name: 'deploy',
  repository: 'team/api',
  tags: { list: ['a', 'b'] },
  cluster: 'one',
  kind: 'deployment',
  workload: 'api',
  container: 'app',
}
const facts: TriggerFacts = {
  name: 'deploy',
  repository: 'team/api',
  method: 'taglist',
  expression: 'a,b',
  cluster: 'cls-1',
  namespace: 'default',
  workload: 'api',
  container: 'app',
  regionId: 1,
}

function managed(items: readonly object[] = [item], more: object = {}): RedeployConfig {
  return config([rule()], { triggers: { manage: true, items, ...more } })
}

function seen(...triggers: readonly SeenTrigger[]): ObservedTriggers {
  return { triggers, log: [] }
}

const planned = (observed: ObservedTriggers, settings = managed(), workloads: Parameters<typeof planTriggers>[1] = []) =>
  planTriggers(observed, workloads, settings)

describe('a configured trigger', () => {
  it('that is missing is made, and can be taken back', () => {
    const [step, ...others] = planned(seen())
    expect(others).toEqual([])
    expect(step).toMatchObject({
      verdict: 'change',
      reason: { code: 'trigger-missing' },
      change: { kind: 'trigger-create', workloadKind: 'Deployment', to: facts },
    })
    expect(step?.verdict === 'change' && step.undo).toEqual({ kind: 'trigger-delete', from: facts })
    expect(RedeployChange.parse(changeOf(step))).toEqual(changeOf(step))
  })

  it('that is there is left alone, however its tags are written', () => {
    expect(verdicts(planned(seen({ facts, kinds: ['Deployment'] })))).toEqual(['no-change trigger-in-place'])
    expect(verdicts(planned(seen({ facts: { ...facts, expression: ' b; a a' } })))).toEqual(['no-change trigger-in-place'])
  })

  it.each([
    ['expression', { expression: 'a' }],
    ['container', { container: 'side' }],
    ['repository', { repository: 'team/other' }],
    ['method', { method: 'regex' }],
    ['regionId', { regionId: 16 }],
  ] as const)('that differs in its %s is changed', (field, other) => {
    const [step] = planned(seen({ facts: { ...facts, ...other }, kinds: ['Deployment'] }))
    expect(step).toMatchObject({ verdict: 'change', reason: { code: 'trigger-differs' }, change: { kind: 'trigger-modify', to: facts } })
    expect(step?.reason.text).toContain(field)
    expect(step?.verdict === 'change' && step.undo).toMatchObject({ kind: 'trigger-modify', from: facts })
  })

  it('whose kind is another one is changed, though the registry hides the kind', () => {
    expect(verdicts(planned(seen({ facts, kinds: ['StatefulSet'] })))).toEqual(['change trigger-differs'])
  })

  it('is only told about while nothing is managed', () => {
    const told = config([rule()], { triggers: { items: [item] } })
    expect(verdicts(planned(seen(), told))).toEqual(['held trigger-unmanaged'])
  })

  it('that would do what a rule does is invalid', () => {
    const double = { ...item, repository: 'team/web', workload: 'web' }
    const [step] = planned(seen(), managed([double]))
    expect(step).toMatchObject({ verdict: 'invalid', reason: { code: 'trigger-double' } })
  })

  it('in a region that nobody knows the number of is invalid until it is given', () => {
    const elsewhere = { ...managed(), region: 'ap-elsewhere' }
    expect(verdicts(planned(seen(), elsewhere))).toEqual(['invalid region-unknown'])
    const [step] = planned(seen(), { ...managed([{ ...item, regionId: 33 }]), region: 'ap-elsewhere' })
    expect(changeOf(step)).toMatchObject({ to: { regionId: 33 } })
  })
})

describe('a trigger that nobody configured', () => {
  const other = { ...facts, name: 'by-hand' }

  it('stays, or goes where the configuration says so, in repositories that it names', () => {
    const keep = planned(seen({ facts, kinds: ['Deployment'] }, { facts: other, kinds: ['Deployment'] }))
    expect(verdicts(keep)).toEqual(['no-change trigger-in-place', 'no-change trigger-in-place'])
    const remove = managed([item], { others: 'remove' })
    const [step] = planned(seen({ facts, kinds: ['Deployment'] }, { facts: other, kinds: ['Job'] }), remove)
    expect(step).toMatchObject({ target: 'trigger by-hand', verdict: 'change', change: { kind: 'trigger-delete', from: other } })
    expect(step?.verdict === 'change' && step.undo).toEqual({ kind: 'trigger-create', workloadKind: 'Job', to: other })
    const elsewhere = { ...other, repository: 'team/else' }
    expect(verdicts(planned(seen({ facts, kinds: ['Deployment'] }, { facts: elsewhere }), remove))).toEqual([
      'no-change trigger-in-place',
      'no-change trigger-in-place',
    ])
  })

  it('has everything that is wrong with it told', () => {
    const none = config([rule()])
    const web = { ...facts, name: 'web', repository: 'team/web', workload: 'web' }
    expect(verdicts(planned(seen({ facts: web, kinds: ['Deployment'] }), none))).toEqual(['held trigger-double'])
    expect(verdicts(planned(seen({ facts: web, kinds: ['Job'] }), none))).toEqual(['no-change trigger-in-place'])
    expect(verdicts(planned(seen({ facts: other, kinds: [] }), none))).toEqual(['held trigger-target-missing'])
    expect(verdicts(planned(seen({ facts: { ...other, cluster: 'cls-9' } }), none))).toEqual(['held trigger-target-missing'])
    expect(verdicts(planned(seen({ facts: other, kinds: ['Deployment', 'Job'] }), none))).toEqual(['held trigger-kind-unknown'])
  })

  it('for a container that its workload does not have is told', () => {
    const api = workload('nginx:1', {
      ref: { cluster: 'cls-1', namespace: 'default', kind: 'Deployment', name: 'api' },
      containers: [container('main', 'nginx:1')],
    })
    expect(verdicts(planned(seen({ facts: other, kinds: ['Deployment'] }), config([rule()]), [api]))).toEqual([
      'held trigger-target-missing',
    ])
  })

  it('whose last try failed is told, with what the cluster answered', () => {
    const line = (minutes: number, returnCode: number) => ({
      repository: 'team/api',
      tag: 'a',
      trigger: 'by-hand',
      atMs: noon + minutes * minute,
      returnCode,
      message: 'not found',
    })
    const once = (...log: ObservedTriggers['log']) =>
      planned({ triggers: [{ facts: other, kinds: ['Deployment'] }], log }, config([rule()]))
    const [step] = once(line(2, 404), line(1, 0))
    expect(step).toMatchObject({ verdict: 'held', reason: { code: 'trigger-failing' } })
    expect(step?.reason.text).toContain('404: not found')
    expect(verdicts(once(line(1, 404), line(2, 0)))).toEqual(['no-change trigger-in-place'])
    expect(verdicts(once(line(1, 404), line(2, 200)))).toEqual(['no-change trigger-in-place'])
  })

  it('is not judged when triggers cannot be read', () => {
    expect(verdicts(planned({ triggers: [], log: [], problem: 'no answer' }))).toEqual(['held triggers-unreadable'])
  })
})
