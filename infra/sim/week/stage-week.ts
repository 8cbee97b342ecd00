import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { deployment, statefulSet } from '#infra/sandbox/seeds/kube-objects.ts'
import { pushImage } from '#infra/sandbox/tcr/images.ts'
import { registerUser } from '#infra/sandbox/tcr/users.ts'
import type { World } from '#infra/sandbox/world.ts'
import { stageAlarm } from '../alarm/stage-alarm.ts'
import { createWorkload } from '../redeploy/stage-hook.ts'
import type { Scenario } from '../scenario.ts'
import { clusterOf, putScalers } from '../stage-world.ts'
import type { WeekScenario } from './draw-week.ts'

const hourMs = 3_600_000

/** Builds the one world: pools and their clusters, a registry with its past, workloads, and what is planned for their sizes. */
export function stageWeek({ startMs, of }: WeekScenario): World {
  const { alarm } = of['alarm-scaler']
  const { hook } = of['redeploy-hook']
  if (alarm === undefined || hook === undefined) throw new TypeError('this is no week')
  const world = stageAlarm(of['alarm-scaler'], alarm)
  world.tke.licence.passMeans = of['license-meter'].licence?.platformMeans ?? 'within'
  registerUser(world, startMs - 400 * 24 * hourMs)
  for (const { name, tags } of of['image-cleaner'].images?.repositories ?? []) {
    for (const { name: tag, content, pushedMs } of tags) {
      pushImage(world, { repo: name, tag, content: `${name}#${content}`, builtAt: 0, sizeBytes: 1000 }, pushedMs)
    }
  }
  for (const workload of hook.workloads) createWorkload(world, hook, workload, startMs - hourMs)
  stageTargets(world, of['cron-scaler'], new Set(hook.workloads.map(({ name }) => name)))
  return world
}

/** Those that are there already are deployed to as well. Pods are small: nodes are for other ones. */
function stageTargets(world: World, scenario: Scenario, deployed: ReadonlySet<string>): void {
  const putMs = scenario.startMs - hourMs
  for (const { cluster, kind, name, size } of scenario.targets) {
    if (deployed.has(name) || !('replicas' in size)) continue
    const spec = { namespace: 'default', name, image: 'registry.example/app:1', replicas: size.replicas, cpu: '10m', memory: '10Mi' }
    putObject(clusterOf(world, cluster), kind === 'StatefulSet' ? statefulSet(spec) : deployment(spec), putMs)
  }
  if (scenario.rules.some(({ source }) => source === 'hpc')) putScalers(world, scenario, putMs)
}
