import * as z from 'zod/mini'
import { quote } from '#shared/pure/clip.ts'
import { ContentIds, personalHost, RegistryHosts, RegistrySetting, RegistryTimeZone } from '#shared/runtime/registry-settings.ts'
import { DurationText, GlobText } from '#shared/runtime/settings-text.ts'

const Count = z.int().check(z.minimum(1), z.maximum(1_000_000))
const Cap = z.int().check(z.minimum(0), z.maximum(1_000_000))
const Percent = z.number().check(z.minimum(0), z.maximum(100))

const repositoryPattern = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/

/** `namespace/name`, as a registry takes it. */
const RepositoryName = z
  .string()
  .check(
    z.maxLength(255),
    z.regex(repositoryPattern, { error: 'must be a repository such as "team/web": lower-case letters, digits, . _ - and /' }),
  )

const TagName = z
  .string()
  .check(z.regex(/^\w[\w.-]{0,127}$/, { error: 'must be the name of a tag, at most 128 of letters, digits, . _ and -' }))

const Keep = z.strictObject({
  last: z.optional(Count.check(z.describe('The newest so many contents, by push time; those in use count, too.'))),
  days: z.optional(z.number().check(z.positive(), z.maximum(36_500), z.describe('What was pushed within so many days.'))),
  tags: z._default(z.array(GlobText).check(z.describe('Globs over tag names: *, ** and ?.')), []),
  pattern: z.optional(z.string().check(z.minLength(1), z.maxLength(1000), z.describe('Regular expression (RE2) over whole tag names.'))),
  semver: z.optional(
    z.strictObject({
      newest: Count.check(z.describe('So many of the highest versions of each line.')),
      per: z._default(z.enum(['all', 'major', 'minor']).check(z.describe('What a line is: everything, 2.x, or 2.7.x.')), 'minor'),
    }),
  ),
  protected: z._default(z.array(TagName).check(z.describe('Tags by name.')), []),
})

export type Keep = z.infer<typeof Keep>

const Policy = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(100), z.describe('Names the policy in reports; unique.')),
  repositories: z.array(GlobText).check(z.minLength(1), z.describe('Globs over namespace/name.')),
  except: z._default(z.array(GlobText), []),
  keep: Keep,
  paused: z._default(
    z
      .boolean()
      .check(z.describe('Nothing goes by this policy; what its rules keep stays kept, where other policies are for a repository, too.')),
    false,
  ),
})

export type Policy = z.infer<typeof Policy>

const caps = (amount: number, percent: number) =>
  z.prefault(z.strictObject({ amount: z._default(Cap, amount), percent: z._default(Percent, percent) }), {})

const LifecyclePolicy = z.strictObject({
  type: z.enum(['keep_last_days', 'keep_last_nums']),
  value: Count,
})

/**
 * `functions.image-cleaner` of the configuration. Without policies nothing is removed. Lengths of time come out as milliseconds,
 * globs parsed.
 */
export const Settings = z.strictObject({
  registry: z._default(
    RegistrySetting.check(
      z.describe(
        'Which registry is cleaned. A Docker registry tells no push times: the first time that a content was seen under a tag stands for it.',
      ),
    ),
    { kind: 'tcr-personal' },
  ),
  timeZone: z._default(
    RegistryTimeZone.check(z.describe('Zone of the times that the registry gives without one, and of the days that caps count by.')),
    'Asia/Shanghai',
  ),
  hours: z.optional(
    z
      .strictObject({
        from: z.int().check(z.minimum(0), z.maximum(23)),
        until: z.int().check(z.minimum(1), z.maximum(24)),
      })
      .check(
        z.refine(({ from, until }) => from !== until, { error: '`from` and `until` are the same hour; leave `hours` away for all day' }),
        z.describe(
          'Hours of the day in timeZone in which runs go on; outside them only what is missed is brought back. All day when absent.',
        ),
      ),
  ),
  hosts: z._default(RegistryHosts, [personalHost]),
  contentIds: z._default(
    ContentIds.check(
      z.describe(
        'Whether TagId is the manifest digest that pods report. With `opaque` a repository with an image pinned by digest is left alone.',
      ),
    ),
    'digest',
  ),
  policies: z._default(
    z.array(Policy).check(
      z.refine((policies) => new Set(policies.map(({ name }) => name)).size === policies.length, {
        error: (issue) => `two policies have the same name: ${twice(issue.input)}; name each policy once`,
      }),
    ),
    [],
  ),
  protect: z._default(z.array(GlobText).check(z.describe('Globs over namespace/name:tag that no policy can remove.')), []),
  caps: z.prefault(
    z.strictObject({
      perRepository: caps(100, 50),
      perRun: z._default(Cap.check(z.describe('Tags removed in one run.')), 1000),
      perDay: z._default(Cap.check(z.describe('Tags removed in one day.')), 2000),
    }),
    {},
  ),
  canary: z.prefault(
    z.strictObject({
      enabled: z._default(z.boolean(), true),
      amount: z._default(
        Count.check(z.describe('Tags that a new policy may remove on its first day, if that is more than the percentage.')),
        5,
      ),
      percent: z._default(
        Percent.check(z.describe('Share of what it would remove that a new policy may remove on its first day; doubles daily.')),
        1,
      ),
    }),
    {},
  ),
  customResources: z._default(
    z
      .array(
        z.string().check(
          z.regex(/^(?!secrets$)[a-z][a-z0-9-]*(?:\.[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)?$/, {
            error: 'must be a kind as `kubectl api-resources` calls it, such as "cronworkflows.argoproj.io"; secrets are not read',
          }),
        ),
      )
      .check(
        z.describe('Kinds that name images and that no workload stands behind yet: every image named in such an object counts as in use.'),
      ),
    [],
  ),
  referenceMemory: z.prefault(DurationText.check(z.describe('How long an image stays protected after it was last seen in use.')), '30d'),
  breaker: z.prefault(
    z.strictObject({
      shrinkPercent: z._default(
        Percent.check(z.describe('Nothing is removed when so much fewer images are in use than the last time.')),
        30,
      ),
      shrinkAtLeast: z._default(Count.check(z.describe('Fewer images than this make no share.')), 10),
      allowUnused: z._default(
        z
          .boolean()
          .check(z.describe('Images go even where no cluster uses any image of this registry, which mostly means that `hosts` is wrong.')),
        false,
      ),
      clockJump: z.prefault(
        DurationText.check(z.describe('Nothing is removed when the last run was further in the future than this.')),
        '10m',
      ),
    }),
    {},
  ),
  quarantine: z.optional(
    z.strictObject({
      repository: RepositoryName.check(z.describe('Where what is removed is copied to first.')),
      days: z._default(z.number().check(z.positive(), z.maximum(365)), 7),
    }),
  ),
  lifecycle: z.optional(
    z.strictObject({
      global: z.optional(z.union([z.literal('none'), LifecyclePolicy])),
      repositories: z._default(
        z.array(z.strictObject({ name: RepositoryName, policy: z.union([z.literal('none'), LifecyclePolicy]) })),
        [],
      ),
    }),
  ),
  batch: z._default(z.int().check(z.minimum(1), z.maximum(100), z.describe('Tags removed with one call.')), 20),
})

export type Settings = z.infer<typeof Settings>

function twice(policies: unknown): string {
  const names = Array.isArray(policies) ? policies.map((policy: { readonly name?: unknown }) => String(policy.name)) : []
  return quote(names.find((name, index) => names.indexOf(name) !== index) ?? '')
}

/** What the plan gets of the configuration. */
export interface ImageCleanerConfig {
  readonly clusters: readonly { readonly id: string; readonly name?: string | undefined }[]
  readonly settings: Settings
}
