import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { bundleFunction } from '#infra/build/bundle.ts'
import { starterFiles } from '#infra/build/from-example.ts'
import { readFunctionFile } from '#infra/build/function-file.ts'
import { type InspectedFunction, inspectTemplate } from '#infra/build/inspect.ts'
import { oslsPackage } from '#infra/build/osls.ts'
import type { Template } from '#infra/build/template.ts'
import { dynaliteCredentials } from '../contract/dynalite-credentials.ts'
import { startDynalite } from '../contract/dynalite-server.ts'

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
const name = 'redeploy-hook'

/** A function with webhooks that is none of the product's, in the clone only. */
const handler = `
import * as z from 'zod/mini'
import { isOneOf } from '#shared/runtime/constant-time.ts'
import { defineEvents } from '#shared/runtime/define-events.ts'
import { defineQueue } from '#shared/runtime/define-queue.ts'
import { defineSweep } from '#shared/runtime/define-sweep.ts'
import { defineWebhook } from '#shared/runtime/define-webhook.ts'
import type { QueueDefinition } from '#shared/runtime/queue-definition.ts'
import type { WebhookDefinition } from '#shared/runtime/webhook-definition.ts'

const settings = z.strictObject({ tokens: z.array(z.string()) })
type Settings = z.infer<typeof settings>

const webhook: WebhookDefinition<Settings> = {
  name: '${name}',
  settings,
  sources: (config) => [
    {
      name: 'probe',
      path: '/hooks/${name}/probe/{token}',
      secrets: config.settings.tokens,
      authenticate: ({ params }, { secrets }) => (isOneOf(params.token ?? '', secrets) ? 'ok' : 'denied'),
      parse: ({ body }) => ({ ok: true, events: [{ id: body.toString(), group: 'all', payload: body.toString() }] }),
    },
  ],
}

const queue: QueueDefinition<Settings, { readonly mode: string }> = {
  name: '${name}',
  settings,
  process: async ({ payload }, { mode }) => {
    console.log(JSON.stringify({ worked: payload, mode }))
    return payload === 'bad' ? { kind: 'failed', code: 'probe', text: 'bad' } : { kind: 'done' }
  },
}

export const handler = defineEvents({
  webhook: defineWebhook(webhook),
  queue: defineQueue(queue, async ({ platform }) => {
    const { kernel } = await platform()
    await kernel.of('${name}', 'probe').journal.end({ now: kernel.now() })
    return { mode: 'connected' }
  }),
  sweep: defineSweep(webhook),
})
`

let folder: string
let clone: string
let template: Template
let functions: readonly InspectedFunction[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-webhook-package-'))
  clone = join(folder, 'clone')
  await mkdir(join(clone, `functions/${name}`), { recursive: true })
  for (const part of ['shared', 'infra', 'package.json', 'tsconfig.json'])
    await cp(join(root, part), join(clone, part), { recursive: true })
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'))
  await writeFile(join(clone, `functions/${name}/handler.ts`), handler)
  for (const { path, text } of await starterFiles(root, name)) await writeFile(join(clone, path), text)
  const serverless = await readFile(join(root, 'serverless.yml'), 'utf8')
  const before = serverless.slice(0, serverless.indexOf('\nfunctions:'))
  await writeFile(
    join(clone, 'serverless.yml'),
    `${before}
functions:
  ${name}: \${file(functions/${name}/function.yml):function}

resources:
  - \${file(infra/resources/store-table.yml)}
  - \${file(infra/resources/http-api.yml)}
  - \${file(infra/resources/${name}.yml)}
  - \${file(infra/resources/alarms.cjs)}
`,
  )
  await bundleFunction(clone, name)
  await oslsPackage(clone)
  template = JSON.parse(await readFile(join(clone, '.serverless/cloudformation-template-update-stack.json'), 'utf8')) as Template
  functions = [{ name, file: await readFunctionFile(clone, name) }]
}, 60_000)
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

const queueId = 'RedeployHookQueue'
const lambda = 'RedeployDashhookLambdaFunction'

/** The ids of the resources of one kind. */
const idsOf = (type: string): string[] => Object.keys(template.Resources).filter((id) => template.Resources[id]?.Type === type)
const only = (type: string): string => {
  const ids = idsOf(type)
  if (ids.length !== 1) throw new Error(`there are ${ids.length} of ${type}`)
  return ids[0] ?? ''
}

describe('a function with webhooks, packaged as the example says', () => {
  it('passes the inspection', () => {
    expect(inspectTemplate(template, functions)).toEqual([])
  })

  it('has one route, a queue in order with partial failures, and a sweep every minute', () => {
    const of = (type: string): unknown => template.Resources[only(type)]?.Properties
    expect(of('AWS::ApiGatewayV2::Route')).toMatchObject({ RouteKey: `POST /hooks/${name}/{proxy+}` })
    expect(of('AWS::ApiGatewayV2::Integration')).toMatchObject({ PayloadFormatVersion: '2.0' })
    expect(of('AWS::ApiGatewayV2::Stage')).toMatchObject({ DefaultRouteSettings: { ThrottlingRateLimit: 200, ThrottlingBurstLimit: 400 } })
    expect(of('AWS::Lambda::EventSourceMapping')).toMatchObject({
      BatchSize: 10,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: 5 },
      EventSourceArn: { 'Fn::GetAtt': [queueId, 'Arn'] },
    })
    const queue = template.Resources[queueId]?.Properties as { VisibilityTimeout: number }
    const { file } = functions[0]!
    expect(queue.VisibilityTimeout).toBeGreaterThanOrEqual(6 * file.function.timeout)
    expect(queue).toMatchObject({
      FifoQueue: true,
      RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': ['RedeployHookGivenUp', 'Arn'] }, maxReceiveCount: 10 },
    })
    expect(template.Resources[lambda]?.Properties).toMatchObject({
      Environment: { Variables: { LONGSHORE_QUEUE_URL: { Ref: queueId }, LONGSHORE_TABLE: { Ref: 'StoreTable' } } },
    })
    const schedule = of('AWS::Scheduler::Schedule') as { ScheduleExpression: string; Target: { Input: string } }
    expect(schedule.ScheduleExpression).toBe('rate(1 minute)')
    expect(JSON.parse(schedule.Target.Input)).toMatchObject({ trigger: 'eventbridge-scheduler', task: 'sweep' })
  })

  it('has nothing left of the example in its files', async () => {
    for (const { text } of await starterFiles(root, name)) {
      expect(text).not.toMatch(/example/i)
      expect(parse(text)).toBeTypeOf('object')
    }
  })
})

describe('the bundle on the services it is deployed with', () => {
  it('takes in, wakes itself, works, gives back what failed, and sweeps', async () => {
    const dynamo = await startDynalite()
    try {
      await dynamo.createStoreTable('longshore-probe')
      // Only what is in the zip, with the SDK beside it as the Lambda runtime has it; the queue's client writes down what it is sent.
      const task = join(folder, 'task')
      await cp(join(clone, 'dist'), join(task, 'dist'), { recursive: true })
      await mkdir(join(task, 'node_modules/@aws-sdk/client-sqs'), { recursive: true })
      await symlink(join(root, 'node_modules/@aws-sdk/client-dynamodb'), join(task, 'node_modules/@aws-sdk/client-dynamodb'))
      await writeFile(
        join(task, 'node_modules/@aws-sdk/client-sqs/index.js'),
        `globalThis.sent = []
         exports.SendMessageCommand = class { constructor(input) { this.input = input } }
         exports.SQSClient = class { async send({ input }) { globalThis.sent.push(input) } }`,
      )
      await writeFile(
        join(task, 'longshore.json'),
        JSON.stringify({
          platform: { endpoint: 'http://127.0.0.1:1', region: 'ap-guangzhou' },
          functions: { [name]: { tokens: ['env:HOOK_TOKEN'] } },
        }),
      )
      const script = `
        const { handler } = await import('./dist/${name}/handler.mjs')
        const context = { getRemainingTimeInMillis: () => 55_000 }
        const post = (body, token = 'hook-token') => handler({ version: '2.0', rawPath: '/hooks/${name}/probe/' + token, rawQueryString: '', headers: {},
          requestContext: { http: { method: 'POST' }, stage: '$default' }, body, isBase64Encoded: false }, context)
        const say = (what) => console.log(JSON.stringify(what))
        const status = async (...words) => (await post(...words)).statusCode
        say({ denied: await status('a', 'wrong') })
        say({ taken: [await status('a'), await status('bad'), await status('c')] })
        const records = globalThis.sent.map(({ MessageBody: body, MessageGroupId }, index) => ({ messageId: 'm' + index, body, eventSource: 'aws:sqs', attributes: { MessageGroupId } }))
        say({ urls: [...new Set(globalThis.sent.map(({ QueueUrl }) => QueueUrl))], groups: new Set(records.map(({ attributes }) => attributes.MessageGroupId)).size })
        say({ batch: await handler({ Records: records }, context) })
        const before = Date.now
        Date.now = () => before() + 20_000
        globalThis.sent.length = 0
        say({ sweep: await handler({ trigger: 'eventbridge-scheduler', task: 'sweep', scheduledAt: '2026-11-24T08:00:00Z' }, context), sent: globalThis.sent.length })
        say({ tick: await handler({ trigger: 'eventbridge-scheduler', scheduledAt: '2026-11-24T08:00:00Z' }, context).catch(({ message }) => message) })
      `
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
        cwd: task,
        env: {
          LONGSHORE_CONFIG: 'longshore.json',
          LONGSHORE_TABLE: 'longshore-probe',
          LONGSHORE_QUEUE_URL: 'https://sqs.example/probe.fifo',
          HOOK_TOKEN: 'hook-token',
          TENCENTCLOUD_SECRET_ID: 'AKIDnobody',
          TENCENTCLOUD_SECRET_KEY: 'nobody',
          AWS_REGION: 'ap-southeast-1',
          AWS_ENDPOINT_URL_DYNAMODB: dynamo.url,
          AWS_ACCESS_KEY_ID: dynaliteCredentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: dynaliteCredentials.secretAccessKey,
        },
      })
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      const said = lines.filter((line) => line.event === undefined)
      expect(said).toEqual([
        { denied: 401 },
        { taken: [202, 202, 202] },
        { urls: ['https://sqs.example/probe.fifo'], groups: 1 },
        { worked: 'a', mode: 'connected' },
        { worked: 'bad', mode: 'connected' },
        { batch: { batchItemFailures: [{ itemIdentifier: 'm1' }, { itemIdentifier: 'm2' }] } },
        { sweep: { function: name, nudged: 1, failed: 0 }, sent: 1 },
        { tick: expect.stringContaining('This function takes no ticks of a schedule') },
      ])
      expect(stdout).not.toContain('hook-token')
    } finally {
      await dynamo.close()
    }
  })
})

describe('the inspection finds', () => {
  type Resources = Record<string, { Type: string; Properties: Record<string, unknown> }>
  const inspect = (change: (all: Resources) => void, file = functions): string => {
    const changed = structuredClone(template)
    change(changed.Resources as unknown as Resources)
    return inspectTemplate(changed, file).join('\n')
  }
  const set = (value: unknown, path: readonly (string | number)[], to: unknown): void => {
    let holder = value as Record<string | number, unknown>
    for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>
    holder[path.at(-1) ?? ''] = to
  }
  const mapping = (): string => only('AWS::Lambda::EventSourceMapping')
  const withoutEvent = (kind: string): readonly InspectedFunction[] =>
    functions.map(({ name: own, file }) => ({
      name: own,
      file: { ...file, function: { ...file.function, events: file.function.events.filter((event) => !Object.hasOwn(event, kind)) } },
    }))

  it.each<[string, string, (all: Resources) => void]>([
    [
      'another route',
      'has the route POST /admin',
      (all) => set(all, [only('AWS::ApiGatewayV2::Route'), 'Properties', 'RouteKey'], 'POST /admin'),
    ],
    [
      'a route that is gone',
      `has no route POST /hooks/${name}/{proxy+} in the template`,
      (all) => {
        delete all[only('AWS::ApiGatewayV2::Route')]
      },
    ],
    [
      'a route to nobody',
      'leads to no function that is known',
      (all) =>
        set(all, [only('AWS::ApiGatewayV2::Integration'), 'Properties', 'IntegrationUri'], {
          'Fn::GetAtt': ['OtherLambdaFunction', 'Arn'],
        }),
    ],
    [
      'a permission for anybody',
      'may be invoked by others',
      (all) => set(all, [only('AWS::Lambda::Permission'), 'Properties', 'Principal'], '*'),
    ],
    [
      'a permission for any API',
      'may be invoked by others',
      (all) => set(all, [only('AWS::Lambda::Permission'), 'Properties', 'SourceArn'], undefined),
    ],
    ['an API for web pages', 'lets web pages call it', (all) => set(all, ['HttpApi', 'Properties', 'CorsConfiguration'], {})],
    ['requests without a limit', 'has no limit of requests', (all) => set(all, ['HttpApiStage', 'Properties', 'DefaultRouteSettings'], {})],
    ['a log of paths', 'logs requests', (all) => set(all, ['HttpApiStage', 'Properties', 'AccessLogSettings'], {})],
    [
      'whole batches that fail',
      'takes one failed event for a failed batch',
      (all) => set(all, [mapping(), 'Properties', 'FunctionResponseTypes'], []),
    ],
    ['a queue that is off', 'is not switched on', (all) => set(all, [mapping(), 'Properties', 'Enabled'], false)],
    ['no limit of workers', 'may take all', (all) => set(all, [mapping(), 'Properties', 'ScalingConfig'], undefined)],
    [
      "somebody else's queue",
      "is no queue of redeploy-hook's own",
      (all) => set(all, [mapping(), 'Properties', 'EventSourceArn'], 'arn:aws:sqs:x:1:other'),
    ],
    ['an event source of nobody', 'leads to no function', (all) => set(all, [mapping(), 'Properties', 'FunctionName'], 'other')],
    [
      'a queue that is gone',
      'is woken by 0 queues',
      (all) => {
        delete all[mapping()]
      },
    ],
    ['no order', 'keeps no order', (all) => set(all, [queueId, 'Properties', 'FifoQueue'], undefined)],
    ['messages that come back too early', 'needs at least 360 s', (all) => set(all, [queueId, 'Properties', 'VisibilityTimeout'], 359)],
    ['messages that come back at once', 'after undefined s', (all) => set(all, [queueId, 'Properties', 'VisibilityTimeout'], undefined)],
    ['too few tries', 'after 4 receptions', (all) => set(all, [queueId, 'Properties', 'RedrivePolicy', 'maxReceiveCount'], 4)],
    ['no dead-letter queue', 'loses what it gives up', (all) => set(all, [queueId, 'Properties', 'RedrivePolicy'], undefined)],
    [
      'a dead-letter queue that is itself',
      'loses what it gives up',
      (all) => set(all, [queueId, 'Properties', 'RedrivePolicy', 'deadLetterTargetArn'], { 'Fn::GetAtt': [queueId, 'Arn'] }),
    ],
    [
      'a dead-letter queue of another kind',
      'cannot take from a FIFO queue',
      (all) => set(all, ['RedeployHookGivenUp', 'Properties', 'FifoQueue'], false),
    ],
    [
      'a dead-letter queue in the clear',
      'is not encrypted',
      (all) => set(all, ['RedeployHookGivenUp', 'Properties', 'SqsManagedSseEnabled'], false),
    ],
    [
      'a queue that the function does not know',
      'does not know its queue',
      (all) => set(all, [lambda, 'Properties', 'Environment', 'Variables', 'LONGSHORE_QUEUE_URL'], 'https://sqs.example/other'),
    ],
    [
      'a queue that it may not use',
      'does not allow sqs:SendMessage on RedeployHookQueue',
      (all) =>
        set(all, ['RedeployHookRole', 'Properties', 'Policies', 0, 'PolicyDocument', 'Statement', 3, 'Action'], ['sqs:ReceiveMessage']),
    ],
    [
      'a sweep that asks for nothing',
      'has no schedule rate(1 minute) in UTC that asks for a sweep',
      (all) => set(all, [only('AWS::Scheduler::Schedule'), 'Properties', 'Target', 'Input'], '{}'),
    ],
  ])('%s', (_, text, change) => {
    expect(inspect(change)).toContain(text)
  })

  it('webhooks without a queue, without a sweep, and a queue or a route that nobody asked for', () => {
    expect(inspect(() => undefined, withoutEvent('sqs'))).toContain('takes in webhooks, but no queue wakes it')
    expect(inspect(() => undefined, withoutEvent('schedule'))).toContain('no schedule sweeps what nobody was woken for')
    expect(inspect(() => undefined, withoutEvent('httpApi'))).toContain('may be invoked through an API, but has no route')
    expect(inspect(() => undefined, withoutEvent('sqs'))).toContain('is woken by 1 queues in the template and 0 in its function.yml')
  })

  it('a path that is another function’s', () => {
    const { file } = functions[0]!
    const events = file.function.events.map((event) =>
      event.httpApi === undefined ? event : { ...event, httpApi: { method: 'POST' as const, path: '/hooks/alarm-scaler/{proxy+}' } },
    )
    expect(inspect(() => undefined, [{ name, file: { ...file, function: { ...file.function, events } } }])).toContain(
      `the route /hooks/alarm-scaler/{proxy+} of ${name} is not below /hooks/${name}/`,
    )
  })
})
