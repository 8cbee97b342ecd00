/**
 * The CloudWatch alarms of every function, made from what serverless.yml says of it, so that a new function cannot go without:
 * errors and throttles; events that wait too long; no run where one was due; queues of what failed or was given up that are not
 * empty. CommonJS, because that is what osls loads. Alarms tell the topic of `--param alarmTopic=<ARN>`; without one they only show
 * in the console.
 */
module.exports = async ({ resolveConfigurationProperty, resolveVariable }) => {
  const functions = await resolveConfigurationProperty(['functions'])
  const topic = await resolveVariable("param:alarmTopic, ''")
  const stage = await resolveVariable('sls:stage')
  const resources = {}
  for (const [name, fn] of Object.entries(functions)) {
    for (const alarm of alarmsOf(name, fn)) {
      resources[`${pascalName(name)}${alarm.suffix}Alarm`] = {
        Type: 'AWS::CloudWatch::Alarm',
        Properties: {
          AlarmName: `longshore-${stage}-${name}-${alarm.suffix.replaceAll(/(?!^)[A-Z]/g, '-$&').toLowerCase()}`,
          AlarmDescription: alarm.description,
          ComparisonOperator: 'GreaterThanOrEqualToThreshold',
          TreatMissingData: 'notBreaching',
          ...alarm.properties,
          ...(topic === '' ? {} : { AlarmActions: [topic], OKActions: [topic] }),
        },
      }
    }
  }
  return { Resources: resources }
}

function alarmsOf(name, fn) {
  const own = [{ Name: 'FunctionName', Value: { Ref: `${logicalName(name)}LambdaFunction` } }]
  const lambda = (MetricName, rest) => ({ Namespace: 'AWS/Lambda', MetricName, Dimensions: own, ...rest })
  const queue = (id, MetricName, rest) => ({
    Namespace: 'AWS/SQS',
    MetricName,
    Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [id, 'QueueName'] } }],
    Statistic: 'Maximum',
    ...rest,
  })
  // Over so long some run is due, and one failed run alone is mended by the next one.
  const seconds = Math.max(
    300,
    ...(fn.events ?? []).flatMap(({ schedule }) => (schedule === undefined ? [] : schedule.rate.map(secondsOf))),
  )
  const alarms = [
    {
      suffix: 'Errors',
      description: `${name} fails again and again; its log says why, docs/runbook.md what to do.`,
      properties: lambda('Errors', { Statistic: 'Sum', Period: seconds, EvaluationPeriods: 3, DatapointsToAlarm: 2, Threshold: 1 }),
    },
    {
      suffix: 'Throttles',
      description: `${name} is refused its runs: its own or the account's limit of concurrency is reached.`,
      properties: lambda('Throttles', { Statistic: 'Sum', Period: seconds, EvaluationPeriods: 3, DatapointsToAlarm: 2, Threshold: 1 }),
    },
    {
      suffix: 'Age',
      description: `Triggers of ${name} wait before they run; what waits longer than its maximum age is dropped.`,
      properties: lambda('AsyncEventAge', {
        Statistic: 'Maximum',
        Period: seconds,
        EvaluationPeriods: 3,
        DatapointsToAlarm: 2,
        // Milliseconds; half of what a trigger may wait.
        Threshold: fn.maximumEventAge * 500,
      }),
    },
    {
      suffix: 'Silent',
      description: `${name} did not run although its schedule was due: is the schedule on, and may it start the function?`,
      properties: lambda('Invocations', {
        Statistic: 'Sum',
        Period: seconds,
        EvaluationPeriods: 3,
        Threshold: 1,
        ComparisonOperator: 'LessThanThreshold',
        TreatMissingData: 'breaching',
      }),
    },
    {
      suffix: 'Failures',
      description: `Runs of ${name} failed or were not delivered and lie in its queue of failures; empty it when they are understood.`,
      properties: queue(`${pascalName(name)}Failures`, 'ApproximateNumberOfMessagesVisible', {
        Period: 300,
        EvaluationPeriods: 1,
        Threshold: 1,
      }),
    },
  ]
  const woken = (fn.events ?? []).some(({ sqs }) => sqs !== undefined)
  if (!woken) return alarms
  return [
    ...alarms,
    {
      suffix: 'QueueAge',
      description: `Events of ${name} wait for more than half an hour; longshore dead-letters and the log say what holds them.`,
      // Seconds.
      properties: queue(`${pascalName(name)}Queue`, 'ApproximateAgeOfOldestMessage', {
        Period: 300,
        EvaluationPeriods: 3,
        Threshold: 1800,
      }),
    },
    {
      suffix: 'GivenUp',
      description: `Messages that wake ${name} were given up; longshore dead-letters shows the events.`,
      properties: queue(`${pascalName(name)}GivenUp`, 'ApproximateNumberOfMessagesVisible', {
        Period: 300,
        EvaluationPeriods: 1,
        Threshold: 1,
      }),
    },
  ]
}

/** How far apart triggers of `rate(1 minute)` or `cron(3/15 * * * ? *)` are; a schedule that is neither counts as daily. */
function secondsOf(rate) {
  const every = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(rate)
  if (every !== null) return Number(every[1]) * { minute: 60, hour: 3600, day: 86_400 }[every[2]]
  const minutes = /^cron\(\d+\/(\d+) \* /.exec(rate)
  return minutes === null ? 86_400 : Number(minutes[1]) * 60
}

/** How osls writes a function's name in logical ids, and how infra/resources writes it (infra/build/template.ts). */
function logicalName(name) {
  const text = name.replaceAll('-', 'Dash')
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}

function pascalName(name) {
  return name.replaceAll(/(?:^|-)([a-z])/g, (_, letter) => letter.toUpperCase())
}
