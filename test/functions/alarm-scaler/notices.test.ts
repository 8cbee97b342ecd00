import { expect, it } from 'vitest'
import { notices } from '#functions/alarm-scaler/notices.ts'
import { plan } from '#functions/alarm-scaler/plan.ts'
import { suggestionTokens } from '#functions/alarm-scaler/suggestion-token.ts'
import type { PoolView } from '#functions/alarm-scaler/view.ts'
import type { Outcome } from '#shared/pure/step.ts'
import type { Mode } from '#shared/runtime/definition.ts'
import { SecretUnavailableError } from '#shared/runtime/reference.ts'
import { countOutcomes } from '#shared/runtime/report.ts'
import { config, type Doc, episode, noon, observed, policyDoc, view } from './small-pool.ts'

const secret = 'a-secret-of-at-least-twenty-four-characters'
const approval = { secret: 'env:APPROVAL', baseUrl: 'https://hooks.example.com', expires: '1h' }
const outcomes: Readonly<Record<string, Outcome>> = {
  change: 'Applied',
  'no-change': 'NoChange',
  skipped: 'Skipped',
  held: 'Held',
  invalid: 'Invalid',
}

/** What is told of one look at the small pool. */
async function told(
  doc: Doc = {},
  {
    pool = {},
    more = {},
    mode = 'enforce',
    read = async () => secret,
    firing = [episode()],
  }: {
    readonly pool?: Partial<PoolView>
    readonly more?: Doc
    readonly mode?: Mode
    readonly read?: () => Promise<string>
    readonly firing?: ReturnType<typeof episode>[]
  } = {},
) {
  const own = { ...config({ policies: [policyDoc(doc)], more }), region: 'ap-guangzhou', mode }
  const seen = { ...observed({ episodes: firing, pools: [view(pool)] }), due: [] }
  const decisions = plan(seen, own, noon).map((step) => {
    const { key, target, before, after, reason, verdict } = step
    const outcome = verdict === 'change' && mode !== 'enforce' ? 'Planned' : (outcomes[verdict] ?? 'Failed')
    return { key, target, before, after, reason, function: 'alarm-scaler' as const, outcome }
  })
  const report = {
    function: 'alarm-scaler' as const,
    runId: 'alarm-scaler@1',
    mode,
    scheduledAt: noon,
    now: noon,
    trigger: { kind: 'local' as const },
    decisions,
    counts: countOutcomes(decisions),
    planDigest: '',
  }
  return await notices({ report: report as never, config: own, observed: seen, now: noon, secret: read })
}

it('nodes that are bought are told of with what they are for', async () => {
  const [one, ...more] = await told()
  expect(more).toEqual([])
  expect(one).toMatchObject({ severity: 'info', title: 'cls-1/workers grows', facts: { code: 'alarm-confirmed' } })
  expect(one?.lines.join(' ')).toMatch(/alarm HighCpu: .* wants \d more.* -> \d nodes? more by /)
})

it('what is said again, is on its way, or passes by itself is no news', async () => {
  expect(await told({ match: { alert: 'Other' } })).toEqual([])
  expect(await told({ confirm: [{ requests: { cpuPercentAbove: 99 } }] })).toEqual([])
  expect(await told({}, { firing: [] })).toEqual([])
  expect(await told({ mode: 'observe' })).toEqual([])
})

it('a limit that a confirmed alarm meets is told once for as long as it is the same one', async () => {
  const capped = () => told({ caps: { event: 0 } })
  const [one, ...more] = await capped()
  expect(more).toEqual([])
  expect(one).toMatchObject({ severity: 'warning', facts: { code: 'cap-event' } })
  expect((await capped())[0]?.key).toBe(one?.key)
})

it('that there is no way to get a node is critical', async () => {
  const mechanisms = [
    { kind: 'virtual-nodes', nodePool: 'np-gone', subnets: ['subnet-1'] },
    { kind: 'existing-instances', names: ['none-*'] },
  ]
  const [one] = await told({ mechanisms })
  expect(one).toMatchObject({ severity: 'critical', facts: { code: 'no-mechanism-left' } })
})

it('who may agree gets a link that is good for this suggestion, once for as long as the link is good', async () => {
  const all = await told({ mode: 'suggest' }, { more: { approval } })
  expect(all).toHaveLength(1)
  const [one] = all
  expect(one).toMatchObject({ severity: 'warning', dedupeMs: 3_600_000, facts: { code: 'suggested' } })
  expect(one?.title).toMatch(/^cls-1\/workers would get \d nodes? for the alarm HighCpu, if somebody agrees$/)
  const url = new URL(one?.links?.[0]?.url ?? '')
  expect(url.origin).toBe('https://hooks.example.com')
  const token = url.pathname.slice(url.pathname.lastIndexOf('/') + 1)
  expect(suggestionTokens.verify(token, [secret])).toMatchObject({ ok: true, value: { policy: 'busy', pool: 'workers', alarm: 'HighCpu' } })
  expect((await told({ mode: 'suggest' }, { more: { approval } }))[0]?.key).toBe(one?.key)
})

it('who may agree is told, too, when there can be no link, and why', async () => {
  const without = async (...how: Parameters<typeof told>) => (await told(...how)).map(({ lines, links }) => ({ last: lines.at(-1), links }))
  expect(await without({ mode: 'suggest' })).toMatchObject([{ last: expect.stringContaining('approval is not configured') }])
  expect(await without({ mode: 'suggest' }, { more: { approval }, mode: 'plan' })).toMatchObject([
    { last: expect.stringContaining('mode plan') },
  ])
  const short = await without({ mode: 'suggest' }, { more: { approval }, read: async () => 'short' })
  expect(short).toMatchObject([{ last: expect.stringMatching(/^There is no link: /) }])
  const gone = async () => await Promise.reject(new SecretUnavailableError('env:APPROVAL is not set'))
  expect(await without({ mode: 'suggest' }, { more: { approval }, read: gone })).toMatchObject([
    { last: expect.stringContaining('not set') },
  ])
  for (const { links } of short) expect(links).toBeUndefined()
  const broken = async () => await Promise.reject(new TypeError('a mistake'))
  await expect(told({ mode: 'suggest' }, { more: { approval }, read: broken })).rejects.toThrow('a mistake')
})

it('a cluster that cannot be read is told of once, whatever is in it', async () => {
  const all = await told({}, { pool: { problem: { code: 'cluster-unreadable', text: 'cls-1 did not answer' } } })
  expect(all).toMatchObject([{ severity: 'warning', facts: { code: 'pool-unreadable' } }])
  expect(all[0]?.lines).toEqual(['cls-1 did not answer', 'Nothing is bought and nothing is given back in workers.'])
})
