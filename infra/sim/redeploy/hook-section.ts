import type { HookScene, SimHookRule } from './hook-scene.ts'

const minuteMs = 60_000

/** `functions.redeploy-hook` of a world. */
export function hookSection({ rules, workloads, pollMs, reconcileMs }: HookScene): object {
  return {
    sources: { registry: { kind: 'distribution', secrets: ['env:SIM_HOOK_TOKEN'] } },
    approval: { secret: 'env:SIM_APPROVAL_SECRET', baseUrl: 'https://hooks.invalid' },
    poll: pollMs === undefined ? false : { every: `${pollMs / minuteMs}m` },
    reconcileEvery: `${reconcileMs / minuteMs}m`,
    pullSecrets: 'ignored',
    rules: rules.map((rule, index) => ({
      name: rule.name,
      repository: rule.repository,
      tags: tagsSetting(rule),
      pin: rule.pin,
      approval: rule.approval,
      targets: workloads.flatMap(({ cluster, kind, name, rule: own }) => (own === index ? [{ cluster, kind, name }] : [])),
      rings: rule.rings.map((clusters, ring) => ({ name: `ring-${ring}`, clusters, soak: `${rule.soakMs / 1000}s` })),
      rollout: {
        deadline: `${rule.deadlineMs / minuteMs}m`,
        soak: `${rule.soakMs / 1000}s`,
        ...(rule.rollsAtOnce === undefined ? {} : { maxConcurrent: rule.rollsAtOnce }),
      },
      job: { replace: rule.clonesJobs ? 'clone' : 'skip', keep: 100 },
    })),
  }
}

function tagsSetting({ tags }: SimHookRule): object {
  switch (tags.kind) {
    case 'versions':
      return { semver: `>=${tags.least}` }
    case 'list':
      return { list: tags.names }
    case 'prefix':
      return { glob: [`${tags.prefix}*`] }
    case 'all':
      return { all: true }
  }
}
