import type { Bundle } from './bundle.ts'
import type { FunctionFile } from './function-file.ts'
import { inspectAlarms } from './inspect-alarms.ts'
import { inspectApi, inspectHooks, strayHooks } from './inspect-hooks.ts'
import { at, isCalledAfter, isRecord, listOf, logicalName, type Template, targetOf } from './template.ts'

/** What is inspected of one function. */
export interface InspectedFunction {
  readonly name: string
  readonly file: FunctionFile
}

/** Kinds of resources that a package may make. Anything else, such as a public address, is a decision that this list has to follow. */
const knownTypes = new Set([
  'AWS::ApiGatewayV2::Api',
  'AWS::ApiGatewayV2::Integration',
  'AWS::ApiGatewayV2::Route',
  'AWS::ApiGatewayV2::Stage',
  'AWS::CloudWatch::Alarm',
  'AWS::DynamoDB::Table',
  'AWS::IAM::Role',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::EventSourceMapping',
  'AWS::Lambda::Function',
  'AWS::Lambda::Permission',
  'AWS::Logs::LogGroup',
  'AWS::S3::Bucket',
  'AWS::S3::BucketPolicy',
  'AWS::SQS::Queue',
  'AWS::Scheduler::Schedule',
])

/**
 * Everything that is wrong with a packaged template, one sentence each; empty when all is well. It demands:
 * every function and no other, on the runtime, with the handler, time and memory that function.yml says;
 * for each exactly one role that nothing else uses, assumed by Lambda only, allowed no wildcard and nothing that is not the
 * function's own or the shared store; each schedule of function.yml, switched on, on time, without retries and with a dead-letter queue, started
 * by a role that may start this function only; the webhooks, the queue and the sweep of function.yml (see `inspectHooks`); alarms (see
 * `inspectAlarms`) and a limit of concurrency; logs with an end; what is kept is encrypted; no other kinds of resources.
 */
export function inspectTemplate(template: Template, functions: readonly InspectedFunction[], stage = 'dev'): string[] {
  const problems: string[] = []
  const { Resources: resources } = template
  const ids = (type: string): string[] => Object.keys(resources).filter((id) => resources[id]?.Type === type)
  for (const [id, { Type }] of Object.entries(resources)) {
    if (!knownTypes.has(Type)) problems.push(`${id} is a ${Type}, which no function is known to need`)
  }
  const expectedIds = functions.map(({ name }) => `${logicalName(name)}LambdaFunction`)
  for (const id of ids('AWS::Lambda::Function'))
    if (!expectedIds.includes(id)) problems.push(`${id} is a function without a folder under functions/`)

  const roles = new Map<string, string>()
  for (const { name, file } of functions) {
    const id = `${logicalName(name)}LambdaFunction`
    const properties = resources[id]?.Properties
    if (properties === undefined) {
      problems.push(`${name} is not in the template; add it to serverless.yml`)
      continue
    }
    problems.push(...inspectFunction(name, file, properties, stage))
    const role = targetOf(at(properties, 'Role'))
    if (role === undefined) problems.push(`${name} has no role of its own`)
    else {
      const other = roles.get(role)
      if (other !== undefined) problems.push(`${name} and ${other} share the role ${role}`)
      roles.set(role, name)
      problems.push(...inspectRole(role, resources[role]?.Properties, name, stage, 'lambda.amazonaws.com'))
    }
    problems.push(...inspectSchedules(name, file, resources, stage, roles))
    problems.push(...inspectInvocation(name, resources))
    problems.push(...inspectHooks(name, file, resources), ...inspectAlarms(name, file, resources))
  }
  problems.push(
    ...inspectApi(resources),
    ...strayHooks(
      functions.map(({ name }) => name),
      resources,
    ),
  )
  for (const id of ids('AWS::IAM::Role')) if (!roles.has(id)) problems.push(`the role ${id} belongs to no function`)
  for (const id of ids('AWS::Logs::LogGroup')) {
    if (typeof at(resources[id]?.Properties, 'RetentionInDays') !== 'number') problems.push(`the log group ${id} keeps its logs for ever`)
  }
  for (const id of ids('AWS::S3::Bucket')) {
    if (at(resources[id]?.Properties, 'BucketEncryption') === undefined) problems.push(`the bucket ${id} is not encrypted`)
    if (at(at(resources[id]?.Properties, 'PublicAccessBlockConfiguration'), 'BlockPublicPolicy') !== true)
      problems.push(`the bucket ${id} could be made public`)
  }
  for (const id of ids('AWS::DynamoDB::Table')) {
    if (at(at(resources[id]?.Properties, 'SSESpecification'), 'SSEEnabled') !== true)
      problems.push(`the table ${id} is not encrypted by a key of this account`)
  }
  for (const id of ids('AWS::SQS::Queue')) {
    if (at(resources[id]?.Properties, 'SqsManagedSseEnabled') !== true) problems.push(`the queue ${id} is not encrypted`)
  }
  return problems
}

/** How large a bundle may be, in KiB: all of it, and what is loaded before its first event. */
export interface Budget {
  readonly totalKib: number
  readonly startKib: number
}

/** What is wrong with a bundle's sizes: above their budget, or so far below that the budget says nothing any more. */
export function inspectSize(bundle: Bundle, budgets: Readonly<Record<string, Budget>>): string[] {
  const budget = budgets[bundle.function]
  const total = bundle.sizeBytes / 1024
  const start = bundle.startBytes / 1024
  if (budget === undefined) {
    return [
      `${bundle.function} has no budget in infra/build/budgets.json; it is ${total.toFixed(1)} KiB now, ${start.toFixed(1)} at the start`,
    ]
  }
  return [
    ...sizeProblems(`the bundle of ${bundle.function}`, total, budget.totalKib),
    ...sizeProblems(`the start of ${bundle.function}`, start, budget.startKib),
  ]
}

function sizeProblems(what: string, sizeKib: number, budgetKib: number): string[] {
  const size = `${what} is ${sizeKib.toFixed(1)} KiB`
  if (sizeKib > budgetKib) return [`${size}, above its budget of ${budgetKib}; find out what came in`]
  if (sizeKib < budgetKib * 0.7) return [`${size}, far below its budget of ${budgetKib}; lower the budget`]
  return []
}

/** What is wrong with the permissions that function.yml declares, compared with the actions that are in the bundle. */
export function inspectPermissions(name: string, inBundle: readonly string[], declared: readonly string[]): string[] {
  const problems: string[] = []
  for (const action of inBundle)
    if (!declared.includes(action)) problems.push(`${name} can send ${action}, which its platformActions do not declare`)
  for (const action of declared) if (!inBundle.includes(action)) problems.push(`${name} declares ${action}, which is not in its bundle`)
  if (declared.join() !== [...new Set(declared)].sort().join())
    problems.push(`the platformActions of ${name} are not sorted, or name one twice`)
  return problems
}

/** What is wrong with the contents of a function's zip: it holds the function's folder and nothing else. */
export function inspectZip(name: string, entries: readonly string[], files: readonly string[]): string[] {
  const expected = files.map((file) => `dist/${name}/${file}`)
  return [
    ...entries
      .filter((entry) => !expected.includes(entry))
      .map((entry) => `the zip of ${name} holds ${entry}, which does not belong there`),
    ...expected.filter((entry) => !entries.includes(entry)).map((entry) => `the zip of ${name} misses ${entry}`),
  ]
}

function inspectFunction(name: string, file: FunctionFile, properties: unknown, stage: string): string[] {
  const problems: string[] = []
  const expect = (key: string, expected: unknown): void => {
    const found = at(properties, key)
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      problems.push(`${name}: ${key} is ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`)
    }
  }
  expect('FunctionName', `longshore-${stage}-${name}`)
  expect('Runtime', 'nodejs24.x')
  expect('Handler', `dist/${name}/handler.handler`)
  expect('Timeout', file.function.timeout)
  expect('MemorySize', file.function.memorySize)
  const concurrency = at(properties, 'ReservedConcurrentExecutions')
  if (typeof concurrency !== 'number' || concurrency < 1)
    problems.push(`${name} may take all of the account's concurrency; set reservedConcurrency`)
  const variables = at(at(properties, 'Environment'), 'Variables')
  for (const [key, value] of Object.entries(isRecord(variables) ? variables : {})) {
    if (/SECRET|TOKEN|PASSWORD|PRIVATE/i.test(key) && typeof value === 'string') {
      problems.push(`${name}: the variable ${key} would put a secret into the template; refer to it with ssm:`)
    }
  }
  return problems
}

/** An execution role, or the role that starts a function: one principal, no managed policies, nothing that is not the function's own. */
function inspectRole(id: string, properties: unknown, name: string, stage: string, principal: string): string[] {
  if (properties === undefined) return [`the role ${id} of ${name} is not in the template`]
  const problems: string[] = []
  const trust = statementsOf(at(properties, 'AssumeRolePolicyDocument'))
  const trusted = trust.map((statement) => JSON.stringify(at(at(statement, 'Principal'), 'Service')))
  if (trusted.join() !== JSON.stringify(principal))
    problems.push(`the role ${id} is assumed by ${trusted.join(', ') || 'nobody'} instead of ${principal} alone`)
  if (at(properties, 'ManagedPolicyArns') !== undefined)
    problems.push(`the role ${id} has managed policies, which allow more than the function needs`)
  const policies = at(properties, 'Policies')
  for (const policy of Array.isArray(policies) ? policies : []) {
    for (const statement of statementsOf(at(policy, 'PolicyDocument'))) {
      if (at(statement, 'Effect') !== 'Allow')
        problems.push(`the role ${id} has a statement that does not allow; write what is allowed only`)
      if (at(statement, 'NotAction') !== undefined || at(statement, 'NotResource') !== undefined)
        problems.push(`the role ${id} allows all but something`)
      for (const action of listOf(at(statement, 'Action'))) {
        if (typeof action !== 'string' || action.includes('*'))
          problems.push(`the role ${id} allows the wildcard action ${JSON.stringify(action)}`)
      }
      for (const resource of listOf(at(statement, 'Resource'))) {
        const only = (actions: ReadonlySet<unknown>): boolean => listOf(at(statement, 'Action')).every((action) => actions.has(action))
        const isShared =
          (isStore(resource) && only(storeActions)) ||
          (isSharedSecret(resource) && only(secretActions)) ||
          (isTopic(resource) && only(topicActions))
        if (!isOwn(resource, name, stage) && !isShared)
          problems.push(`the role ${id} reaches ${JSON.stringify(resource)}, which is not ${name}'s own`)
      }
    }
  }
  return problems
}

/** The table that all functions share; what the store's adapter sends, and nothing that could empty or drop it. */
const storeActions: ReadonlySet<unknown> = new Set(['dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:Query'])

function isStore(resource: unknown): boolean {
  return JSON.stringify(resource) === '{"Fn::GetAtt":["StoreTable","Arn"]}'
}

/** Where the secrets lie that several functions use: the platform's credentials, and what notifiers need. */
function isSharedSecret(resource: unknown): boolean {
  return /^[^*]*:parameter\/longshore\/(platform|notifiers)\/\*$/.test(textOf(resource) ?? '')
}

const secretActions: ReadonlySet<unknown> = new Set(['ssm:GetParameter'])

/** One topic that notices are published to; it belongs to whoever reads them. */
function isTopic(resource: unknown): boolean {
  return /^arn:[^*]+:sns:[^*]+$/.test(textOf(resource) ?? '')
}

const topicActions: ReadonlySet<unknown> = new Set(['sns:Publish'])

function textOf(resource: unknown): string | undefined {
  const text = typeof resource === 'string' ? resource : at(resource, 'Fn::Sub')
  return typeof text === 'string' ? text : undefined
}

/**
 * Whether a resource is the function's own: something in this template that is called after it, or an ARN that names the function
 * or its part of the parameter store. A `*` may only come after that name.
 */
function isOwn(resource: unknown, name: string, stage: string): boolean {
  const target = targetOf(resource)
  if (target !== undefined) return isCalledAfter(name, target)
  const text = textOf(resource)
  if (text === undefined) return false
  const owned = [`:/aws/lambda/longshore-${stage}-${name}:`, `:function:longshore-${stage}-${name}`, `:parameter/longshore/${name}/`]
  return owned.some((part) => text.includes(part) && !text.slice(0, text.indexOf(part)).includes('*'))
}

function inspectSchedules(
  name: string,
  file: FunctionFile,
  resources: Template['Resources'],
  stage: string,
  roles: Map<string, string>,
): string[] {
  const problems: string[] = []
  const wanted = file.function.events.flatMap(({ schedule }) =>
    schedule === undefined ? [] : schedule.rate.map((rate) => ({ rate, zone: schedule.timezone, task: schedule.input.task })),
  )
  const own = Object.entries(resources).filter(
    ([, resource]) =>
      resource.Type === 'AWS::Scheduler::Schedule' &&
      targetOf(at(at(resource.Properties, 'Target'), 'Arn')) === `${logicalName(name)}LambdaFunction`,
  )
  for (const { rate, zone, task } of wanted) {
    const found = own.some(
      ([, { Properties }]) =>
        at(Properties, 'ScheduleExpression') === rate &&
        at(Properties, 'ScheduleExpressionTimezone') === zone &&
        String(at(at(Properties, 'Target'), 'Input')).includes('"task":"sweep"') === (task === 'sweep'),
    )
    if (!found)
      problems.push(`${name} has no schedule ${rate} in ${zone}${task === undefined ? '' : ` that asks for a ${task}`} in the template`)
  }
  if (own.length !== wanted.length)
    problems.push(`${name} has ${own.length} schedules in the template and ${wanted.length} in its function.yml`)
  for (const [id, { Properties }] of own) {
    const target = at(Properties, 'Target')
    if (at(Properties, 'State') !== 'ENABLED') problems.push(`the schedule ${id} is not switched on`)
    if (at(at(Properties, 'FlexibleTimeWindow'), 'Mode') !== 'OFF') problems.push(`the schedule ${id} may start late`)
    if (at(at(target, 'RetryPolicy'), 'MaximumRetryAttempts') !== 0)
      problems.push(`the schedule ${id} retries; the next tick does what one missed`)
    const queue = targetOf(at(at(target, 'DeadLetterConfig'), 'Arn'))
    if (queue === undefined || resources[queue]?.Type !== 'AWS::SQS::Queue')
      problems.push(`the schedule ${id} loses ticks that cannot be delivered: it has no dead-letter queue`)
    const role = targetOf(at(target, 'RoleArn'))
    if (role === undefined) problems.push(`the schedule ${id} has no role`)
    else {
      const other = roles.get(role)
      if (other !== undefined && other !== `schedules of ${name}`) problems.push(`the schedule ${id} uses the role of ${other}`)
      roles.set(role, `schedules of ${name}`)
      problems.push(...inspectRole(role, resources[role]?.Properties, name, stage, 'scheduler.amazonaws.com'))
    }
  }
  return problems
}

/** Lambda itself repeats an event that failed, twice, unless it is told not to. */
function inspectInvocation(name: string, resources: Template['Resources']): string[] {
  const properties = resources[`${logicalName(name)}LambdaEvConf`]?.Properties
  const problems: string[] = []
  if (at(properties, 'MaximumRetryAttempts') !== 0)
    problems.push(`${name}: Lambda would repeat a failed event; set maximumRetryAttempts to 0`)
  const queue = targetOf(at(at(at(properties, 'DestinationConfig'), 'OnFailure'), 'Destination'))
  if (queue === undefined || resources[queue]?.Type !== 'AWS::SQS::Queue')
    problems.push(`${name}: a failed event vanishes; set destinations.onFailure`)
  return problems
}

function statementsOf(document: unknown): unknown[] {
  return listOf(at(document, 'Statement'))
}
