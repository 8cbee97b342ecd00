import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { configuredRules, ruleContext } from '#functions/cron-scaler/configured-rules.ts'
import { Settings } from '#functions/cron-scaler/event.ts'
import { rulesOfHpc } from '#functions/cron-scaler/hpc.ts'
import {
  ancestorToHpc,
  type Converted,
  defaultHpcGroup,
  hpcToHpc,
  hpcToRules,
  isAncestor,
  type RuleEntry,
  rulesToHpc,
} from '#functions/cron-scaler/hpc-convert.ts'
import { compileRule, type Rule, type RuleDraft } from '#functions/cron-scaler/rules.ts'

const now = Date.parse('2026-11-24T08:00:00Z')
const options = { group: defaultHpcGroup, now }
const cluster = 'office'

const texts = (notes: Converted<unknown>['notes']) => notes.map(({ of, text }) => `${of}: ${text}`)

function rule(name: string, more: Partial<RuleEntry> = {}): RuleEntry {
  return { name, cluster, target: { kind: 'Deployment', name: 'web' }, schedule: '0 0 8 * * *', targetSize: 3, ...more }
}

function itemsOf<Item>(converted: Converted<Item>): readonly Item[] {
  expect(converted.problems).toEqual([])
  return converted.items
}

describe('rules to HPC objects', () => {
  test('are one object for each target, with the rules as its crons', () => {
    const rules = [
      rule('day'),
      rule('bounds', {
        target: { kind: 'horizontalpodautoscaler', namespace: 'shop', name: 'web' },
        targetSize: undefined,
        minSize: 2,
        maxSize: 6,
      } as Partial<RuleEntry>),
      rule('night', { schedule: '0 0 20 * * *', targetSize: 1, excludeDates: ['* * * * * 0,6'], runOnce: true }),
    ]
    const converted = rulesToHpc({ rules: JSON.parse(JSON.stringify(rules)) }, options)
    expect(itemsOf(converted)).toEqual([
      {
        apiVersion: 'autoscaling.cloud.tencent.com/v1',
        kind: 'HorizontalPodCronscaler',
        metadata: { name: 'web', namespace: 'default' },
        spec: {
          scaleTarget: { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'default', name: 'web' },
          crons: [
            { name: 'day', schedule: '0 0 8 * * *', targetSize: 3 },
            { name: 'night', schedule: '0 0 20 * * *', targetSize: 1, excludeDates: ['* * * * * 0,6'], runOnce: true },
          ],
        },
      },
      {
        apiVersion: 'autoscaling.cloud.tencent.com/v1',
        kind: 'HorizontalPodCronscaler',
        metadata: { name: 'web', namespace: 'shop' },
        spec: {
          scaleTarget: { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', namespace: 'shop', name: 'web' },
          crons: [{ name: 'bounds', schedule: '0 0 8 * * *', minSize: 2, maxSize: 6 }],
        },
      },
    ])
    expect(converted.losses).toEqual([])
    expect(texts(converted.notes)).toEqual([
      expect.stringMatching(/3 of the rules name no time zone: Longshore runs them in Asia\/Shanghai/),
      expect.stringMatching(/^config\/night: that it has run once is remembered under its old name/),
    ])
  })

  test('what only Longshore would read is an annotation, and a loss that says what happens instead', () => {
    const rules = [
      rule('all', {
        timeZone: 'Europe/Berlin',
        startingDeadline: '1h30m',
        spread: '5m',
        validFrom: '2026-11-01',
        validUntil: '2027-01-31',
        enforce: true,
        allowHpaConflict: false,
        paused: true,
        excludeDates: ['@calendar/cn', '2026-12-24..2026-12-26', '* * * * * 0'],
      }),
      rule('plain', { paused: false }),
    ]
    const converted = rulesToHpc({ rules, calendars: { cn: { holidays: ['2026-10-01'] } } }, options)
    const [first, second] = itemsOf(converted)
    expect(first?.metadata).toEqual({
      name: 'web',
      namespace: 'default',
      annotations: {
        'longshore.dev/time-zone': 'Europe/Berlin',
        'longshore.dev/starting-deadline': '1h30m',
        'longshore.dev/spread': '5m',
        'longshore.dev/valid-from': '2026-11-01',
        'longshore.dev/valid-until': '2027-01-31',
        'longshore.dev/enforce': 'true',
        'longshore.dev/allow-hpa-conflict': 'false',
        'longshore.dev/paused': 'true',
      },
    })
    // What counts for a whole object cannot be shared with a rule for which it does not count.
    expect(second?.metadata).toEqual({ name: 'web-deployment', namespace: 'default' })
    expect(texts(converted.losses)).toEqual([
      expect.stringMatching(/^config\/all: timeZone Europe\/Berlin: .*longshore\.dev\/time-zone.*zone of the node/),
      expect.stringMatching(/startingDeadline 1h30m: .*never catches up/),
      expect.stringMatching(/spread 5m: .*everything at once/),
      expect.stringMatching(/validFrom 2026-11-01: .*runs it from now on/),
      expect.stringMatching(/validUntil 2027-01-31: .*never stops/),
      expect.stringMatching(/enforce true: /),
      expect.stringMatching(/allowHpaConflict false: /),
      expect.stringMatching(/paused true: .*runs it all the same/),
      expect.stringMatching(/excludeDates "@calendar\/cn": only Longshore reads it.*runs the rule on those days/),
      expect.stringMatching(/excludeDates "2026-12-24\.\.2026-12-26": /),
    ])
  })

  test('what holds for all rules of the settings and is in no object is said as well', () => {
    const overrides = [
      { name: 'sale', cluster, target: { kind: 'Deployment', name: 'web' }, targetSize: 9, until: '2026-11-30T00:00:00Z', reason: 'sale' },
    ]
    const converted = rulesToHpc({ rules: [rule('day')], paused: true, overrides }, options)
    expect(texts(converted.losses)).toEqual([
      expect.stringMatching(/^the settings: paused: true holds all rules here/),
      'the settings: 1 overrides: HPC has none, they are left out',
    ])
  })

  test('of several clusters, one has to be named', () => {
    const rules = [rule('here'), rule('there', { cluster: 'other' })]
    expect(texts(rulesToHpc({ rules }, options).problems)).toEqual([expect.stringMatching(/they are for office, other, .*--cluster/)])
    const converted = rulesToHpc({ rules }, { ...options, cluster: 'other' })
    expect(itemsOf(converted).map(({ spec }) => spec.crons.map(({ name }) => name))).toEqual([['there']])
    expect(texts(converted.notes)).toContain('the rules: 1 for other clusters than other are left out')
    expect(texts(rulesToHpc({ rules }, { ...options, cluster: 'third' }).problems)).toEqual([
      expect.stringMatching(/none is for third: they are for office, other/),
    ])
  })

  test('names are unique in a namespace, and names of Kubernetes objects', () => {
    const long = `${'a'.repeat(240)}.${'b'.repeat(12)}`
    const kinds = ['Deployment', 'StatefulSet'].flatMap((kind) => ['web', long].map((name) => ({ kind, name })))
    const rules = kinds.flatMap((target, index) => [
      rule(`a${index}`, { target }),
      rule(`b${index}`, { target, enforce: true }),
      rule(`c${index}`, { target, enforce: false }),
    ])
    const names = itemsOf(rulesToHpc({ rules }, options)).map(({ metadata }) => metadata.name)
    expect(new Set(names).size).toBe(rules.length)
    expect(names.slice(0, 3)).toEqual(['web', 'web-deployment', 'web-deployment-2'])
    for (const name of names) expect(name).toMatch(/^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/)
  })

  test.each([
    [{ rules: [] }, /they have no rules to convert/],
    [{}, /they have no rules to convert/],
    [{ rules: [rule('x', { schedule: '0 8 * * *' })] }, /^config\/x: .*has 5 fields/],
    [
      { rules: [rule('x', { schedule: '0 0 8 30 2 *' }), rule('y', { minSize: 2 })] },
      /^config\/x: .*does not fire[\s\S]*config\/y: minSize and maxSize are for/,
    ],
    [{ rules: [rule('x', { excludeDates: ['tomorrow'] })] }, /^config\/x: the excluded date cannot be read/],
    [{ rules: [rule('x'), rule('x')] }, /^rules: two rules have the same name/],
    [{ rules: [{ ...rule('x'), tagetSize: 3 }] }, /^rules\[0\]\.tagetSize: unknown key; did you mean "targetSize"/],
    ['text', /^the settings: /],
  ])('%j is a problem', (section, why) => {
    const converted = rulesToHpc(section, options)
    expect(converted.items).toEqual([])
    expect(texts(converted.problems).join('\n')).toMatch(why)
  })
})

describe('HPC objects to rules', () => {
  const object = (name: string, crons: readonly object[], more: { readonly metadata?: object; readonly spec?: object } = {}) => ({
    apiVersion: `${defaultHpcGroup}/v1`,
    kind: 'HorizontalPodCronscaler',
    metadata: { name, namespace: 'default', ...more.metadata },
    spec: { scaleTarget: { apiVersion: 'apps/v1', kind: 'Statefulset', name: 'web' }, crons, ...more.spec },
  })
  const up = { name: 'up', schedule: '0 0 8 * * *', targetSize: 3 }
  const down = { name: 'down', schedule: '0 0 20 * * *', targetSize: 1 }

  test('are called as their crons, with the object in front where that is not unique', () => {
    const objects = [
      object('a', [up, down]),
      object('b', [up, { schedule: '0 0 9 * * *', targetSize: 2 }, { schedule: '0 0 10 * * *', targetSize: 4 }]),
      object('b', [up], { metadata: { namespace: 'shop' } }),
      object('c', [{ ...up, name: 'b-up' }]),
    ]
    const rules = itemsOf(hpcToRules(objects, { cluster, now }))
    expect(rules.map(({ name }) => name)).toEqual(['a-up', 'down', 'default/b/up', 'b-2', 'b-3', 'shop/b/up', 'b-up'])
    expect(z.safeParse(Settings, { rules }).success).toBe(true)
  })

  test('say what annotations and the whole object say', () => {
    const annotations = {
      'longshore.dev/time-zone': 'UTC',
      'longshore.dev/starting-deadline': '10m',
      'longshore.dev/spread': '1m',
      'longshore.dev/valid-from': '2026-01-01',
      'longshore.dev/valid-until': '2026-12-31',
      'longshore.dev/enforce': 'false',
      'longshore.dev/allow-hpa-conflict': 'true',
      'longshore.dev/paused': 'true',
      'example.com/else': 'x',
    }
    const converted = hpcToRules(
      [
        object('a', [{ ...up, excludeDates: ['@calendar/cn'], runOnce: true }], {
          metadata: { annotations },
          spec: { excludeDates: ['* * * * * 5'] },
        }),
      ],
      {
        cluster,
        now,
      },
    )
    expect(itemsOf(converted)).toEqual([
      {
        name: 'up',
        cluster,
        target: { kind: 'StatefulSet', name: 'web' },
        schedule: '0 0 8 * * *',
        targetSize: 3,
        excludeDates: ['* * * * * 5', '@calendar/cn'],
        runOnce: true,
        timeZone: 'UTC',
        startingDeadline: '10m',
        spread: '1m',
        validFrom: '2026-01-01',
        validUntil: '2026-12-31',
        enforce: false,
        allowHpaConflict: true,
        paused: true,
      },
    ])
    expect(texts(converted.notes)).toEqual([
      expect.stringMatching(/^hpc\/default\/a\/up: that it has run once is remembered/),
      'the rules: they need cn under `calendars` of the settings',
      expect.stringMatching(/^the rules: a rule of an HPC object has no firings before/),
    ])
  })

  test('what the scaler passes over with a warning is a loss', () => {
    const converted = hpcToRules([object('a', [{ ...up, jobId: 7 }])], { cluster, now })
    expect(texts(converted.losses)).toEqual([expect.stringMatching(/^hpc\/default\/a\/up: the field "jobId" is unknown and ignored/)])
  })

  test.each([
    [object('a', [{ ...up, schedule: '0 8 * * *' }]), /^hpc\/default\/a\/up: .*has 5 fields/],
    [object('a', [up], { spec: { scaleTaget: {} } }), /the field "spec\.scaleTaget" is unknown/],
    [object('a', [{ ...up, targetSise: 1 }]), /did you mean "targetSize"/],
    [object('a', [up], { metadata: { annotations: { 'longshore.dev/paused': 'maybe' } } }), /write "true" or "false"/],
    [{ kind: 'HorizontalPodCronscaler' }, /it cannot be read/],
  ])('%j is a problem, and nothing comes of its neighbours', (bad, why) => {
    const converted = hpcToRules([object('good', [up]), bad], { cluster, now })
    expect(converted.items).toEqual([])
    expect(texts(converted.problems).join('\n')).toMatch(why)
  })

  test('an HPC object in another spelling becomes one in the clusters’', () => {
    const odd = { ...object('a', [up], { spec: { excludeDates: ['* * * * * 5'] } }), kind: 'HorizontalPodCronsScaler', status: { x: 1 } }
    const before = {
      ...odd,
      apiVersion: 'autoscaling.finance.cloud.tencent.com/v1',
      metadata: { ...odd.metadata, uid: 'u', labels: { team: 'x' } },
    }
    expect(itemsOf(hpcToHpc(before, { now }))).toEqual([
      {
        apiVersion: 'autoscaling.finance.cloud.tencent.com/v1',
        kind: 'HorizontalPodCronscaler',
        metadata: { name: 'a', namespace: 'default', labels: { team: 'x' } },
        spec: {
          scaleTarget: { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace: 'default', name: 'web' },
          crons: [{ ...up, excludeDates: ['* * * * * 5'] }],
        },
      },
    ])
    expect(itemsOf(hpcToHpc(before, { now, group: defaultHpcGroup }))[0]?.apiVersion).toBe(`${defaultHpcGroup}/v1`)
    expect(texts(hpcToHpc(object('a', []), { now }).problems)).toEqual(['hpc/default/a: it has no crons'])
    expect(hpcToHpc({}, { now }).problems).not.toEqual([])
  })
})

describe('there and back', () => {
  const target = fc.oneof(
    fc.record({
      kind: fc.constantFrom('Deployment', 'StatefulSet', 'statefulset'),
      name: fc.constantFrom('web', 'api', 'web.v2'),
      namespace: fc.constantFrom('default', 'shop'),
    }),
    fc.record({
      kind: fc.constant('Deployment'),
      name: fc.constantFrom('web', 'api'),
      apiVersion: fc.constantFrom('apps/v1', 'extensions/v1beta1'),
    }),
  )
  const autoscaler = fc.record({
    kind: fc.constant('HorizontalPodAutoscaler'),
    name: fc.constantFrom('web', 'api'),
    namespace: fc.constantFrom('default', 'shop'),
  })
  const size = fc.oneof(
    fc.record({ target, targetSize: fc.integer({ min: 0, max: 50 }) }),
    fc
      .tuple(autoscaler, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 9 }))
      .map(([of, low, more]) => ({ target: of, minSize: low, maxSize: low + more })),
  )
  const schedule = fc.constantFrom('0 0 8 * * *', '30 */2 * * * 1-5', '0 15 22 ? * SUN', '0 0 0 1 JAN *', '0 0 8 13 * 5')
  const excludeDates = fc.array(fc.constantFrom('* * * * * 0,6', ' * * * 15 11 *', '* * * 1-7 10 *'), { maxLength: 3 })
  const said = fc.record({ excludeDates, runOnce: fc.boolean() }, { requiredKeys: [] })
  const only = fc.record(
    {
      timeZone: fc.constantFrom('Europe/Berlin', 'Asia/Kathmandu', 'UTC'),
      startingDeadline: fc.constantFrom('10m', '1h30m', '2d'),
      spread: fc.constantFrom('0s', '5m'),
      validFrom: fc.constantFrom('2026-01-01', '2026-11-24'),
      validUntil: fc.constantFrom('2027-01-01', '2030-12-31'),
      enforce: fc.boolean(),
      allowHpaConflict: fc.boolean(),
      paused: fc.boolean(),
      excludeDates: fc.array(fc.constantFrom('@calendar/cn', '2026-10-01..2026-10-07', '* * * * * 5'), { maxLength: 3 }),
    },
    { requiredKeys: [] },
  )
  const rulesWith = (more: fc.Arbitrary<object>) =>
    fc
      .array(fc.tuple(size, schedule, said, more), { minLength: 1, maxLength: 12 })
      .map((parts) =>
        parts.map(([sized, cron, own, other], index) => ({ name: `rule ${index}`, cluster, schedule: cron, ...sized, ...own, ...other })),
      )

  const calendars = { cn: { holidays: ['2026-10-01..2026-10-07'], workdays: ['2026-10-10'] } }

  /** Rules as the scaler has them after all checks, whatever they were written in. */
  function meaning(
    drafts: readonly RuleDraft[],
    settings: Settings,
  ): ReadonlyMap<string, Omit<Rule, 'id' | 'source' | 'onceKey'> & { readonly paused: boolean; readonly once: boolean }> {
    const context = ruleContext(settings, now)
    return new Map(
      drafts.map((draft) => {
        const compiled = compileRule(draft, context)
        if (!compiled.ok) throw new Error(`${draft.id}: ${compiled.error.text}`)
        const { id, source: _, onceKey, ...rest } = compiled.value
        return [id.split('/').at(-1) ?? '', { ...rest, paused: draft.paused, once: onceKey !== undefined }]
      }),
    )
  }

  const settingsWith = (rules: unknown): Settings => z.parse(Settings, { rules, calendars })
  const ofConfig = (rules: unknown) => {
    const settings = settingsWith(rules)
    return meaning(configuredRules({ clusters: [{ id: cluster }], settings }), settings)
  }

  test('rules are the same rules after they were HPC objects, and the objects mean the same between', () => {
    fc.assert(
      fc.property(rulesWith(fc.constant({})), (rules) => {
        const objects = rulesToHpc({ rules, calendars }, options)
        expect(objects.problems).toEqual([])
        expect(objects.losses).toEqual([])
        const before = ofConfig(rules)
        const settings = settingsWith([])
        expect(
          meaning(
            objects.items.flatMap((object) => rulesOfHpc(object, cluster, settings)),
            settings,
          ),
        ).toEqual(before)
        const back = hpcToRules(objects.items, { cluster, now })
        expect(back.losses).toEqual([])
        expect(ofConfig(back.items)).toEqual(before)
        // A second time nothing is left to put right.
        expect(rulesToHpc({ rules: back.items }, options).items).toEqual(objects.items)
      }),
      { seed: 20261124, numRuns: 200 },
    )
  })

  test('for Longshore even with what is lost on others', () => {
    fc.assert(
      fc.property(rulesWith(only), (rules) => {
        const objects = rulesToHpc({ rules, calendars }, options)
        expect(objects.problems).toEqual([])
        const before = ofConfig(rules)
        const settings = settingsWith([])
        expect(
          meaning(
            objects.items.flatMap((object) => rulesOfHpc(object, cluster, settings)),
            settings,
          ),
        ).toEqual(before)
        expect(ofConfig(hpcToRules(objects.items, { cluster, now }).items)).toEqual(before)
        const isPlain = rules.every((one) =>
          ['timeZone', 'startingDeadline', 'spread', 'validFrom', 'validUntil', 'enforce', 'allowHpaConflict'].every(
            (field) => !(field in one),
          ),
        )
        const isPaused = rules.some((one) => 'paused' in one && one.paused === true)
        const isDated = rules.some(({ excludeDates: texts = [] }: { excludeDates?: string[] }) => texts.some((text) => /^[@2]/.test(text)))
        expect(objects.losses.length > 0).toBe(!isPlain || isPaused || isDated)
      }),
      { seed: 20261124, numRuns: 200 },
    )
  })
})

describe('an object of the ancestor', () => {
  const ancestor = (jobs: readonly object[], more: object = {}) => ({
    apiVersion: 'autoscaling.alibabacloud.com/v1beta1',
    kind: 'CronHorizontalPodAutoscaler',
    metadata: { name: 'web', namespace: 'shop', labels: { 'controller-tools.k8s.io': '1.0' } },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1beta2', kind: 'Deployment', name: 'web' }, jobs, ...more },
    status: { conditions: [] },
  })
  const job = (schedule: string, more: object = {}) => ({ name: 'job', schedule, targetSize: 3, ...more })
  const convert = (object: object, more: Partial<Parameters<typeof ancestorToHpc>[1]> = {}) =>
    ancestorToHpc(object, { ...options, ...more })

  test('becomes an HPC object, what it excludes in each cron', () => {
    const object = ancestor([job('0 0 8 * * *'), { name: 'down', schedule: '30 */1 * * * *', targetSize: 1, runOnce: false }], {
      excludeDates: ['* * * 15 11 *', ' * * * * * 5'],
    })
    expect(isAncestor(object)).toBe(true)
    const converted = convert(object)
    const excludeDates = ['* * * 15 11 *', '* * * * * 5']
    expect(itemsOf(converted)).toEqual([
      {
        apiVersion: `${defaultHpcGroup}/v1`,
        kind: 'HorizontalPodCronscaler',
        metadata: { name: 'web', namespace: 'shop' },
        spec: {
          scaleTarget: { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'shop', name: 'web' },
          crons: [
            { name: 'job', schedule: '0 0 8 * * *', targetSize: 3, excludeDates },
            { name: 'down', schedule: '30 */1 * * * *', targetSize: 1, excludeDates },
          ],
        },
      },
    ])
    expect(converted.losses).toEqual([])
    expect(texts(converted.notes)).toEqual([
      expect.stringMatching(/^cronhpa\/shop\/web: the ancestor compared month and hour only/),
      expect.stringMatching(/^cronhpa\/shop\/web: the ancestor ran in the time zone of its own process/),
    ])
    // And rules of the configuration from there.
    expect(itemsOf(hpcToRules(converted.items, { cluster, now })).map(({ name, target }) => [name, target])).toEqual([
      ['job', { kind: 'Deployment', namespace: 'shop', name: 'web' }],
      ['down', { kind: 'Deployment', namespace: 'shop', name: 'web' }],
    ])
  })

  test.each([
    ['@yearly', '0 0 0 1 1 *'],
    ['@annually', '0 0 0 1 1 *'],
    ['@monthly', '0 0 0 1 * *'],
    ['@weekly', '0 0 0 * * 0'],
    ['@daily', '0 0 0 * * *'],
    ['@midnight', '0 0 0 * * *'],
    ['@hourly', '0 0 * * * *'],
    [' 0 0 8 ? JAN-MAR MON-FRI ', '0 0 8 ? JAN-MAR MON-FRI'],
  ])('%s becomes %s', (text, schedule) => {
    expect(itemsOf(convert(ancestor([job(text)])))[0]?.spec.crons[0]?.schedule).toBe(schedule)
  })

  test('a date becomes a schedule that runs once; one that is past is left out, one of a later year refused', () => {
    const future = convert(ancestor([job('@date 2027-03-01 08:05:00')]))
    expect(itemsOf(future)[0]?.spec.crons).toEqual([{ name: 'job', schedule: '0 5 8 1 3 *', targetSize: 3, runOnce: true }])
    expect(texts(future.notes)).toContainEqual(
      expect.stringMatching(/"@date 2027-03-01 08:05:00" became the schedule 0 5 8 1 3 \* that runs once/),
    )
    expect(texts(future.notes)).toContainEqual(expect.stringMatching(/never tried a failed run-once job again/))
    const past = convert(ancestor([job('@date 2020-12-15 12:00:00'), job('0 0 8 * * *')]))
    expect(itemsOf(past)[0]?.spec.crons).toHaveLength(1)
    expect(texts(past.notes)).toContainEqual(expect.stringMatching(/is past, so it is left out/))
    expect(texts(convert(ancestor([job('@date 2028-03-01 08:05:00')])).problems)).toEqual([expect.stringMatching(/more than a year ahead/)])
    // The next 29 February is that very one.
    expect(itemsOf(convert(ancestor([job('@date 2028-02-29 00:00:00')])))[0]?.spec.crons[0]?.schedule).toBe('0 0 0 29 2 *')
    // Today, in whatever zone.
    expect(itemsOf(convert(ancestor([job('@date 2026-11-24 08:05:00')])))[0]?.spec.crons).toHaveLength(1)
  })

  test('an excluded date of a year is kept, and is a loss on others than Longshore', () => {
    const converted = convert(ancestor([job('0 0 8 * * *')], { excludeDates: ['@date 2026-12-24 00:00:00'] }))
    expect(itemsOf(converted)[0]?.spec.crons[0]?.excludeDates).toEqual(['2026-12-24'])
    expect(texts(converted.losses)).toEqual([
      expect.stringMatching(/^cronhpa\/shop\/web: excludeDates "2026-12-24": only Longshore reads it/),
    ])
  })

  test('one size for an autoscaler needs a maximum beside it', () => {
    const object = ancestor([job('0 0 8 * * *', { targetSize: 5 })], {
      scaleTargetRef: { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', name: 'web' },
    })
    expect(texts(convert(object).problems)).toEqual([expect.stringMatching(/one size \(5\) for an autoscaler.*--max-size/)])
    expect(texts(convert(object, { maxSize: 4 }).problems)).toEqual([expect.stringMatching(/its size 5 is above --max-size 4/)])
    const converted = convert(object, { maxSize: 9 })
    expect(itemsOf(converted)[0]?.spec.crons).toEqual([{ name: 'job', schedule: '0 0 8 * * *', minSize: 5, maxSize: 9 }])
    expect(texts(converted.notes)).toContainEqual(expect.stringMatching(/raised its maximum when needed and never brought it down/))
  })

  test.each([
    [
      ancestor([job('0 8 * * 1-5')]),
      /five fields.*write "0 8 \* \* 1-5 \*" for what it does now, or "0 0 8 \* \* 1-5" for what was probably meant/,
    ],
    [ancestor([job('@every 1h30m')]), /counts from the moment at which the ancestor was started/],
    [ancestor([job('@dayly')]), /did you mean @daily/],
    [ancestor([job('@date tomorrow')]), /is no date/],
    [ancestor([job('@date 2026-02-30 08:00:00')]), /is no date/],
    [ancestor([job('0 0 25 * * *')]), /^cronhpa\/shop\/web\/job: /],
    [ancestor([job('0 0 8 * * *')], { excludeDates: ['0 8 * * *'] }), /excludeDates "0 8 \* \* \*": .*has 5 fields/],
    [ancestor([job('0 0 8 * * *')], { excludeDates: ['@date 2026-13-01'] }), /excludeDates/],
    [ancestor([job('0 0 8 * * *')], { scaleTargetRef: { kind: 'DaemonSet', name: 'web' } }), /DaemonSet/],
    [ancestor([job('0 0 8 * * *')], { template: 1 }), /it cannot be read/],
    [ancestor([job('0 0 8 * * *', { targetSize: -1 })]), /spec\.jobs\[0\]\.targetSize: it cannot be read/],
    [{ kind: 'CronHorizontalPodAutoscaler' }, /metadata: it cannot be read/],
  ])('%j is a problem', (object, why) => {
    const converted = convert(object)
    expect(converted.items).toEqual([])
    expect(texts(converted.problems).join('\n')).toMatch(why)
  })
})
