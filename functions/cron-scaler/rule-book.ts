import { withOne } from '#shared/pure/with-one.ts'
import { compileRule, type InvalidRule, type Rule, type RuleContext, type RuleDraft, readRuleTarget } from './rules.ts'
import { type Target, targetName } from './target.ts'

/** The rules of one target that can run and are not paused. */
export interface TargetRules {
  readonly named: Target
  readonly rules: readonly Rule[]
}

export interface InvalidDraft {
  readonly draft: RuleDraft
  readonly problem: InvalidRule
}

export interface PausedDraft {
  readonly draft: RuleDraft
  readonly rule: Rule
}

/** All rules of a cluster, checked and laid out by the target that they name. */
export interface RuleBook {
  /** By the target's name within the cluster. A target of which no rule can run is there without any. */
  readonly byTarget: ReadonlyMap<string, TargetRules>
  readonly invalid: readonly InvalidDraft[]
  readonly paused: readonly PausedDraft[]
}

/** Checks rules and lays them out by target, in the order in which they come. */
export function openRuleBook(drafts: readonly RuleDraft[], context: RuleContext): RuleBook {
  const byTarget = new Map<string, TargetRules>()
  const layout = layOut(drafts)
  const invalid = [...layout.invalid]
  const paused: PausedDraft[] = []
  for (const [name, group] of layout.byTarget) {
    const checked = checkGroup(group, context)
    byTarget.set(name, { named: group.named, rules: checked.rules })
    invalid.push(...checked.invalid)
    paused.push(...checked.paused)
  }
  return { byTarget, invalid, paused }
}

/** The rules of one target as they are written. */
export interface DraftGroup {
  /** Of the target, within its cluster. */
  readonly name: string
  readonly named: Target
  readonly drafts: readonly RuleDraft[]
}

/** Lays rules out by the target that they name, without a look at what else they say. */
export function layOut(drafts: readonly RuleDraft[]): {
  readonly byTarget: ReadonlyMap<string, DraftGroup>
  /** Those of which not even the target can be told. */
  readonly invalid: readonly InvalidDraft[]
} {
  const byTarget = new Map<string, DraftGroup & { readonly drafts: RuleDraft[] }>()
  const invalid: InvalidDraft[] = []
  for (const draft of drafts) {
    const named = readRuleTarget(draft)
    if (draft.problem !== undefined) {
      invalid.push({ draft, problem: draft.problem })
    } else if (named.ok) {
      const name = targetName(named.value)
      const found = byTarget.get(name)
      if (found === undefined) byTarget.set(name, { name, named: named.value, drafts: [draft] })
      else found.drafts.push(draft)
    } else {
      invalid.push({ draft, problem: named.error })
    }
  }
  return { byTarget, invalid }
}

/** Checks the rules of one target. */
export function checkGroup({ named, drafts }: DraftGroup, context: RuleContext) {
  let rules: Rule[] | undefined
  let paused: PausedDraft[] | undefined
  let invalid: InvalidDraft[] | undefined
  for (const draft of drafts) {
    const compiled = compileRule(draft, context, named)
    if (!compiled.ok) invalid = withOne(invalid, { draft, problem: compiled.error })
    else if (draft.paused) paused = withOne(paused, { draft, rule: compiled.value })
    else rules = withOne(rules, compiled.value)
  }
  return { rules: rules ?? noRules, paused: paused ?? nonePaused, invalid: invalid ?? noneInvalid }
}

const noRules: readonly Rule[] = []
const nonePaused: readonly PausedDraft[] = []
const noneInvalid: readonly InvalidDraft[] = []
