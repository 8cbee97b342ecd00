import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import type { CloudWriter } from '#cloud/cloud.ts'
import { type KubeObject, kubeReader } from '#cloud/kube.ts'
import { AnyChange, applyAny, settleAny } from '#functions/cron-scaler/any-change.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import {
  findHpcKinds,
  type HpcKind,
  type HpcStep,
  hpcDifferences,
  hpcStep,
  readHpc,
  settleHpc,
  shapesOf,
  type WantedHpc,
} from '#functions/cron-scaler/hpc-object.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { scalerDefinition } from '#infra/sandbox/seeds/kube-objects.ts'
import { readStep } from '#shared/runtime/run.ts'
import { clusterA, clusterB, hpcGroup, openStage, type Stage, stageConfig, webSchedules } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage('2026-11-24T08:00:00Z')
})

afterEach(async () => {
  await stage.close()
})

const kind: HpcKind = { group: hpcGroup, version: 'v1', resource: 'horizontalpodcronscalers', kind: 'HorizontalPodCronscaler' }
const hpc = { ...kind, namespace: 'default', name: 'web' }
const path = `/apis/${hpcGroup}/v1/namespaces/default/horizontalpodcronscalers/web`
const scaleTarget = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', namespace: 'default' }

const wanted = (size: number, more: Partial<WantedHpc> = {}): WantedHpc => ({
  labels: {},
  annotations: {},
  spec: { scaleTarget, crons: [{ name: 'day', schedule: '0 0 8 * * *', targetSize: size }] },
  ...more,
})

async function live(): Promise<KubeObject | undefined> {
  return await readHpc(kubeReader(stage.cloud, clusterA), { cluster: clusterA, hpc })
}

/** The step that somebody asks for who looks at the cluster now. */
async function stepFor(want: WantedHpc | undefined): Promise<HpcStep> {
  const found = await live()
  const { uid, resourceVersion } = found?.metadata ?? {}
  return hpcStep({
    change: { cluster: clusterA, hpc, ...(uid === undefined ? {} : { uid }), ...shapesOf(found, want) },
    resourceVersion,
    by: 'a test',
    now: stage.sandbox.clock.now(),
  })
}

/** A writer before whose next writing call something else happens. */
function meanwhile(happens: () => Promise<unknown>, times = 1): CloudWriter {
  let left = times
  return {
    send: async (action, request, options) => {
      const isWrite = 'Method' in Object(request) && Reflect.get(Object(request), 'Method') !== 'GET'
      if (isWrite && left > 0) {
        left -= 1
        await happens()
      }
      return await stage.cloud.send(action, request, options)
    },
  }
}

const apply = async (step: HpcStep, cloud: CloudWriter = stage.cloud) =>
  await applyAny(step, cloud, stageConfig(), stage.sandbox.clock.now())
const settle = async (step: HpcStep) => await settleAny(step, stage.cloud, stageConfig(), { attempt: 1, startedAt: 0 })
const putBack = (step: HpcStep): HpcStep => {
  if (step.undo === undefined) throw new Error('it has no undo')
  return { ...step, key: `undo/${step.key}`, change: step.undo, undo: step.change }
}

describe('the kinds of HPC objects in a cluster', () => {
  test('are found in every group of the platform, and in no other', async () => {
    expect(await findHpcKinds(kubeReader(stage.cloud, clusterA), undefined)).toEqual([])
    stage.put(scalerDefinition(hpcGroup))
    stage.put(scalerDefinition('autoscaling.finance.cloud.tencent.com'))
    stage.put(scalerDefinition('autoscaling.example.com'))
    const kinds = await findHpcKinds(kubeReader(stage.cloud, clusterA), undefined)
    expect(kinds).toEqual([kind, { ...kind, group: 'autoscaling.finance.cloud.tencent.com' }])
    expect(await findHpcKinds(kubeReader(stage.cloud, clusterA), 'autoscaling.example.com')).toEqual([
      { ...kind, group: 'autoscaling.example.com' },
    ])
    expect(await findHpcKinds(kubeReader(stage.cloud, clusterA), 'autoscaling.gone.com')).toEqual([])
    expect(await findHpcKinds(kubeReader(stage.cloud, clusterB, { region: 'ap-chengdu' }), undefined)).toEqual([])
  })
})

describe('a change of an HPC object', () => {
  test('creates, changes and deletes, and its undo brings back what was there', async () => {
    stage.put(scalerDefinition(hpcGroup))
    const created = await stepFor(wanted(3, { labels: { team: 'shop' }, annotations: { note: 'x' } }))
    expect(created).toMatchObject({
      target: `${clusterA}/default/HorizontalPodCronscaler/web`,
      before: '',
      after: '1 cron: day "0 0 8 * * *"',
      reason: { code: 'hpc-create' },
    })
    expect(await settle(created)).toBe('not-applied')
    expect(await apply(created)).toEqual({ outcome: 'Applied' })
    expect(await settle(created)).toBe('applied')
    expect(await apply(created)).toMatchObject({ outcome: 'NoChange', reason: { code: 'already-there' } })

    const changed = await stepFor(wanted(5))
    expect(changed.reason.code).toBe('hpc-change')
    expect(await settle(changed)).toBe('not-applied')
    expect(await apply(changed)).toEqual({ outcome: 'Applied' })
    // Labels and annotations that are not wanted stay, unless they are ours.
    expect(await live()).toMatchObject({
      metadata: { labels: { team: 'shop' }, annotations: { note: 'x' } },
      spec: { crons: [{ targetSize: 5 }] },
    })
    expect(await apply(putBack(changed))).toEqual({ outcome: 'Applied' })
    expect(await live()).toMatchObject({ spec: { crons: [{ targetSize: 3 }] } })

    const deleted = await stepFor(undefined)
    expect(deleted).toMatchObject({ after: 'not there', reason: { code: 'hpc-delete' } })
    expect(await apply(deleted)).toEqual({ outcome: 'Applied' })
    expect([await live(), await settle(deleted)]).toEqual([undefined, 'applied'])
    expect(await apply(deleted)).toMatchObject({ outcome: 'NoChange' })
    expect(await apply(putBack(deleted))).toEqual({ outcome: 'Applied' })
    expect(await live()).toMatchObject({
      metadata: { labels: { team: 'shop' }, annotations: { note: 'x' } },
      spec: { crons: [{ targetSize: 3 }] },
    })
    expect(await apply(putBack(created))).toEqual({ outcome: 'Applied' })
    expect(await live()).toBeUndefined()
  })

  test('takes away what rules are made of and is not wanted any more', async () => {
    stage.put(scalerDefinition(hpcGroup))
    await apply(await stepFor(wanted(3, { annotations: { 'longshore.dev/paused': 'true', 'example.com/owner': 'shop' } })))
    const step = await stepFor(wanted(3))
    expect(hpcDifferences(step.change.from, step.change.to)).toEqual(['- metadata.annotations[longshore.dev/paused]: "true"'])
    await apply(step)
    expect((await live())?.metadata.annotations).toEqual({ 'example.com/owner': 'shop' })
    await apply(putBack(step))
    expect((await live())?.metadata.annotations).toEqual({ 'longshore.dev/paused': 'true', 'example.com/owner': 'shop' })
  })

  test('survives being kept as JSON, as the function’s own change', async () => {
    for (const object of webSchedules([{ name: 'up', schedule: '0 0 9 * * *', targetSize: 4 }])) stage.put(object)
    const step = await stepFor(wanted(3))
    const kept: unknown = JSON.parse(JSON.stringify(step))
    expect(readStep(definition, kept)).toEqual(step)
    expect(z.safeParse(AnyChange, { ...step.change, more: 1 }).success).toBe(false)
  })

  test('has a key of the state it is about, so that the same wish later is a new one', async () => {
    stage.put(scalerDefinition(hpcGroup))
    const first = await stepFor(wanted(3))
    expect((await stepFor(wanted(3))).key).toBe(first.key)
    await apply(first)
    await apply(await stepFor(wanted(5)))
    const again = await stepFor(wanted(3))
    await apply(again)
    await apply(await stepFor(wanted(5)))
    expect(new Set([first.key, again.key, (await stepFor(wanted(3))).key]).size).toBe(3)
    expect(first.key).toMatch(/^hpc-object\/[0-9a-f]{40}$/)
  })

  test('is not written over what somebody else did since', async () => {
    for (const object of webSchedules([{ name: 'up', schedule: '0 0 9 * * *', targetSize: 4 }])) stage.put(object)
    const step = await stepFor(wanted(3))
    await stage.person('PATCH', path, { spec: { crons: [{ name: 'up', schedule: '0 0 9 * * *', targetSize: 7 }] } })
    expect(await apply(step)).toMatchObject({
      outcome: 'Skipped',
      reason: { code: 'world-changed', text: expect.stringContaining('spec.crons[up].targetSize: 4 -> 7') },
    })
    expect(await settle(step)).toBe('unknown')
    const removal = await stepFor(undefined)
    await stage.person('DELETE', path)
    stage.put(webSchedules([{ name: 'up', schedule: '0 0 9 * * *', targetSize: 4 }])[1] as JsonObject)
    expect(await apply(removal)).toMatchObject({ outcome: 'Skipped', reason: { text: expect.stringContaining('deleted and made anew') } })
    expect(await settle(removal)).toBe('applied')
    expect(await settle(step)).toBe('unknown')
    expect(await live()).toBeDefined()
    const create = { ...(await stepFor(wanted(3))) }
    await stage.person('DELETE', path)
    expect(await apply(create)).toMatchObject({ outcome: 'Skipped', reason: { text: expect.stringContaining('it was deleted') } })
    const fresh = await stepFor(wanted(3))
    stage.put(webSchedules([{ name: 'up', schedule: '0 0 9 * * *', targetSize: 4 }])[1] as JsonObject)
    expect(await apply(fresh)).toMatchObject({ outcome: 'Skipped', reason: { text: expect.stringContaining('somebody has made it') } })
  })

  test('is bound to the state that was read: who comes in between is noticed, and looked at again', async () => {
    for (const object of webSchedules([{ name: 'up', schedule: '0 0 9 * * *', targetSize: 4 }])) stage.put(object)
    // A note of somebody else is no reason not to.
    let notes = 0
    const note = async () => {
      notes += 1
      await stage.person('PATCH', path, { metadata: { annotations: { note: String(notes) } } })
    }
    expect(await apply(await stepFor(wanted(3)), meanwhile(note))).toEqual({ outcome: 'Applied' })
    expect(await live()).toMatchObject({ metadata: { annotations: { note: '1' } }, spec: { crons: [{ targetSize: 3 }] } })
    // Another spec is.
    const person = async () =>
      await stage.person('PATCH', path, { spec: { crons: [{ name: 'day', schedule: '0 0 8 * * *', targetSize: 9 }] } })
    expect(await apply(await stepFor(wanted(5)), meanwhile(person))).toMatchObject({
      outcome: 'Skipped',
      reason: { code: 'world-changed' },
    })
    expect(await live()).toMatchObject({ spec: { crons: [{ targetSize: 9 }] } })
    // One who never stops.
    expect(await apply(await stepFor(wanted(5)), meanwhile(note, 10))).toMatchObject({ outcome: 'Skipped', reason: { code: 'conflict' } })
    // What goes altogether has to be what somebody has seen altogether.
    expect(await apply(await stepFor(undefined), meanwhile(note))).toMatchObject({ outcome: 'Skipped', reason: { code: 'world-changed' } })
    expect(await apply(await stepFor(undefined))).toEqual({ outcome: 'Applied' })
    expect(await live()).toBeUndefined()
    // One who makes it first, or deletes it first.
    const step = await stepFor(wanted(5))
    expect(
      await apply(
        step,
        meanwhile(async () => await apply(step)),
      ),
    ).toMatchObject({ outcome: 'NoChange' })
    expect(
      await apply(
        await stepFor(undefined),
        meanwhile(async () => await stage.person('DELETE', path)),
      ),
    ).toMatchObject({ outcome: 'NoChange' })
  })

  test('of an object that is being deleted is left alone', async () => {
    for (const object of webSchedules([{ name: 'up', schedule: '0 0 9 * * *', targetSize: 4 }])) stage.put(object)
    await stage.person('PATCH', path, { metadata: { finalizers: ['example.com/wait'] } })
    const [step, removal] = [await stepFor(wanted(3)), await stepFor(undefined)]
    await stage.person('DELETE', path)
    expect(await apply(step)).toMatchObject({ outcome: 'Skipped', reason: { text: expect.stringContaining('being deleted') } })
    expect(await apply(removal)).toMatchObject({ outcome: 'NoChange', reason: { text: expect.stringContaining('being deleted') } })
    expect(await settle(removal)).toBe('applied')
  })

  test('that the cluster keeps differently has failed, and says in what', async () => {
    const plain = scalerDefinition(hpcGroup) as { spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: object } } } }[] } }
    const cron = { type: 'object', properties: { name: { type: 'string' }, schedule: { type: 'string' }, targetSize: { type: 'integer' } } }
    const target = {
      type: 'object',
      properties: { apiVersion: { type: 'string' }, kind: { type: 'string' }, name: { type: 'string' }, namespace: { type: 'string' } },
    }
    for (const version of plain.spec.versions) {
      version.schema.openAPIV3Schema.properties.spec = {
        type: 'object',
        properties: { scaleTarget: target, crons: { type: 'array', items: cron } },
      }
    }
    stage.put(plain as unknown as JsonObject)
    const once = wanted(3, { spec: { scaleTarget, crons: [{ name: 'day', schedule: '0 0 8 * * *', targetSize: 3, runOnce: true }] } })
    expect(await apply(await stepFor(once))).toMatchObject({
      outcome: 'Failed',
      reason: { code: 'not-taken', text: expect.stringMatching(/not as it was given \(- spec\.crons\[day\]\.runOnce: true\)/) },
    })
  })

  test('cannot be settled while the cluster cannot be read', async () => {
    stage.put(scalerDefinition(hpcGroup))
    const step = await stepFor(wanted(3))
    stage.sandbox.faults.add({ fault: { kind: 'rbac-403' }, match: { effect: 'read' } })
    expect(await settleHpc(step, stage.cloud, stageConfig())).toBe('unknown')
  })
})

describe('what differs', () => {
  const shape = (spec: unknown) => ({ labels: {}, annotations: {}, spec })

  test('is told field by field, crons by their names', () => {
    const from = shape({
      scaleTarget,
      crons: [
        { name: 'day', schedule: 'a', excludeDates: ['x'] },
        { name: 'night', schedule: 'b' },
      ],
    })
    const to = shape({
      scaleTarget: { ...scaleTarget, name: 'api' },
      crons: [
        { name: 'noon', schedule: 'c' },
        { name: 'day', schedule: 'a', excludeDates: ['x', 'y'] },
      ],
    })
    expect(hpcDifferences(from, to)).toEqual([
      '~ spec.scaleTarget.name: "web" -> "api"',
      '+ spec.crons[noon].name: "noon"',
      '+ spec.crons[noon].schedule: "c"',
      '~ spec.crons[day].excludeDates: ["x"] -> ["x","y"]',
      '- spec.crons[night].name: "night"',
      '- spec.crons[night].schedule: "b"',
    ])
    expect(hpcDifferences(from, from)).toEqual([])
    expect(hpcDifferences(null, null)).toEqual([])
  })

  test('is the order too, and place by place where names do not tell', () => {
    const crons = [
      { name: 'day', schedule: 'a' },
      { name: 'night', schedule: 'b' },
    ]
    expect(hpcDifferences(shape({ crons }), shape({ crons: crons.toReversed() }))).toEqual([
      '~ spec.crons: in the order day, night -> night, day',
    ])
    const unnamed = [{ schedule: 'a' }, { schedule: 'b' }]
    expect(hpcDifferences(shape({ crons: unnamed }), shape({ crons: unnamed.toReversed() }))).toEqual([
      '~ spec.crons[0].schedule: "a" -> "b"',
      '~ spec.crons[1].schedule: "b" -> "a"',
    ])
    expect(hpcDifferences(shape({ a: {} }), shape({ a: [] }))).toEqual(['~ spec.a: {} -> []'])
  })
})
