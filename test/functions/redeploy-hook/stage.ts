import type * as z from 'zod/mini'
import type { CloudWriter } from '#cloud/cloud.ts'
import { approvalsWanted, planApproval } from '#functions/redeploy-hook/approvals.ts'
import { definition, lookAtPush } from '#functions/redeploy-hook/definition.ts'
import type { Settings } from '#functions/redeploy-hook/event.ts'
import type { Seen } from '#functions/redeploy-hook/observe.ts'
import type { RedeployStep } from '#functions/redeploy-hook/plan-step.ts'
import type { PushHint } from '#functions/redeploy-hook/push-hint.ts'
import { localFunction } from '#infra/local/local-function.ts'
import { advanceWorld } from '#infra/sandbox/advance.ts'
import { getObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import type { Mode } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { makePlan, type RunOptions, runSchedule, runSteps } from '#shared/runtime/run.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'
import {
  clusterA,
  clusterB,
  openInProcessStage,
  openStage as openPlatformStage,
  type Stage as PlatformStage,
  placeNode,
} from '../image-cleaner/stage.ts'

export { clusterA, clusterB, image, saying, sentence } from '../image-cleaner/stage.ts'

export type SettingsInput = z.input<typeof Settings>
export type RuleInput = NonNullable<SettingsInput['rules']>[number]

export interface LookOptions {
  readonly mode?: Mode
  readonly cloud?: CloudWriter
  readonly clusters?: Config['clusters']
  readonly fresh?: boolean
  readonly guard?: Config['guard']
}

/** A registry and two clusters behind the product's own client, and the whole run of the redeploy hook in front of them. */
export interface Stage extends Omit<PlatformStage, 'run' | 'steps'> {
  /** A tick. */
  tick(settings: SettingsInput, options?: LookOptions): Promise<RunReport>
  /** What an event makes of pushes. */
  pushed(settings: SettingsInput, hints: readonly PushHint[], options?: LookOptions): Promise<RunReport>
  /** Steps of somebody's own, as the command line carries them out. */
  steps(settings: SettingsInput, steps: readonly RedeployStep[]): Promise<RunReport>
  /** What would be done, with everything looked at as it is. */
  plan(settings: SettingsInput): Promise<{ readonly observed: Seen; readonly steps: readonly RedeployStep[] }>
  /** The whole configuration of a run. */
  config(settings: SettingsInput): Promise<Config>
  /** Agrees to everything that waits for it. */
  approve(settings: SettingsInput, by: string): Promise<RunReport>
  /** Takes back the last thing that was done and can be, by its entry in the journal. */
  undoLast(settings: SettingsInput): Promise<RunReport>
  /** What runs remember, as it is now. */
  memory(): MemoryWriter
  /** Calls to the platform since the n-th one, as `DescribeImagePersonal` or `GET /apis/…`. */
  calls(since?: number): readonly string[]
  /** The image of a container as its workload's template has it. */
  imageOf(name: string, options?: { readonly cluster?: string; readonly group?: string; readonly resource?: string }): string
  object(name: string, options?: { readonly cluster?: string; readonly group?: string; readonly resource?: string }): object
  /** Lets the controllers work for so long, a second at a time. */
  settle(ms: number): void
  /** Writing calls to clusters that were carried out, as `PATCH /apis/…`. */
  patches(): readonly string[]
}

/** A rule for team/web to the Deployment prod/web of the first cluster. */
export function webRule(more: Partial<RuleInput> = {}): RuleInput {
  return {
    name: 'web',
    repository: 'team/web',
    tags: { semver: '>=1' },
    targets: [{ cluster: clusterA, namespace: 'prod', kind: 'Deployment', name: 'web' }],
    ...more,
  } as RuleInput
}

export function hint(tag: string, more: Partial<PushHint> = {}): PushHint {
  return { source: 'test', repository: 'team/web', tag, ...more }
}

export async function openStage(): Promise<Stage> {
  return stageOn(await openPlatformStage())
}

export function openLocalStage(): Stage {
  return stageOn(openInProcessStage())
}

function stageOn({ run: _run, ...platform }: PlatformStage): Stage {
  const { world, cloud, disk, url } = platform
  let runs = 0
  const random = createRandom(11)
  placeNode({ ...platform, run: _run })
  const optionsFor = async (settings: SettingsInput, { mode = 'enforce', cloud: through = cloud, clusters, fresh, guard }: LookOptions) => {
    runs += 1
    const config: Config = {
      mode,
      platform: {
        endpoint: { kind: 'url', url },
        region: emptyCluster.region,
        allowInsecureHttp: false,
        allowedHosts: [],
        credentials: { kind: 'none' },
      },
      clusters: clusters ?? [{ id: clusterA }, { id: clusterB, region: 'ap-chengdu' }],
      store: { kind: 'memory' },
      functions: { 'redeploy-hook': settings },
      ...(guard === undefined ? {} : { guard }),
    }
    const now = platform.now()
    return {
      config,
      cloud: through,
      kernel: await memoryKernel({ config, cloud, now: () => platform.now(), disk }),
      owner: `run-${runs}`,
      now,
      scheduledAt: now,
      trigger: { kind: 'local' },
      log: silentLog,
      ...(fresh === undefined ? {} : { fresh }),
    } satisfies RunOptions
  }
  const look = async (looked: typeof definition, settings: SettingsInput, options: LookOptions = {}): Promise<RunReport> =>
    await runSchedule(looked, await optionsFor(settings, options))
  const object: Stage['object'] = (name, { cluster = clusterA, group = 'apps', resource = 'deployments' } = {}) => {
    const state = world.kubernetes[cluster]
    const found = state === undefined ? undefined : getObject(state, group, resource, name, 'prod')
    if (found === undefined) throw new Error(`there is no ${resource} ${name}`)
    return found
  }
  return {
    ...platform,
    tick: (settings, options) => look(definition, settings, options),
    pushed: (settings, hints, options) => look(lookAtPush(hints), settings, options),
    steps: async (settings, steps) => await runSteps(definition, steps, await optionsFor(settings, {})),
    plan: async (settings) => await makePlan(definition, await optionsFor(settings, {})),
    config: async (settings) => (await optionsFor(settings, {})).config,
    approve: async (settings, by) => {
      const options = await optionsFor(settings, {})
      const config = await functionConfig(options.config, definition)
      const { observed } = await makePlan(definition, options)
      const steps = approvalsWanted(observed, config).flatMap(({ repository, content }) =>
        planApproval(observed, config, { repository, content, by }),
      )
      return await runSteps(definition, steps, options)
    },
    undoLast: async (settings) => {
      const options = await optionsFor(settings, {})
      const entries = await options.kernel.of(definition.name, 'reader').journal.list({ now: platform.now() })
      const intent = entries.findLast(({ kind, step }) => kind === 'intent' && typeof step === 'object' && step !== null && 'undo' in step)
      if (intent === undefined) throw new Error('nothing was done that could be taken back')
      return await localFunction(definition).undo(intent, options)
    },
    memory: () => createMemory(openMemoryStore(disk), { function: definition.name, now: () => platform.now() }),
    calls: (since = 0) =>
      platform.journal
        .slice(since)
        .map(({ action, request }) => (action === 'ForwardRequest' ? `${String(request?.Method)} ${String(request?.Path)}` : action)),
    object,
    imageOf: (name, options) => firstImage(object(name, options)),
    settle: (ms) => {
      for (let passed = 0; passed < ms; passed += 1000) {
        platform.pass(Math.min(1000, ms - passed))
        advanceWorld(world, platform.now(), random)
      }
    },
    patches: () =>
      platform.journal
        .filter(({ action, request, applied }) => action === 'ForwardRequest' && applied && request?.Method !== 'GET')
        .map(({ request }) => `${String(request?.Method)} ${String(request?.Path)}`),
  }
}

function firstImage(object: object): string {
  const text = /"image":"([^"]+)"/.exec(JSON.stringify(object))?.[1]
  if (text === undefined) throw new Error('it has no image')
  return text
}
