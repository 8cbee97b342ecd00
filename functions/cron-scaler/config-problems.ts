import { configuredRules, ruleContext } from './configured-rules.ts'
import type { CronScalerConfig } from './event.ts'
import { ruleProblems } from './rules.ts'

export interface RuleProblem {
  /** Below the function's section: `rules[0].schedule`. */
  readonly path: string
  readonly text: string
}

/**
 * Everything that is wrong with configured rules, each for itself and together with the clusters and calendars: what the plan
 * would call invalid at every run can be told before the first one. Empty when all rules can run.
 */
export function configProblems(config: CronScalerConfig): readonly RuleProblem[] {
  // Whether a schedule ever fires does not depend on when one asks.
  const context = ruleContext(config.settings, 0)
  return configuredRules(config).flatMap(({ problem, ...draft }, index) =>
    [...(problem === undefined ? [] : [problem]), ...ruleProblems(draft, context)].map(({ field, text }) => ({
      path: ['rules', `[${index}]`, field === undefined ? '' : `.${field}`].join(''),
      text,
    })),
  )
}
