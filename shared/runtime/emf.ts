import type { AttemptEvent } from '#cloud/client.ts'
import type { Environment } from './config.ts'
import { runMetrics } from './metric-names.ts'
import { cameToNothing, type RunReport } from './report.ts'

/** Measures runs where nobody can come and ask: on Lambda, by lines of the log that CloudWatch makes metrics of. */
export interface RunMetrics {
  /** Counts a try of a call; the next report tells of it. */
  readonly onAttempt: (attempt: Pick<AttemptEvent, 'outcome'>) => void
  /** Writes the figures of one run, beside its other lines. What followed within the same invocation is a report of its own. */
  readonly onReport: (report: RunReport) => void
}

const namespace = 'Longshore'

const off: RunMetrics = { onAttempt: () => undefined, onReport: () => undefined }

/**
 * Makes what measures. It does nothing elsewhere than on Lambda, where nobody reads such lines, and where LONGSHORE_METRICS is `off`,
 * because each figure is a custom metric that AWS charges for.
 */
export function createRunMetrics({
  env,
  writeLine,
}: {
  readonly env: Environment
  readonly writeLine: (line: string) => void
}): RunMetrics {
  const { AWS_LAMBDA_FUNCTION_NAME: lambda, LONGSHORE_METRICS: setting } = env
  if (lambda === undefined || lambda === '' || setting === 'off') return off
  let calls = 0
  let throttles = 0
  return {
    onAttempt: ({ outcome }) => {
      calls += 1
      if (outcome === 'cloud.rate-limited') throttles += 1
    },
    onReport: (report) => {
      for (const line of emfLines(report, { calls, throttles })) writeLine(line)
      calls = 0
      throttles = 0
    },
  }
}

/**
 * The figures of one run in CloudWatch's Embedded Metric Format, a document a line: those of the function, and how many decisions came
 * out how, for each outcome that there was. They are called what they are called at `/metrics` of `npm start`, and count what has come
 * since the last line: CloudWatch adds up.
 */
export function emfLines(
  report: RunReport,
  { calls, throttles }: { readonly calls: number; readonly throttles: number },
): readonly string[] {
  const { function: name, now, scheduledAt, trigger, counts } = report
  const isTick = trigger.kind !== 'webhook'
  const figures: [name: string, unit: 'Count' | 'Seconds', value: number][] = [
    [runMetrics.runs, 'Count', 1],
    [runMetrics.failedRuns, 'Count', cameToNothing(report) ? 1 : 0],
    [runMetrics.applied, 'Count', counts.Applied],
    [runMetrics.apiCalls, 'Count', calls],
    [runMetrics.apiThrottles, 'Count', throttles],
  ]
  // An event has no instant at which it was due.
  if (isTick) figures.push([runMetrics.runLate, 'Seconds', Math.max(0, now - scheduledAt) / 1000])
  const outcomes = Object.entries(counts).filter(([, count]) => count > 0)
  return [
    documentOf(now, { Function: name }, figures),
    ...outcomes.map(([outcome, count]) => documentOf(now, { Function: name, Outcome: outcome }, [[runMetrics.decisions, 'Count', count]])),
  ]
}

function documentOf(
  now: number,
  dimensions: Readonly<Record<string, string>>,
  figures: readonly (readonly [name: string, unit: string, value: number])[],
): string {
  return JSON.stringify({
    _aws: {
      Timestamp: now,
      CloudWatchMetrics: [
        { Namespace: namespace, Dimensions: [Object.keys(dimensions)], Metrics: figures.map(([Name, Unit]) => ({ Name, Unit })) },
      ],
    },
    ...dimensions,
    ...Object.fromEntries(figures.map(([name, , value]) => [name, value])),
  })
}
