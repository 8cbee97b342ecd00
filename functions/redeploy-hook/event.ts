import * as z from 'zod/mini'
import { quote } from '#shared/pure/clip.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { approvalSettings } from '#shared/runtime/approval/approval-settings.ts'
import type { ClusterConfig } from '#shared/runtime/definition.ts'
import { ContentIds, personalHost, RegistryHosts, RegistrySetting, RegistryTimeZone } from '#shared/runtime/registry-settings.ts'
import { DurationText, GlobText, parsedText } from '#shared/runtime/settings-text.ts'
import { RepositoryName, TagName } from './push-hint.ts'
import { parseRange } from './semver-range.ts'
import { Sources } from './source-settings.ts'
import { type WorkloadKind, workloadKinds } from './workload.ts'

/** Reads a kind as people spell it: the manual itself writes `Statefulset`. */
export function parseKind(text: string): Result<WorkloadKind, string> {
  const found = workloadKinds.find((kind) => kind.toLowerCase() === text.toLowerCase())
  if (found !== undefined) return success(found)
  const near = nearest(text, workloadKinds)
  return failure(
    `${quote(text)} is no kind of workload: ${near === undefined ? `write ${workloadKinds.slice(0, -1).join(', ')} or ${workloadKinds.at(-1)}` : `did you mean ${near}?`}`,
  )
}

const Kind = parsedText(parseKind)

/** An expression is the longest that anybody writes by hand. */
const Expression = z.string().check(z.minLength(1), z.maxLength(1000))

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const LabelName = z.string().check(z.regex(label, { error: 'must be a name of at most 63 lower-case letters, digits and dashes' }))
const ObjectName = z
  .string()
  .check(
    z.maxLength(253),
    z.regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/, { error: 'must be the name of an object: lower-case letters, digits, dashes and dots' }),
  )

const Name = z.string().check(z.minLength(1), z.maxLength(100))

/** Which tags of a repository count: exactly one of these. */
const tagChoices = ['all', 'list', 'regex', 'glob', 'semver'] as const

const TagChoice = z
  .strictObject({
    all: z.optional(z.literal(true).check(z.describe('Every tag; the one that was pushed last wins.'))),
    list: z.optional(z.array(TagName).check(z.minLength(1), z.describe('Tags by name; the one that was pushed last wins.'))),
    regex: z.optional(Expression.check(z.describe('Regular expression (RE2) over whole tag names; the one that was pushed last wins.'))),
    glob: z.optional(z.array(GlobText).check(z.minLength(1), z.describe('Globs over tag names; the one that was pushed last wins.'))),
    semver: z.optional(
      parsedText(parseRange).check(z.describe('A range of versions, such as ">=1.2 <2", "^1.4" or "~1.4.2"; the highest version wins.')),
    ),
  })
  .check(
    z.refine((choice) => tagChoices.filter((kind) => choice[kind] !== undefined).length === 1, {
      error: 'must say which tags count in exactly one way: all, list, regex, glob or semver',
    }),
  )

export type TagChoice = z.infer<typeof TagChoice>

const Target = z.strictObject({
  cluster: z.optional(
    z
      .string()
      .check(
        z.minLength(1),
        z.describe('Id or name of one of `clusters`. When absent every cluster of the rings, or else every cluster there is.'),
      ),
  ),
  namespace: z._default(LabelName, 'default'),
  kind: Kind.check(z.describe('Deployment, StatefulSet, DaemonSet, CronJob or Job.')),
  name: ObjectName,
  container: z.optional(LabelName.check(z.describe('When absent every container that runs an image of the repository.'))),
})

const Ring = z.strictObject({
  name: Name,
  clusters: z.array(z.string().check(z.minLength(1))).check(z.minLength(1), z.describe('Ids or names of `clusters`.')),
  soak: z.optional(DurationText.check(z.describe('How long all of the ring has to run well before the next one begins.'))),
})

const Rule = z
  .strictObject({
    name: Name.check(z.describe('Names the rule in reports and records; unique.')),
    repository: z.optional(RepositoryName.check(z.describe('`namespace/name`, without the host.'))),
    repositories: z.optional(z.array(GlobText).check(z.minLength(1), z.describe('Globs over namespace/name; instead of `repository`.'))),
    tags: TagChoice,
    pin: z._default(
      z.enum(['tag', 'digest']).check(z.describe('What is written into the workload: the tag, or the digest that it points at.')),
      'tag',
    ),
    approval: z._default(
      z.boolean().check(z.describe('Somebody has to agree to each content first, by `longshore approve` or by link.')),
      false,
    ),
    adopt: z._default(
      z.boolean().check(z.describe('Also replaces an image of which nobody can tell how old it is, such as one of another repository.')),
      false,
    ),
    ifNotPresent: z._default(
      z
        .enum(['hold', 'roll'])
        .check(
          z.describe(
            'A tag that was pushed again reaches no node that has it already, where the pull policy is IfNotPresent: hold it, or roll anyway.',
          ),
        ),
      'hold',
    ),
    paused: z._default(z.boolean(), false),
    targets: z.array(Target).check(z.minLength(1)),
    rings: z._default(
      z.array(Ring).check(z.describe('Waves: one ring after the other, each when the one before has run well for its soak time.')),
      [],
    ),
    rollout: z.prefault(
      z.strictObject({
        deadline: z.prefault(DurationText.check(z.describe('A rollout that takes longer has failed.')), '10m'),
        rollback: z._default(z.boolean().check(z.describe('Puts the image back that ran before, when a rollout fails.')), true),
        soak: z.prefault(DurationText.check(z.describe('Of rings that give none.')), '0s'),
        maxConcurrent: z.optional(
          z.int().check(z.minimum(1), z.maximum(10_000), z.describe('Workloads of this rule that roll at the same time.')),
        ),
      }),
      {},
    ),
    job: z.prefault(
      z.strictObject({
        replace: z._default(
          z.enum(['clone', 'skip']).check(z.describe('A Job cannot be changed: start a copy with the new image, or leave it.')),
          'skip',
        ),
        keep: z._default(z.int().check(z.minimum(0), z.maximum(100), z.describe('Earlier copies that stay.')), 3),
        owner: z._default(z.boolean().check(z.describe('Copies belong to the Job that they were copied from and go when it goes.')), true),
      }),
      {},
    ),
    cronJob: z.prefault(
      z.strictObject({ runNow: z._default(z.boolean().check(z.describe('Runs a CronJob once as soon as it has its new image.')), false) }),
      {},
    ),
  })
  .check(
    z.refine((rule) => (rule.repository === undefined) !== (rule.repositories === undefined), {
      error: 'must give either `repository` or `repositories`',
    }),
  )

export type Rule = z.infer<typeof Rule>
export type RuleTarget = z.infer<typeof Target>

const Trigger = z
  .strictObject({
    name: z.string().check(z.minLength(1), z.maxLength(100)),
    repository: RepositoryName,
    tags: z
      .strictObject({
        all: z.optional(z.literal(true)),
        list: z.optional(z.array(TagName).check(z.minLength(1))),
        regex: z.optional(Expression),
      })
      .check(
        z.refine(({ all, list, regex }) => [all, list, regex].filter((one) => one !== undefined).length === 1, {
          error: 'must say which tags count in exactly one way: all, list or regex',
        }),
      ),
    cluster: z.string().check(z.minLength(1), z.describe('Id or name of one of `clusters`.')),
    regionId: z.optional(
      z
        .int()
        .check(
          z.positive(),
          z.describe("The platform's number of the cluster's region (1 is Guangzhou, 16 Chengdu); needed for any other region."),
        ),
    ),
    namespace: z._default(LabelName, 'default'),
    kind: Kind,
    workload: ObjectName,
    container: LabelName,
  })
  .check(z.describe('A trigger of the registry itself, which sets the image of a workload whenever something is pushed.'))

export type Trigger = z.infer<typeof Trigger>

/** A list of things that go by their names. */
function named<T extends z.ZodMiniType<{ readonly name: string }>>(what: string, item: T) {
  return z.array(item).check(
    z.refine((list) => new Set(list.map(({ name }) => name)).size === list.length, {
      error: (issue) => `two ${what} have the same name: ${twice(issue.input)}; name each once`,
    }),
  )
}

/**
 * `functions.redeploy-hook` of the configuration. Without rules nothing is deployed, and without sources nobody can say that
 * something was pushed. Lengths of time come out as milliseconds; globs, ranges and kinds come out parsed.
 */
export const Settings = z.strictObject({
  registry: z._default(
    RegistrySetting.check(
      z.describe(
        'Which registry is read. A Docker registry tells no push times: the first time that a content was seen under a tag stands for it.',
      ),
    ),
    { kind: 'tcr-personal' },
  ),
  timeZone: z._default(RegistryTimeZone.check(z.describe('Zone of the times that the registry gives without one.')), 'Asia/Shanghai'),
  hosts: z._default(RegistryHosts, [personalHost]),
  contentIds: z._default(
    ContentIds.check(
      z.describe('Whether TagId is the manifest digest that pods report. With `opaque` no image can be pinned to a digest.'),
    ),
    'digest',
  ),
  sources: Sources,
  poll: z.prefault(
    z.union([
      z.literal(false),
      z.strictObject({ every: z.prefault(DurationText.check(z.describe('How often repositories of rules are looked through.')), '1m') }),
    ]),
    {},
  ),
  reconcileEvery: z.prefault(DurationText.check(z.describe('How often everything is looked at, whatever was said to be pushed.')), '1h'),
  pullSecrets: z._default(
    z
      .enum(['auto', 'required', 'ignored'])
      .check(
        z.describe(
          'Workloads without a pull secret: held when nothing shows that they can pull from here (auto), always (required), or never (ignored).',
        ),
      ),
    'auto',
  ),
  rules: z._default(named('rules', Rule), []),
  triggers: z.optional(
    z.strictObject({
      manage: z._default(
        z.boolean().check(z.describe('Makes the triggers of the registry what `items` says; otherwise they are only reported.')),
        false,
      ),
      items: z._default(named('triggers', Trigger), []),
      others: z._default(
        z.enum(['keep', 'remove']).check(z.describe('What becomes of triggers that `items` does not name, in repositories that it does.')),
        'keep',
      ),
    }),
  ),
  approval: z.optional(approvalSettings('24h')),
})

export type Settings = z.infer<typeof Settings>

function twice(list: unknown): string {
  const names = Array.isArray(list) ? list.map((one: { readonly name?: unknown }) => String(one.name)) : []
  return quote(names.find((name, index) => names.indexOf(name) !== index) ?? '')
}

/** What the plan gets of the configuration. */
export interface RedeployConfig {
  readonly clusters: readonly ClusterConfig[]
  /** Of clusters that give none. */
  readonly region?: string | undefined
  readonly settings: Settings
}
