import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { awsGrants } from '#infra/build/aws-policy.ts'
import { bundleFunction } from '#infra/build/bundle.ts'
import { listFunctions, readFunctionFile } from '#infra/build/function-file.ts'
import { actionsOf, actionText } from '#infra/build/permissions.ts'
import { runWords } from './run-words.ts'

const root = join(import.meta.dirname, '../../..')

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-policy-'))
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

interface Policy {
  readonly version: string
  readonly statement: readonly { readonly effect: string; readonly action: readonly string[]; readonly resource: readonly string[] }[]
}

describe('longshore policy', () => {
  it('limits a function to the clusters and repositories of the configuration', async () => {
    const path = join(folder, 'longshore.yaml')
    await writeFile(
      path,
      `platform: { region: ap-guangzhou, credentials: { secretId: env:ID, secretKey: env:KEY } }
clusters: [{ id: cls-1 }, { id: cls-2 }]
functions:
  image-cleaner:
    policies: [{ name: services, repositories: ["shop/*"], keep: { last: 3 } }]
    quarantine: { repository: ops/quarantine }
`,
    )
    const { code, out, err } = await runWords(['policy', 'image-cleaner', '--config', path])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const policy: Policy = JSON.parse(out)
    expect(policy.version).toBe('2.0')
    expect(policy.statement.find(({ action }) => action.includes('ccr:DeleteTag'))?.resource).toEqual([
      'qcs::ccr:::repo/ops/quarantine:*',
      'qcs::ccr:::repo/shop/*:*',
    ])
    expect(policy.statement.flatMap(({ action }) => action).filter((name) => name.includes('*'))).toEqual([])
  })

  it('says that nothing is limited where there is no configuration, and covers every function when none is named', async () => {
    const all = await runWords(['policy'])
    expect(all.code).toBe(0)
    expect(all.err).toContain('every cluster and repository is allowed')
    const granted = new Set((JSON.parse(all.out) as Policy).statement.flatMap(({ action }) => action))
    for (const name of await listFunctions(root)) {
      const { platformActions } = await readFunctionFile(root, name)
      for (const action of platformActions) expect(granted, `${name} needs ${action}`).toContain(action)
    }
  })

  it('prints what the role on AWS may do', async () => {
    const { code, out } = await runWords(['policy', 'cron-scaler', '--aws'])
    expect(code).toBe(0)
    const made: Record<string, { Statement: { Action: string[] }[] }> = JSON.parse(out)
    expect(made['cron-scaler']?.Statement.flatMap(({ Action }) => Action)).toContain('dynamodb:UpdateItem')
  })

  it('suggests the function that was meant', async () => {
    const { code, err } = await runWords(['policy', 'cron-scalar'])
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('did you mean "cron-scaler"?') })
  })
})

/** Commands of the AWS SDK as our sources name them, and what a role has to allow for each. */
const awsActions: Readonly<Record<string, string>> = {
  GetItemCommand: 'dynamodb:GetItem',
  UpdateItemCommand: 'dynamodb:UpdateItem',
  QueryCommand: 'dynamodb:Query',
  GetParameterCommand: 'ssm:GetParameter',
  SendMessageCommand: 'sqs:SendMessage',
  ChangeMessageVisibilityBatchCommand: 'sqs:ChangeMessageVisibility',
}

/** What the platform itself does in the name of a function: its log, what failed, and the queue that wakes it. */
const always = ['logs:CreateLogStream', 'logs:PutLogEvents', 'sqs:SendMessage']
const withQueue = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes']

describe('the policies of every function', async () => {
  it.each(await listFunctions(root))('of %s are what its bundle can send, on the platform and on AWS', async (name) => {
    const { sources } = await bundleFunction(root, name)
    const file = await readFunctionFile(root, name)
    expect((await actionsOf(root, sources)).map(actionText)).toEqual(file.platformActions)

    const sent = new Set<string>()
    for (const source of sources.filter((path) => path.startsWith('shared/') || path.startsWith('functions/'))) {
      const text = await readFile(join(root, source), 'utf8')
      if (!text.includes('@aws-sdk/') && !text.includes('callSqs(') && !text.includes("call('")) continue
      // `SqsCommand` is the type of their names.
      for (const [command] of text.matchAll(/\b(?!SqsCommand)[A-Z]\w+Command\b/g)) {
        expect(Object.keys(awsActions), `${source} sends ${command}`).toContain(command)
        sent.add(awsActions[command] ?? command)
      }
    }
    const hasQueue = file.function.events.some(({ sqs }) => sqs !== undefined)
    const needed = new Set([...sent, ...always, ...(hasQueue ? withQueue : [])])
    const granted = (await awsGrants(root, name, file.function.role)).flatMap(({ action }) => action)
    expect([...new Set(granted)].sort()).toEqual([...needed].sort())
  })
})
