import type { FunctionFile } from './function-file.ts'
import { at, listOf, logicalName, pascalName, type Template, targetOf } from './template.ts'

/** An alarm on a metric of one function or queue. */
interface Watched {
  readonly metric: string
  /** Logical id of what the metric is about. */
  readonly of: string
}

/**
 * What is wrong with the alarms of a packaged function: somebody has to hear when it fails, is throttled, lets its triggers wait or does
 * not run, and when something lies in a queue of what failed or was given up; of a function that a queue wakes also when events
 * wait there. An alarm says what it means and what missing data means.
 */
export function inspectAlarms(name: string, file: FunctionFile, resources: Template['Resources']): string[] {
  const own = `${logicalName(name)}LambdaFunction`
  const alarms = Object.entries(resources).filter(([, { Type }]) => Type === 'AWS::CloudWatch::Alarm')
  const problems: string[] = []
  const watched = new Map<string, unknown>()
  for (const [id, { Properties }] of alarms) {
    const subject = subjectOf(Properties)
    if (subject === undefined) problems.push(`the alarm ${id} is about nothing in this template`)
    else watched.set(keyOf({ metric: String(at(Properties, 'MetricName')), of: subject }), Properties)
    if (typeof at(Properties, 'AlarmDescription') !== 'string') problems.push(`the alarm ${id} does not say what it means`)
    if (at(Properties, 'TreatMissingData') === undefined) problems.push(`the alarm ${id} does not say what no data means`)
  }
  const wanted: Watched[] = ['Errors', 'Throttles', 'AsyncEventAge', 'Invocations'].map((metric) => ({ metric, of: own }))
  wanted.push({ metric: 'ApproximateNumberOfMessagesVisible', of: `${pascalName(name)}Failures` })
  if (file.function.events.some(({ sqs }) => sqs !== undefined)) {
    wanted.push({ metric: 'ApproximateAgeOfOldestMessage', of: `${pascalName(name)}Queue` })
    wanted.push({ metric: 'ApproximateNumberOfMessagesVisible', of: `${pascalName(name)}GivenUp` })
  }
  for (const one of wanted) if (!watched.has(keyOf(one))) problems.push(`${name} has no alarm on ${one.metric} of ${one.of}`)
  if (at(watched.get(keyOf({ metric: 'Invocations', of: own })), 'TreatMissingData') === 'notBreaching')
    problems.push(`${name}: no data of Invocations means that it did not run, and nobody would hear of it`)
  return problems
}

function keyOf({ metric, of }: Watched): string {
  return `${metric} ${of}`
}

function subjectOf(properties: unknown): string | undefined {
  const [dimension] = listOf(at(properties, 'Dimensions'))
  return targetOf(at(dimension, 'Value'))
}
