import { configuredRules, ruleContext } from './configured-rules.ts'
import type { CronScalerConfig, Settings } from './event.ts'
import { configuredOverrides } from './override.ts'
import { type InvalidRule, lookBackProblem, type RuleContext, type RuleDraft, ruleProblems, spreadProblem } from './rules.ts'

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
  const rules = configuredRules(config).flatMap((draft, index) => at('rules', index, draftProblems(draft, settings, context)))
  const overrides = configuredOverrides(config).flatMap(({ problems }, index) => at('overrides', index, problems))
  return [...settingProblems(settings), ...rules, ...overrides]
}

/** What is wrong with settings that only make sense together, whatever the rules say. */
export function settingProblems(settings: Settings): readonly RuleProblem[] {
  const tooShort = lookBackProblem(settings)
  const tooLong = spreadProblem(settings.spread, settings.startingDeadline)
  return [
    ...(tooShort === undefined ? [] : [{ path: 'lookBack', text: tooShort }]),
    ...(tooLong === undefined ? [] : [{ path: 'spread', text: tooLong }]),
  ]
}

/** What is wrong with a rule, and what is not wrong but loses firings. */
export interface DraftProblem {
  readonly code: InvalidRule['code'] | 'look-back-too-short'
  readonly text: string
  readonly field?: string | undefined
}

/**
 * Everything that is wrong with a rule, also beside the settings: what is looked back has to reach over its deadline and its spread.
 * What comes of the settings themselves is not said again of every rule.
 */
export function draftProblems({ problem, ...draft }: RuleDraft, settings: Settings, context: RuleContext): readonly DraftProblem[] {
  const { startingDeadlineMs: startingDeadline, spreadMs: spread = 0 } = draft
  const isOfSettings = startingDeadline === settings.startingDeadline && spread === settings.spread
  const isSaid = isOfSettings && spreadProblem(settings.spread, settings.startingDeadline) !== undefined
  const found = problem !== undefined && draft.source === 'hpc' ? [] : ruleProblems(draft, context)
  const tooShort = isOfSettings ? undefined : lookBackProblem({ lookBack: settings.lookBack, startingDeadline, spread })
  const field = settings.lookBack < startingDeadline ? 'startingDeadline' : 'spread'
  return [
    ...(problem === undefined ? [] : [problem]),
    ...found.filter(({ code }) => !(isSaid && code === 'spread-too-long')),
    ...(tooShort === undefined ? [] : [{ code: 'look-back-too-short' as const, text: tooShort, field }]),
  ]
}

function at(
  list: string,
  index: number,
  problems: readonly { readonly text: string; readonly field?: string | undefined }[],
): readonly RuleProblem[] {
  return problems.map(({ field, text }) => ({ path: `${list}[${index}]${field === undefined ? '' : `.${field}`}`, text }))
}
