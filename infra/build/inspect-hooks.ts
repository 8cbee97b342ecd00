import type { FunctionFile } from './function-file.ts'
import { at, isCalledAfter, listOf, logicalName, type Template, targetOf } from './template.ts'

type Resources = Template['Resources']

/** What a function needs of its queue: to wake itself, to be woken, and to say when a message that goes back is due. */
const queueActions = ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage', 'sqs:SendMessage']
/** A message stays unseen for at least so many timeouts of the function, as Lambda's documentation asks for. */
const timeoutsUnseen = 6
/** Fewer receptions than this and a moment's trouble gives messages up. */
const leastReceptions = 5

/**
 * What is wrong with the webhooks of a packaged function: routes are those of function.yml and below the function's own path; API
 * Gateway may invoke it through its API only; a queue of its own wakes it, in order, with partial failures, and gives up into
 * another one of its own; it knows the queue and may use it; a schedule sweeps what nobody was woken for. A function without
 * webhooks has none of this.
 */
export function inspectHooks(name: string, file: FunctionFile, resources: Resources): string[] {
  const wanted = file.function.events.flatMap(({ httpApi }) => (httpApi === undefined ? [] : [httpApi]))
  const problems = [...inspectRoutes(name, wanted, resources), ...inspectQueue(name, file, resources)]
  if (wanted.length === 0) return problems
  if (!file.function.events.some(({ sqs }) => sqs !== undefined)) problems.push(`${name} takes in webhooks, but no queue wakes it`)
  if (!file.function.events.some(({ schedule }) => schedule?.input.task === 'sweep'))
    problems.push(`${name} takes in webhooks, but no schedule sweeps what nobody was woken for`)
  return problems
}

/** What is wrong with the API that all functions share. Nothing when there is none. */
export function inspectApi(resources: Resources): string[] {
  const problems: string[] = []
  for (const [id, { Type, Properties }] of Object.entries(resources)) {
    if (Type === 'AWS::ApiGatewayV2::Api' && at(Properties, 'CorsConfiguration') !== undefined)
      problems.push(`the API ${id} lets web pages call it; webhooks come from servers`)
    if (Type === 'AWS::ApiGatewayV2::Stage') {
      const settings = at(Properties, 'DefaultRouteSettings')
      if (typeof at(settings, 'ThrottlingRateLimit') !== 'number' || typeof at(settings, 'ThrottlingBurstLimit') !== 'number')
        problems.push(`the stage ${id} has no limit of requests; include infra/resources/http-api.yml`)
      if (at(Properties, 'AccessLogSettings') !== undefined)
        problems.push(`the stage ${id} logs requests; a path may hold a sender's secret`)
    }
  }
  return problems
}

/** Routes, permissions and event sources of functions that do not exist. */
export function strayHooks(names: readonly string[], resources: Resources): string[] {
  const known = new Set(names.map((name) => `${logicalName(name)}LambdaFunction`))
  const problems: string[] = []
  for (const [id, { Type, Properties }] of Object.entries(resources)) {
    const invoked = {
      'AWS::ApiGatewayV2::Route': () => functionOfRoute(Properties, resources),
      'AWS::Lambda::Permission': () => targetOf(at(Properties, 'FunctionName')),
      'AWS::Lambda::EventSourceMapping': () => targetOf(at(Properties, 'FunctionName')),
    }[Type]
    if (invoked === undefined) continue
    const target = invoked()
    if (target === undefined || !known.has(target)) problems.push(`${id} leads to no function that is known`)
  }
  return problems
}

function inspectRoutes(
  name: string,
  wanted: readonly { readonly method: string; readonly path: string }[],
  resources: Resources,
): string[] {
  const problems: string[] = []
  const own = `${logicalName(name)}LambdaFunction`
  const keys = wanted.map(({ method, path }) => `${method} ${path}`)
  const found: string[] = []
  for (const { Type, Properties } of Object.values(resources)) {
    if (Type === 'AWS::ApiGatewayV2::Route' && functionOfRoute(Properties, resources) === own) {
      const key = String(at(Properties, 'RouteKey'))
      found.push(key)
      if (!keys.includes(key)) problems.push(`${name} has the route ${key} in the template, which its function.yml does not have`)
    }
    if (Type === 'AWS::Lambda::Permission' && targetOf(at(Properties, 'FunctionName')) === own) {
      const source = JSON.stringify(at(Properties, 'SourceArn') ?? '')
      if (at(Properties, 'Principal') !== 'apigateway.amazonaws.com' || !source.includes('"Ref":"HttpApi"'))
        problems.push(`${name} may be invoked by others than its own API`)
      if (wanted.length === 0) problems.push(`${name} may be invoked through an API, but has no route`)
    }
  }
  for (const { path } of wanted)
    if (!path.startsWith(`/hooks/${name}/`)) problems.push(`the route ${path} of ${name} is not below /hooks/${name}/`)
  for (const key of keys) if (!found.includes(key)) problems.push(`${name} has no route ${key} in the template`)
  return problems
}

/** The function that a route leads to, through its integration. */
function functionOfRoute(route: unknown, resources: Resources): string | undefined {
  const join = at(at(route, 'Target'), 'Fn::Join')
  const parts = Array.isArray(join) ? listOf(join[1]) : []
  const integration = parts.map(targetOf).find((id) => id !== undefined && resources[id]?.Type === 'AWS::ApiGatewayV2::Integration')
  return integration === undefined ? undefined : targetOf(at(resources[integration]?.Properties, 'IntegrationUri'))
}

function inspectQueue(name: string, file: FunctionFile, resources: Resources): string[] {
  const problems: string[] = []
  const own = `${logicalName(name)}LambdaFunction`
  const wanted = file.function.events.filter(({ sqs }) => sqs !== undefined)
  const mappings = Object.entries(resources).filter(
    ([, { Type, Properties }]) => Type === 'AWS::Lambda::EventSourceMapping' && targetOf(at(Properties, 'FunctionName')) === own,
  )
  if (mappings.length !== wanted.length)
    problems.push(`${name} is woken by ${mappings.length} queues in the template and ${wanted.length} in its function.yml`)
  for (const [id, { Properties }] of mappings) {
    if (at(Properties, 'Enabled') !== true) problems.push(`the event source ${id} is not switched on`)
    if (!listOf(at(Properties, 'FunctionResponseTypes')).includes('ReportBatchItemFailures'))
      problems.push(`the event source ${id} takes one failed event for a failed batch; set functionResponseType`)
    if (typeof at(at(Properties, 'ScalingConfig'), 'MaximumConcurrency') !== 'number')
      problems.push(`the event source ${id} may take all of the account's functions; set maximumConcurrency`)
    const queueId = targetOf(at(Properties, 'EventSourceArn'))
    const queue = queueId === undefined ? undefined : resources[queueId]
    if (queueId === undefined || queue?.Type !== 'AWS::SQS::Queue' || !isCalledAfter(name, queueId)) {
      problems.push(`the event source ${id} is no queue of ${name}'s own`)
      continue
    }
    problems.push(...inspectOwnQueue(name, file, queueId, resources))
    const variables = at(at(resources[own]?.Properties, 'Environment'), 'Variables')
    if (targetOf(at(variables, 'LONGSHORE_QUEUE_URL')) !== queueId)
      problems.push(`${name} does not know its queue: LONGSHORE_QUEUE_URL has to be a Ref to ${queueId}`)
    const allowed = allowedOn(queueId, targetOf(at(resources[own]?.Properties, 'Role')), resources)
    for (const action of queueActions) if (!allowed.has(action)) problems.push(`the role of ${name} does not allow ${action} on ${queueId}`)
  }
  return problems
}

/** The queue that wakes a function, and the one it gives up into. */
function inspectOwnQueue(name: string, file: FunctionFile, id: string, resources: Resources): string[] {
  const problems: string[] = []
  const properties = resources[id]?.Properties
  if (at(properties, 'FifoQueue') !== true) problems.push(`the queue ${id} keeps no order; make it a FIFO queue`)
  const unseenS = at(properties, 'VisibilityTimeout')
  const leastS = timeoutsUnseen * file.function.timeout
  if (typeof unseenS !== 'number' || unseenS < leastS)
    problems.push(`the queue ${id} shows a message again after ${String(unseenS)} s; ${name} needs at least ${leastS} s`)
  const redrive = at(properties, 'RedrivePolicy')
  const receptions = at(redrive, 'maxReceiveCount')
  if (typeof receptions !== 'number' || receptions < leastReceptions)
    problems.push(`the queue ${id} gives a message up after ${String(receptions)} receptions; at least ${leastReceptions} are needed`)
  const givenUpId = targetOf(at(redrive, 'deadLetterTargetArn'))
  const givenUp = givenUpId === undefined ? undefined : resources[givenUpId]
  if (givenUpId === undefined || givenUp?.Type !== 'AWS::SQS::Queue' || !isCalledAfter(name, givenUpId) || givenUpId === id)
    problems.push(`the queue ${id} loses what it gives up: it has no dead-letter queue of ${name}'s own`)
  else if (at(givenUp.Properties, 'FifoQueue') !== true) problems.push(`the queue ${givenUpId} cannot take from a FIFO queue; make it one`)
  return problems
}

/** What a role allows on something in the template. */
function allowedOn(id: string, role: string | undefined, resources: Resources): ReadonlySet<unknown> {
  const policies = role === undefined ? [] : listOf(at(resources[role]?.Properties, 'Policies'))
  const statements = policies.flatMap((policy) => listOf(at(at(policy, 'PolicyDocument'), 'Statement')))
  return new Set(
    statements.flatMap((statement) =>
      listOf(at(statement, 'Resource')).some((resource) => targetOf(resource) === id) ? listOf(at(statement, 'Action')) : [],
    ),
  )
}
