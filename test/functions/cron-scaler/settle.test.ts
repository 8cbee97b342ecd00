import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { asReader } from '#cloud/client.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import { formatRecord, recordAnnotation } from '#functions/cron-scaler/record.ts'
import type { ScaleChange } from '#functions/cron-scaler/scale-change.ts'
import { settle } from '#functions/cron-scaler/settle.ts'
import { at, type ChangeStep, changesOf, ruleOf } from './fixtures.ts'
import { clusterA, clusterB, openStage, outcomes, type Stage, shownSize, stageConfig, web, webPath } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage('2026-11-24T00:00:05Z')
  stage.put(web(2))
})

afterEach(async () => {
  await stage.close()
})

const rules = [ruleOf('up', '0 0 0 * * *', 5, { cluster: clusterA }), ruleOf('down', '0 0 12 * * *', 3, { cluster: clusterA })]
const settings = { enforce: true, rules }

async function due(): Promise<ChangeStep> {
  const config = stageConfig(settings)
  const now = stage.sandbox.clock.now()
  const [step] = changesOf(definition.plan(await definition.observe(stage.cloud, config, now), config, now))
  if (step === undefined) throw new Error('nothing is due')
  return step
}

const ask = async (step: ChangeStep, cloud = stage.cloud) =>
  await definition.settle?.(step, asReader(cloud), stageConfig(settings), { attempt: 1, startedAt: stage.sandbox.clock.now() })

/** Puts a record on the target that differs from the one that is there. */
async function setRecord(more: object): Promise<void> {
  const { record } = await shownSize(stage, webPath)
  await stage.person('PATCH', webPath, { metadata: { annotations: { [recordAnnotation]: formatRecord({ ...record!, ...more }) } } })
}

describe('whether a write has arrived', () => {
  test('is applied when its key is on record, whatever the size is by now', async () => {
    const step = await due()
    await stage.tick(settings)
    expect(await ask(step)).toBe('applied')
    await stage.person('PATCH', webPath, { spec: { replicas: 9 } })
    expect(await ask(step)).toBe('applied')
  })

  test('is not applied when there is no record, or one of an earlier firing', async () => {
    expect(await ask(await due())).toBe('not-applied')
    await stage.tick(settings)
    stage.at('2026-11-24T12:00:05Z')
    expect(await ask(await due())).toBe('not-applied')
  })

  test('of a correction is not applied when the record that it was to replace is still there', async () => {
    await stage.tick(settings)
    await stage.person('PATCH', webPath, { spec: { replicas: 9 } })
    stage.at('2026-11-24T00:01:05Z')
    const step = await due()
    expect(step.reason.code).toBe('drift')
    expect(await ask(step)).toBe('not-applied')
    await stage.tick(settings)
    expect(await ask(step)).toBe('applied')
  })

  test('of an undo is told apart as well', async () => {
    const step = await due()
    await stage.tick(settings)
    const undo: ChangeStep = { ...step, key: 'undo', change: step.undo! }
    expect(await ask(undo)).toBe('not-applied')
    await definition.apply(undo, stage.cloud, stageConfig(settings), stage.sandbox.clock.now())
    expect(await ask(undo)).toBe('applied')
  })

  test('is unknown when a step of the same firing or a later one is on record, and nobody knows what that has replaced', async () => {
    const step = await due()
    await stage.tick(settings)
    const old = { epoch: 3, replaced: undefined }
    await setRecord({ key: 'another', ...old })
    expect(await ask(step)).toBe('unknown')
    await setRecord({ key: 'another', nominalMs: at('2026-11-24T12:00:00Z'), ...old })
    expect(await ask(step)).toBe('unknown')
    await setRecord({ key: 'another', replaced: 'a third' })
    expect(await ask(step)).toBe('unknown')
  })

  test('is known after a later firing, which says what it has replaced', async () => {
    const late = await due()
    // A later run applies the next firing before anybody asks.
    await stage.tick(settings)
    stage.at('2026-11-24T12:00:05Z')
    await stage.tick(settings)
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(3)
    expect(await ask(late)).toBe('applied')
    // The same when the first write never came.
    await stage.person('DELETE', webPath)
    stage.put(web(2))
    const lost = { ...late, change: { ...late.change, uid: (await due()).change.uid } }
    await stage.tick(settings)
    expect(await ask(lost)).toBe('not-applied')
    stage.at('2026-11-25T00:00:05Z')
    const second = await due()
    stage.at('2026-11-25T12:00:05Z')
    await stage.tick(settings)
    expect(await ask(second)).toBe('not-applied')
  })

  test('is unknown when somebody took the record away, and the size may be the one that was to be written', async () => {
    const first = await due()
    await stage.tick(settings)
    stage.at('2026-11-24T12:00:05Z')
    const second = await due()
    await stage.tick(settings)
    const forget = async (size: number) =>
      await stage.person('PATCH', webPath, { spec: { replicas: size }, metadata: { annotations: { [recordAnnotation]: null } } })
    await forget(3)
    expect(await ask(second)).toBe('unknown')
    await forget(5)
    expect(await ask(second)).toBe('not-applied')
    expect(await ask(first)).toBe('unknown')
    await forget(4)
    expect(await ask(first)).toBe('not-applied')
  })

  test('is unknown when the target is gone or another one', async () => {
    const step = await due()
    await stage.person('DELETE', webPath)
    expect(await ask(step)).toBe('unknown')
    stage.put(web(2))
    expect(await ask(step)).toBe('unknown')
  })

  test.each([
    ['refused', { kind: 'rbac-403' }],
    ['lost', { kind: 'drop-before' }],
    ['empty', { kind: 'forward-body', body: '' }],
    ['something else', { kind: 'forward-body', body: '{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web"}}' }],
  ] as const)('is unknown when the answer is %s', async (_, fault) => {
    const step = await due()
    stage.sandbox.faults.add({ fault, match: { pathIncludes: '/deployments/web' } })
    expect(await ask(step)).toBe('unknown')
  })

  test('is unknown when the record cannot be read', async () => {
    const step = await due()
    await stage.person('PATCH', webPath, { metadata: { annotations: { [recordAnnotation]: '{}' } } })
    expect(await ask(step)).toBe('unknown')
  })

  test('is asked of the cluster and region of the change, by reading only', async () => {
    stage.put(web(2), clusterB)
    const step = await due()
    const elsewhere: ChangeStep = {
      ...step,
      change: { ...step.change, cluster: clusterB, uid: await uidIn(clusterB) } satisfies ScaleChange,
    }
    const from = stage.sandbox.journal.length
    expect(await settle(elsewhere, asReader(stage.cloud), stageConfig(settings))).toBe('not-applied')
    expect(stage.sandbox.journal.slice(from).map(({ effect, action }) => `${effect} ${action}`)).toEqual(['read ForwardRequest'])
    expect(outcomes(await stage.tick(settings))).toEqual(['Applied due'])
  })
})

async function uidIn(cluster: string): Promise<string> {
  const object = await stage.person('GET', webPath, undefined, cluster)
  return (object.metadata as { readonly uid: string }).uid
}
