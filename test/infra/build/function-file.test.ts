import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listFunctions, readFunctionFile } from '#infra/build/function-file.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'longshore-functions-'))
  await mkdir(join(root, 'functions/cron-scaler'), { recursive: true })
})
afterEach(async () => {
  await rm(root, { recursive: true })
})

const sound = `
function:
  handler: dist/cron-scaler/handler.handler
  description: Sizes things.
  timeout: 55
  memorySize: 256
  role: CronScalerRole
  events:
    - schedule:
        method: scheduler
        rate: [rate(1 minute)]
        roleArn: { Fn::GetAtt: [CronScalerScheduleRole, Arn] }
        input: { trigger: eventbridge-scheduler, scheduledAt: <aws.scheduler.scheduled-time> }
platformActions: [tke:ForwardRequest]
`

/** The same with webhooks. */
const hooked = sound.replace(
  'platformActions',
  `    - httpApi: { method: POST, path: '/hooks/cron-scaler/{proxy+}' }
    - sqs: { arn: { Fn::GetAtt: [CronScalerQueue, Arn] }, batchSize: 10, maximumConcurrency: 5, functionResponseType: ReportBatchItemFailures }
platformActions`,
)

async function read(text: string) {
  await writeFile(join(root, 'functions/cron-scaler/function.yml'), text)
  return await readFunctionFile(root, 'cron-scaler')
}

describe('readFunctionFile', () => {
  it('reads trigger, limits and permissions; a schedule is in UTC unless it says otherwise', async () => {
    const file = await read(sound)
    expect(file.platformActions).toEqual(['tke:ForwardRequest'])
    expect(file.function.events[0]?.schedule).toMatchObject({ rate: ['rate(1 minute)'], timezone: 'UTC' })
  })

  it('reads webhooks, queue and sweep', async () => {
    const { events } = (await read(hooked.replace('input: {', 'input: { task: sweep,'))).function
    expect(events[0]?.schedule?.input.task).toBe('sweep')
    expect(events[1]?.httpApi).toEqual({ method: 'POST', path: '/hooks/cron-scaler/{proxy+}' })
    expect(events[2]?.sqs).toMatchObject({ batchSize: 10, functionResponseType: 'ReportBatchItemFailures' })
  })

  it.each([
    ['a misspelt key', sound.replace('platformActions', 'platformAction'), 'platformAction: unknown key; did you mean "platformActions"?'],
    ['a permission of another form', sound.replace('tke:ForwardRequest', 'ForwardRequest'), 'platformActions[0]: must be service:Action'],
    ['a wildcard permission', sound.replace('tke:ForwardRequest', '"tke:*"'), 'platformActions[0]: must be service:Action'],
    ['no role', sound.replace('  role: CronScalerRole\n', ''), 'function.role: missing'],
    ['more time than there is', sound.replace('55', '901'), 'function.timeout: expected at most 900'],
    ['a rule instead of a schedule', sound.replace('scheduler', 'eventBus'), 'function.events[0].schedule.method: expected "scheduler"'],
    [
      'another instant than the nominal one',
      sound.replace('<aws.scheduler.scheduled-time>', 'now'),
      'function.events[0].schedule.input.scheduledAt: expected',
    ],
    [
      'another task than a sweep',
      sound.replace('input: {', 'input: { task: sleep,'),
      'function.events[0].schedule.input.task: expected "sweep"',
    ],
    ['a webhook that takes PUT', hooked.replace('POST', 'PUT'), 'function.events[1].httpApi.method: expected "POST" or "GET"'],
    [
      'a webhook anywhere',
      hooked.replace('/hooks/cron-scaler/{proxy+}', '/{proxy+}'),
      'function.events[1].httpApi.path: must be a path such as',
    ],
    [
      'a batch that fails as a whole',
      hooked.replace(', functionResponseType: ReportBatchItemFailures', ''),
      'function.events[2].sqs.functionResponseType',
    ],
    [
      'a queue without a limit of workers',
      hooked.replace(', maximumConcurrency: 5', ''),
      'function.events[2].sqs.maximumConcurrency: missing',
    ],
  ])('refuses %s', async (_, text, message) => {
    await expect(read(text)).rejects.toThrow(message)
    await expect(read(text)).rejects.toThrow('functions/cron-scaler/function.yml does not fit')
  })
})

describe('listFunctions', () => {
  it('finds the folders, sorted, and refuses one that is no function', async () => {
    await mkdir(join(root, 'functions/alarm-scaler'))
    await writeFile(join(root, 'functions/README.md'), '')
    expect(await listFunctions(root)).toEqual(['alarm-scaler', 'cron-scaler'])
    await mkdir(join(root, 'functions/helpers'))
    await expect(listFunctions(root)).rejects.toThrow('functions/helpers is no function of the product')
  })
})
