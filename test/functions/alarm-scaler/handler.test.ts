import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { definition, openTools, queue } from '#functions/alarm-scaler/definition.ts'
import { handler } from '#functions/alarm-scaler/handler.ts'
import { webhook } from '#functions/alarm-scaler/webhook.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { defineEvents } from '#shared/runtime/define-events.ts'
import { defineQueue } from '#shared/runtime/define-queue.ts'
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { defineSweep } from '#shared/runtime/define-sweep.ts'
import { defineWebhook } from '#shared/runtime/define-webhook.ts'
import { createSqsNudge, type QueueMessage } from '#shared/runtime/sqs-nudge.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { eventOf, secrets, senders } from './alarm-hook-stage.ts'
import { type ClusterStage, clusterId, groupId, openClusterStage, pool } from './cluster-stage.ts'

const source = readFileSync(new URL('../../../functions/alarm-scaler/handler.ts', import.meta.url), 'utf8')

describe('the handler that ships', () => {
  it('is made of the definitions', () => {
    const { handlers } = handler
    expect(handlers.webhook.definition).toBe(webhook)
    expect(handlers.queue.definition).toBe(queue)
    expect(handlers.queue.openTools).toBe(openTools)
    expect(handlers.sweep.definition).toBe(webhook)
    expect(handlers.schedule.definition).toBe(definition)
    expect(new Set([webhook.settings, queue.settings, definition.settings]).size).toBe(1)
  })

  it('says in its first line what it does, and is wiring only', () => {
    const lines = source.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^\/\*\* .+\. Trigger: .+\. Writes: .+\. \*\/$/)
    expect(lines.length).toBeLessThanOrEqual(25)
  })
})

describe('on Lambda', () => {
  let stage: ClusterStage
  let folder: string
  let sent: QueueMessage[]
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'alarm-scaler-'))
    stage = await openClusterStage()
    sent = []
  })
  afterEach(async () => {
    await stage.close()
    rmSync(folder, { recursive: true })
  })

  /** The handler as it is deployed, on the stage's platform and clock, with a queue that writes down what it is told. */
  function deployed() {
    const compiledConfig = join(folder, 'longshore.json')
    const policy = {
      name: 'cpu',
      match: { alert: 'ClusterCpuHigh', cluster: '*' },
      pool,
      mode: 'enforce',
      confirm: [{ requests: { cpuPercentAbove: 0.1 } }],
      steps: [{ from: 0, add: 2 }],
      mechanisms: [{ kind: 'scaling-group', group: groupId }],
      clusterAutoscaler: 'share',
      licence: { guard: false },
    }
    const pools = [{ name: pool, cluster: clusterId, labels: { pool: 'general' }, max: 20 }]
    writeFileSync(
      compiledConfig,
      JSON.stringify({
        mode: 'enforce',
        platform: { endpoint: stage.url, region: 'ap-guangzhou' },
        clusters: [{ id: clusterId }],
        functions: { 'alarm-scaler': { ...senders, pools, policies: [policy] } },
      }),
    )
    const disk = new MemoryDisk()
    const surroundings = {
      compiledConfig,
      environment: () => ({ ...secrets, TENCENTCLOUD_SECRET_ID: sandboxSecretId, TENCENTCLOUD_SECRET_KEY: sandboxSecretKey }),
      clock: { ...systemClock, now: () => stage.now() },
      writeLine: () => undefined,
      openStore: async () => openMemoryStore(disk),
    }
    const nudge = createSqsNudge({ queueUrl: 'https://sqs.example/queue.fifo', sendMessage: async (one) => void sent.push(one) })
    const events = { ...surroundings, createNudge: () => nudge, createPostpone: () => undefined }
    const handle = defineEvents({
      webhook: defineWebhook(webhook, events),
      queue: defineQueue(queue, openTools, events),
      sweep: defineSweep(webhook, events),
      schedule: defineSchedule(definition, surroundings),
    })
    const batch = () => ({
      Records: sent.splice(0).map(({ MessageBody: body, MessageGroupId }, index) => ({
        messageId: `m${index}`,
        body,
        receiptHandle: `r${index}`,
        eventSource: 'aws:sqs',
        attributes: { MessageGroupId },
      })),
    })
    return { handle, batch }
  }

  it('a webhook wakes the queue, the queue asks for nodes, and the tick writes down that they come', async () => {
    stage.deploy('web', 2, { nodeSelector: { pool: 'general' } })
    stage.wait(30_000)
    const { handle, batch } = deployed()
    expect(await handle(eventOf('base'))).toMatchObject({ statusCode: 202 })
    expect(sent).toHaveLength(1)
    expect(await handle(batch(), { getRemainingTimeInMillis: () => 60_000 })).toEqual({ batchItemFailures: [] })
    expect(stage.group).toMatchObject({ minSize: 4, maxSize: 10 })
    stage.wait(60_000)
    // Enough to write, and too little to wait for the next look.
    const report = await handle(
      { trigger: 'local', scheduledAt: new Date(stage.now()).toISOString() },
      { getRemainingTimeInMillis: () => 15_000 },
    )
    expect(report).toMatchObject({ counts: { Applied: 1, Failed: 0 } })
    expect(stage.record().leases).toMatchObject([{ state: 'provisioning', nodes: [{}, {}] }])
  })

  it('a sweep wakes the queue for an alarm whose message was lost', async () => {
    stage.deploy('web', 2, { nodeSelector: { pool: 'general' } })
    stage.wait(30_000)
    const { handle, batch } = deployed()
    await handle(eventOf('base'))
    sent.length = 0
    stage.wait(60_000)
    const tick = { ...eventOf('sweep'), scheduledAt: new Date(stage.now()).toISOString() }
    expect(await handle(tick)).toEqual({ function: 'alarm-scaler', nudged: 1, failed: 0 })
    expect(await handle(batch(), { getRemainingTimeInMillis: () => 60_000 })).toEqual({ batchItemFailures: [] })
    expect(stage.group.minSize).toBe(4)
  })
})
