import type { CloudWriter } from '#cloud/cloud.ts'
import type { RedeployConfig, Rule } from '#functions/redeploy-hook/event.ts'
import type { Seen } from '#functions/redeploy-hook/observe.ts'
import type { ContainerRecord } from '#functions/redeploy-hook/record.ts'
import { isRead, type ReadWorkload } from '#functions/redeploy-hook/workload.ts'
import type { HookDefinition, Sabotage } from '../sabotage.ts'
import type { PlantedBug } from './planted-bug.ts'

/** Mistakes in the redeploy-hook itself, or in how it is started. */
export const hookBugs: readonly PlantedBug[] = [
  {
    name: 'a push that is deployed as its webhook says, without a look at the registry',
    function: 'redeploy-hook',
    noticedBy: ['hook-unwanted'],
    sabotage: () => seeing((seen, now) => ({ ...seen, repositories: seen.repositories.map((one) => believing(one, seen, now)) })),
  },
  {
    name: 'an order of pushes that nobody keeps to',
    function: 'redeploy-hook',
    noticedBy: ['hook-downgrade'],
    sabotage: () => withRecords(({ mark: _mark, ...record }) => ({ ...record, mark: { tag: '0.0.0', content: 'nothing', pushedMs: 0 } })),
  },
  {
    name: 'an image that somebody went back to and that is set anew',
    function: 'redeploy-hook',
    noticedBy: ['hook-person'],
    sabotage: () =>
      withRecords((record, image) =>
        record.set === undefined || record.set.image === image ? record : { ...record, set: undefined, mark: undefined },
      ),
  },
  {
    name: 'a content that failed and is held on no other workload',
    function: 'redeploy-hook',
    noticedBy: ['hook-held'],
    sabotage: () => {
      const { hook: forget = (definition: HookDefinition) => definition } = withRecords((record) => ({ ...record, bad: [] }))
      return {
        hook: (definition) => forget({ ...definition, plan: (seen, config, now) => definition.plan({ ...seen, holds: [] }, config, now) }),
      }
    },
  },
  {
    name: 'an agreement that is taken for one to whatever its tag stands for',
    function: 'redeploy-hook',
    noticedBy: ['hook-unagreed'],
    sabotage: () => ({
      hook: (definition) => ({
        ...definition,
        plan: (seen, config, now) =>
          definition.plan(
            seen,
            withRules(config, (rule, index) => agreedRule(rule, index, seen)),
            now,
          ),
      }),
    }),
  },
  {
    name: 'a patch that tests nothing',
    function: 'redeploy-hook',
    noticedBy: ['before-differs'],
    sabotage: () => patched((operations) => operations.filter(({ op }) => op !== 'test')),
  },
  {
    name: 'an image without its record',
    function: 'redeploy-hook',
    noticedBy: ['hook-record'],
    sabotage: () =>
      patched((operations) =>
        operations.some(({ path }) => path.endsWith('/image'))
          ? operations.filter(({ op, path }) => op === 'test' || !path.startsWith('/metadata/annotations'))
          : operations,
      ),
  },
  {
    name: 'a patch that also sets the size it has read long ago',
    function: 'redeploy-hook',
    noticedBy: ['hook-stray'],
    sabotage: () =>
      patched((operations, path) =>
        path.includes('/deployments/') ? [...operations, { op: 'add', path: '/spec/replicas', value: 1 }] : operations,
      ),
  },
  {
    name: 'a rollback that does not look whose image it takes back',
    function: 'redeploy-hook',
    noticedBy: ['hook-rollback'],
    sabotage: () =>
      withRecords((record, image) => (record.set?.state === 'rolling' ? { ...record, set: { ...record.set, image, atMs: 0 } } : record)),
  },
  {
    name: 'rings that all begin at once',
    function: 'redeploy-hook',
    noticedBy: ['hook-ring'],
    sabotage: () => withConfig((rule) => ({ ...rule, rings: [] })),
  },
  {
    name: 'a soak time that nobody waits for',
    function: 'redeploy-hook',
    noticedBy: ['hook-soak'],
    sabotage: () =>
      withConfig((rule) => ({
        ...rule,
        rings: rule.rings.map((ring) => ({ ...ring, soak: 0 })),
        rollout: { ...rule.rollout, soak: 0 },
      })),
  },
  {
    name: 'a rollout that is called done as soon as it is seen',
    function: 'redeploy-hook',
    noticedBy: ['hook-settled'],
    sabotage: () =>
      seeing((seen) => ({
        ...seen,
        workloads: seen.workloads.map((one) => (isRead(one) ? { ...one, rollout: { kind: 'complete', text: 'it will be' } } : one)),
      })),
  },
  {
    name: 'an event that is finished before anybody has looked',
    function: 'redeploy-hook',
    noticedBy: ['hook-event'],
    sabotage: () => ({ process: () => () => Promise.resolve({ kind: 'done' }) }),
  },
  {
    name: 'a rollout that nobody follows',
    function: 'redeploy-hook',
    noticedBy: ['hook-end-record'],
    sabotage: () => ({
      hook: (definition) => ({
        ...definition,
        plan: (seen, config, now) => definition.plan(seen, config, now).filter(({ reason }) => reason.code !== 'rollout-complete'),
      }),
    }),
  },
  {
    name: 'a redeploy-hook that does nothing at all',
    function: 'redeploy-hook',
    noticedBy: ['hook-end'],
    sabotage: () => ({ hook: (definition) => ({ ...definition, plan: () => [] }) }),
  },
  {
    name: 'a push that counts only when somebody tells of it, and as the newest whenever that is',
    function: 'redeploy-hook',
    noticedBy: ['hook-order'],
    sabotage: () =>
      seeing((seen) => {
        const told = new Set(seen.hints.map(({ repository, tag }) => `${repository}:${tag}`))
        const repositories = seen.repositories.map((one) => ({
          ...one,
          tags: one.tags.filter(({ name }) => told.has(`${one.name}:${name}`)),
        }))
        return { ...seen, repositories }
      }),
  },
]

function seeing(change: (seen: Seen, now: number) => Seen): Sabotage {
  return {
    hook: (definition) => ({
      ...definition,
      plan: (seen, config, now) => definition.plan(change(seen, now), config, now),
    }),
  }
}

/** Whoever reads a record reads something else. */
function withRecords(change: (record: ContainerRecord, image: string) => ContainerRecord): Sabotage {
  return seeing((seen) => ({ ...seen, workloads: seen.workloads.map((one) => (isRead(one) ? withRecord(one, change) : one)) }))
}

function withRecord(workload: ReadWorkload, change: (record: ContainerRecord, image: string) => ContainerRecord): ReadWorkload {
  const containers = Object.entries(workload.record.containers).map(([name, record]) => {
    const image = workload.containers.find((one) => one.name === name)?.image ?? ''
    return [name, change(record, image)] as const
  })
  return { ...workload, record: { ...workload.record, containers: Object.fromEntries(containers) } }
}

function withConfig(change: (rule: Rule) => Rule): Sabotage {
  return {
    hook: (definition) => ({
      ...definition,
      plan: (seen, config, now) => definition.plan(seen, withRules(config, change), now),
    }),
  }
}

function withRules<Config extends RedeployConfig>(config: Config, change: (rule: Rule, index: number) => Rule): Config {
  return { ...config, settings: { ...config.settings, rules: config.settings.rules.map(change) } }
}

/** A rule for which somebody has agreed to anything, anywhere, needs nobody any more. */
function agreedRule(rule: Rule, _index: number, { workloads }: Seen): Rule {
  const isAgreed = workloads.some(
    (one) => isRead(one) && Object.values(one.record.containers).some(({ approved }) => approved !== undefined),
  )
  return isAgreed ? { ...rule, approval: false } : rule
}

/** The tags of a repository as webhooks say that they are. */
function believing(repository: Seen['repositories'][number], { hints }: Seen, now: number): Seen['repositories'][number] {
  const told = hints.filter((hint) => hint.source !== 'poll' && hint.repository === repository.name && hint.digest !== undefined)
  const tags = repository.tags.filter(({ name }) => told.every(({ tag }) => tag !== name))
  const said = told.flatMap(({ tag = '', digest = '' }) => [{ name: tag, contentId: digest, isDigest: true, pushedMs: now, patterns: [] }])
  return { ...repository, tags: [...tags, ...said] }
}

interface Operation {
  readonly op: string
  readonly path: string
  readonly value?: unknown
}

/** Every JSON Patch of the product is another one. */
function patched(change: (operations: readonly Operation[], path: string) => readonly Operation[]): Sabotage {
  return {
    cloud: (cloud): CloudWriter => ({
      send: async (action, request, options) => {
        const body: unknown = Reflect.get(request, 'RequestBody')
        if (Reflect.get(request, 'Method') !== 'PATCH' || typeof body !== 'string' || !body.startsWith('[')) {
          return await cloud.send(action, request, options)
        }
        const operations: Operation[] = JSON.parse(body)
        const other = change(operations, String(Reflect.get(request, 'Path')))
        return await cloud.send(action, { ...request, RequestBody: JSON.stringify(other) }, options)
      },
    }),
  }
}
