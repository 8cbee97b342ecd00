import { configuredRules, ruleContext } from './configured-rules.ts'
import type { CronScalerConfig } from './event.ts'
import { configuredOverrides } from './override.ts'
import { lookBackProblem, ruleProblems, spreadProblem } from './rules.ts'

export interface RuleProblem {
  /** Below the function's section: `rules[0].schedule`. */
  readonly path: string
  readonly text: string
}

/**
 * Everything that is wrong with configured rules and overrides, each for itself and together with the clusters and calendars:
 * what the plan would call invalid at every run can be told before the first one. Calendars that lie elsewhere are not read.
 * Empty when all can run.
 */
export function configProblems(config: CronScalerConfig): readonly RuleProblem[] {
  const { settings } = config
  // Whether a schedule ever fires does not depend on when one asks.
  const context = ruleContext(settings, 0)
  const tooLong = spreadProblem(settings.spread, settings.startingDeadline)
  const rules = configuredRules(config).flatMap(({ problem, ...draft }, index) => {
    const rule = settings.rules[index]
    // Said once, about the two settings themselves.
    const isSaid = tooLong !== undefined && rule?.spread === undefined && rule?.startingDeadline === undefined
    const problems = ruleProblems(draft, context).filter(({ code }) => !(isSaid && code === 'spread-too-long'))
    return at('rules', index, [...(problem === undefined ? [] : [problem]), ...problems])
  })
  const overrides = configuredOverrides(config).flatMap(({ problems }, index) => at('overrides', index, problems))
  const tooShort = lookBackProblem(settings)
  return [
    ...(tooShort === undefined ? [] : [{ path: 'lookBack', text: tooShort }]),
    ...(tooLong === undefined ? [] : [{ path: 'spread', text: tooLong }]),
    ...rules,
    ...overrides,
  ]
}

function at(
  list: string,
  index: number,
  problems: readonly { readonly text: string; readonly field?: string | undefined }[],
): readonly RuleProblem[] {
  return problems.map(({ field, text }) => ({ path: `${list}[${index}]${field === undefined ? '' : `.${field}`}`, text }))
}
