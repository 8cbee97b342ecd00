import type { Policy, Settings } from '#functions/image-cleaner/event.ts'
import { isFor } from '#functions/image-cleaner/policy.ts'
import type { ReportPart, RepositoryReport } from '#functions/image-cleaner/report.ts'
import { type Glob, matchesGlob } from '#shared/pure/glob.ts'
import { counted } from './words.ts'

/** A rule that goes by names or versions, so that it can be written for nothing that there is. */
interface NamingRule {
  readonly code: string
  readonly text: string
}

/**
 * Finds what the configuration says for nothing: policies that are for no repository, rules that keep no tag anywhere, protection
 * of images that there are not. Often a name is misspelt, and what was to stay goes. Told of every repository once; what is kept of
 * them does not grow with the registry.
 */
export class ImageHints {
  readonly #settings: Pick<Settings, 'policies' | 'protect'>
  readonly #kept = new Map<string, Set<string>>()
  readonly #repositories = new Map<Policy, number>()
  readonly #looked = new Map<Policy, number>()
  readonly #unmatched: Set<Glob>
  readonly #elsewhere = new Set<string>()
  readonly #hosts = new Set<string>()
  /** By host the repositories of this registry that are pulled from there. */
  readonly #namesakes = new Map<string, string[]>()
  #count = 0

  constructor(settings: Pick<Settings, 'policies' | 'protect'>) {
    this.#settings = settings
    this.#unmatched = new Set(settings.protect)
  }

  /** What clusters pull from other registries, or from this one by another name; said before any repository is. */
  addClusters(clusters: Extract<ReportPart, { readonly kind: 'clusters' }>['clusters']): void {
    for (const { elsewhere = [] } of clusters) for (const name of elsewhere) this.#elsewhere.add(name)
    for (const name of this.#elsewhere) this.#hosts.add(name.slice(0, name.indexOf('/')))
  }

  /** There is such a repository, whether it is looked at or not. */
  exists(name: string): void {
    this.#count += 1
    for (const host of this.#hosts) {
      if (!this.#elsewhere.has(`${host}/${name}`)) continue
      const own = this.#namesakes.get(host)
      if (own === undefined) this.#namesakes.set(host, [name])
      else own.push(name)
    }
    for (const policy of this.#settings.policies.filter((one) => isFor(one, name))) increment(this.#repositories, policy)
  }

  add({ repository, contents }: RepositoryReport): void {
    for (const policy of this.#settings.policies.filter((one) => isFor(one, repository))) {
      if (contents.length > 0) increment(this.#looked, policy)
    }
    for (const { tags, reasons } of contents) {
      for (const { code, policy } of reasons) {
        if (policy === undefined) continue
        const codes = this.#kept.get(policy)
        if (codes === undefined) this.#kept.set(policy, new Set([code]))
        else codes.add(code)
      }
      if (this.#unmatched.size === 0) continue
      for (const { name } of tags)
        for (const glob of this.#unmatched) if (matchesGlob(glob, `${repository}:${name}`)) this.#unmatched.delete(glob)
    }
  }

  /** @param isWhole whether all repositories could be read, and were; else only what is true of their names is said */
  texts(isWhole: boolean): readonly string[] {
    const { policies } = this.#settings
    const active = policies.filter(({ paused }) => !paused)
    const idle = active.filter((policy) => this.#count > 0 && !this.#repositories.has(policy))
    const hints = idle.map(({ name, repositories }) => {
      const globs = repositories.map(({ pattern }) => pattern).join(', ')
      return `the policy ${name} is for no repository: none of the ${this.#count} that there are is like ${globs}`
    })
    for (const [host, names] of this.#namesakes) {
      const more = names.length === 1 ? '' : ` and ${counted(names.length - 1, 'repository', 'repositories')} more of the same names`
      hints.push(
        `clusters pull ${names[0] ?? ''}${more} from ${host}, which is not among \`hosts\`: if that is this registry by another name, add it, or what they use is not protected`,
      )
    }
    if (!isWhole) return hints
    for (const policy of active) {
      const looked = this.#looked.get(policy) ?? 0
      if (looked === 0) continue
      const where = counted(looked, 'repository', 'repositories')
      const codes = this.#kept.get(policy.name)
      if (codes === undefined) {
        hints.push(`the policy ${policy.name} keeps nothing anywhere: no rule of it matches any tag of its ${where}`)
        continue
      }
      for (const { code, text } of namingRules(policy))
        if (!codes.has(code)) hints.push(`the policy ${policy.name}: ${text} keeps no tag of its ${where}; it may be misspelt`)
    }
    for (const { pattern } of this.#unmatched) hints.push(`protect: ${pattern} is like no image that there is; it may be misspelt`)
    return hints
  }
}

function namingRules({ keep }: Policy): readonly NamingRule[] {
  return [
    ...(keep.tags.length === 0 ? [] : [{ code: 'kept-tag', text: `tags ${keep.tags.map(({ pattern }) => pattern).join(', ')}` }]),
    ...(keep.pattern === undefined ? [] : [{ code: 'kept-pattern', text: `pattern ${keep.pattern}` }]),
    ...(keep.semver === undefined ? [] : [{ code: 'kept-semver', text: 'semver' }]),
    ...(keep.protected.length === 0 ? [] : [{ code: 'kept-protected', text: `protected ${keep.protected.join(', ')}` }]),
  ]
}

function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
