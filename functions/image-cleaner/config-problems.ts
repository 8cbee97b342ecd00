import { matchesGlob } from '#shared/pure/glob.ts'
import type { ImageCleanerConfig } from './event.ts'
import { compilePattern } from './patterns.ts'
import { hasRule, isFor } from './policy.ts'

export interface ConfigProblem {
  /** Below `functions.image-cleaner`. */
  readonly path: string
  readonly text: string
}

/** Tags that have nothing in common: what matches all of them matches everything, or very nearly so. */
const strangeTags = ['0', 'q', '_', 'v1.2.3', 'Zz_9.-x', `x${'-7.Q'.repeat(31)}`]

/** What the settings get wrong that their schema cannot see: patterns that do not compile, and settings that contradict each other. */
export async function configProblems({ settings, clusters }: ImageCleanerConfig): Promise<readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = []
  for (const [index, { keep, name }] of settings.policies.entries()) {
    const path = `policies[${index}].keep`
    if (!hasRule(keep)) problems.push({ path, text: `${name} has no rule, so it keeps everything: give it one, or take it away` })
    const everything = (rule: string): string =>
      `${name}: ${rule} keeps every tag, so that nothing ever goes by this policy: narrow it, or pause the policy`
    for (const [place, glob] of keep.tags.entries())
      if (strangeTags.every((tag) => matchesGlob(glob, tag)))
        problems.push({ path: `${path}.tags[${place}]`, text: everything(glob.pattern) })
    if (keep.pattern === undefined) continue
    const pattern = await compilePattern(keep.pattern)
    if (!pattern.ok) problems.push({ path: `${path}.pattern`, text: `${name}: ${pattern.error}` })
    else if (strangeTags.every((tag) => pattern.value(tag))) problems.push({ path: `${path}.pattern`, text: everything(keep.pattern) })
  }
  if (settings.registry.kind === 'docker') {
    if (settings.lifecycle !== undefined)
      problems.push({ path: 'lifecycle', text: 'a Docker registry has no clean-up policies of its own; take this away' })
    const [host, ...others] = settings.hosts
    if (host === 'ccr.ccs.tencentyun.com' && others.length === 0) {
      const own = URL.parse(settings.registry.url)?.host ?? ''
      problems.push({
        path: 'hosts',
        text: `nobody pulls from a Docker registry by the name ${host}: give the names by which clusters do, such as ${own}`,
      })
    }
  }
  const { quarantine } = settings
  if (quarantine !== undefined) {
    const policy = settings.policies.find((one) => isFor(one, quarantine.repository))
    if (policy !== undefined) {
      const text = `the policy ${policy.name} is for the quarantine itself; list ${quarantine.repository} under its \`except\``
      problems.push({ path: 'quarantine.repository', text })
    }
    if (settings.lifecycle?.global !== undefined && settings.lifecycle.global !== 'none') {
      const own = settings.lifecycle.repositories.some(({ name, policy: one }) => name === quarantine.repository && one !== 'none')
      if (!own) {
        const text =
          'the clean-up of all repositories would also clean the quarantine: give that repository a policy of its own under lifecycle.repositories that keeps longer than the quarantine does'
        problems.push({ path: 'lifecycle.global', text })
      }
    }
  }
  for (const [index, glob] of settings.protect.entries()) {
    if (settings.policies.length > 0 && matchesGlob(glob, 'any/repository:any-tag')) {
      problems.push({
        path: `protect[${index}]`,
        text: `${glob.pattern} protects every image, so no policy can ever remove anything; take it away or narrow it`,
      })
    }
  }
  if (settings.policies.length > 0 && clusters.length === 0) {
    problems.push({
      path: 'policies',
      text: 'no cluster is configured, so nobody knows what is in use and nothing would ever be removed: name them under `clusters`',
    })
  }
  return problems
}
