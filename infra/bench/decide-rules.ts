import * as z from 'zod/mini'
import { type CronScalerConfig, Settings } from '#functions/cron-scaler/event.ts'
import { type Observed, type ObservedAutoscaler, type ObservedTarget, plan } from '#functions/cron-scaler/plan.ts'
import type { RuleDraft } from '#functions/cron-scaler/rules.ts'
import { clusterIdsOf, drawRules, type RulesShape, rulesShapes } from './rules-shapes.ts'

/**
 * A process that decides rules at one instant and tells its parent how long that took, in processor time of all its threads, and
 * how much memory it had at the most. Words: shape, `cold` (the first thing it does) or `warm` (after decisions of the same
 * kind), and how many rules; several numbers one after the other.
 */
const [shapeName = '', temperature = '', ...counts] = process.argv.slice(2)
const shape = rulesShapes.find(({ name }) => name === shapeName)
if (shape === undefined) throw new Error(`there is no shape ${shapeName}`)

const DrawnRules = z.array(
  z.object({
    cluster: z.string(),
    namespace: z.string(),
    app: z.string(),
    name: z.string(),
    isAutoscaler: z.boolean(),
    schedule: z.string(),
    timeZone: z.string(),
    targetSize: z.number(),
    excludeDates: z.array(z.string()),
  }),
)

const now = Date.parse('2026-11-24T00:00:05Z')
if (temperature === 'warm') for (let round = 0; round < 4; round += 1) decide(shape, 5000)
const measured = counts.map((count) => decide(shape, Number(count)))
process.send?.({ measured, peakMib: process.resourceUsage().maxRSS / 1024 })

interface Decided {
  readonly rules: number
  readonly targets: number
  readonly ms: number
  readonly cpuMs: number
  readonly changes: number
  readonly steps: number
}

function decide(drawn: RulesShape, count: number): Decided {
  const { observed, config } = world(drawn, count)
  // What was observed is older than the decision; a collection now would be blamed on it later.
  globalThis.gc?.()
  const cpuBefore = process.cpuUsage()
  const begin = performance.now()
  const steps = plan(observed, config, now)
  const ms = performance.now() - begin
  const cpu = process.cpuUsage(cpuBefore)
  const changes = steps.filter(({ verdict }) => verdict === 'change').length
  const targets = observed.clusters.reduce((sum, cluster) => sum + cluster.targets.length, 0)
  return { rules: count, targets, ms, cpuMs: (cpu.user + cpu.system) / 1000, changes, steps: steps.length }
}

/** What a run has when it decides: rules of the clusters or of the configuration, and their targets. */
function world(drawn: RulesShape, count: number): { readonly observed: Observed; readonly config: CronScalerConfig } {
  // As texts that were read from an answer or a file.
  const rules = z.parse(DrawnRules, JSON.parse(JSON.stringify(drawRules(drawn, count))))
  const clusters = clusterIdsOf(drawn, count)
  const config: CronScalerConfig = {
    clusters: clusters.map((id) => ({ id })),
    settings: z.parse(Settings, {
      rules:
        drawn.source === 'config'
          ? rules.map(({ cluster, namespace, app, name, schedule, timeZone, targetSize, excludeDates }) => ({
              name: `${app}-${name}`,
              cluster,
              target: { kind: 'Deployment', namespace, name: app },
              schedule,
              timeZone,
              targetSize,
              excludeDates: [...excludeDates],
            }))
          : [],
    }),
  }
  const drafts = new Map<string, RuleDraft[]>(clusters.map((id) => [id, []]))
  const targets = new Map<string, Map<string, ObservedTarget>>(clusters.map((id) => [id, new Map()]))
  const autoscalers = new Map<string, ObservedAutoscaler[]>(clusters.map((id) => [id, []]))
  for (const { cluster, namespace, app, name, isAutoscaler, schedule, timeZone, targetSize, excludeDates } of rules) {
    const uid = `${cluster}/${namespace}/${app}`
    const kind = isAutoscaler ? 'HorizontalPodAutoscaler' : 'Deployment'
    const known = targets.get(cluster)
    if (known?.has(uid) === false) {
      const size = isAutoscaler ? ({ kind: 'bounds', min: 2, max: 4 } as const) : ({ kind: 'replicas', replicas: 2 } as const)
      known.set(uid, { kind, namespace, name: app, uid, size, deleting: false, optOut: false })
      const workload = { apiVersion: 'apps/v1', kind: 'Deployment', name: `${app}-sized` }
      if (isAutoscaler) autoscalers.get(cluster)?.push({ namespace, name: app, workload })
    }
    if (drawn.source === 'config') continue
    drafts.get(cluster)?.push({
      source: 'hpc',
      id: `hpc/${namespace}/${app}/${name}`,
      identity: `${uid}/${name}`,
      cluster,
      target: { apiVersion: isAutoscaler ? 'autoscaling/v1' : 'apps/v1', kind, namespace, name: app },
      namespace,
      schedule,
      timeZone,
      ...(isAutoscaler ? { minSize: targetSize, maxSize: targetSize + 4 } : { targetSize }),
      excludeDates,
      runOnce: false,
      startingDeadlineMs: config.settings.startingDeadline,
      enforce: false,
      allowHpaConflict: false,
      paused: false,
      existsSinceMs: 0,
      warnings: [],
    })
  }
  const observed: Observed = {
    clusters: clusters.map((id) => ({
      id,
      rules: drafts.get(id) ?? [],
      targets: [...(targets.get(id)?.values() ?? [])],
      autoscalers: autoscalers.get(id) ?? [],
      controller: 'absent',
      problems: [],
    })),
  }
  // By now a run has read the targets and taken a digest of the rules: no text is still in the pieces that a template made it of.
  for (const cluster of observed.clusters) for (const part of [...cluster.rules, ...cluster.targets]) JSON.stringify(part)
  return { observed, config }
}
