import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportSamples } from '#infra/cli/license-export.ts'
import { showHeadroom } from '#infra/cli/license-headroom.ts'
import { showReport } from '#infra/cli/license-report.ts'
import { makeSnapshot } from '#infra/cli/license-snapshot.ts'
import { noteGap } from '#shared/licence/gap-store.ts'
import { throwAwayOld } from '#shared/licence/retention.ts'
import { rollUpDays } from '#shared/licence/rollup-store.ts'
import { readPublicKey } from '#shared/licence/snapshot-key.ts'
import { verifySnapshot } from '#shared/licence/snapshot-verify.ts'
import { pemPair } from '../../shared/licence/snapshot-fixture.ts'
import { cellsOf, emptyMemory, measure, worldOf } from './license-platform.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-licence-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

const settings = { passMeans: 'over', entitlements: [{ product: 'x86', cores: 100 }] }

/** Some hours on both sides of a month's end in Shanghai, which is 16:00 UTC: 12:00 to 17:00 but one. */
async function someHours() {
  const memory = await emptyMemory()
  await measure(memory, {
    '2026-10-31T12': { x86: '90', arm: '8' },
    '2026-10-31T13': { x86: '104.5', arm: 'N/A' },
    '2026-10-31T15': { x86: '80', arm: '1,024' },
    '2026-10-31T16': { x86: '70', arm: '12' },
    '2026-10-31T17': { x86: '71' },
  })
  await noteGap(memory, 'ap-guangzhou', '2026-10-31T14:00:00Z', { code: 'cloud.timeout', text: 'CollectAllCore did not answer' })
  return memory
}

describe('longshore license report', () => {
  test('says the highest of each month in the zone, what was entitled then, what was not measured and why', async () => {
    const { io, world, out } = worldOf(await someHours(), { now: '2026-10-31T17:40:00Z', settings })
    expect(await showReport(io, world, { year: '2026' })).toBe(0)
    const lines = out().split('\n')
    expect(lines[0]).toBe('Licence usage of 2026, from 2026-01-01 to 2026-12-31, days of Asia/Shanghai.')
    // 304 days of 24 hours up to the end of October in Shanghai, and two hours of November.
    expect(lines[2]).toBe('ap-guangzhou: 5 of 7,298 hours measured (0.1 %); 2 gaps, the longest 7292 h from 2026-01-01 00:00.')
    expect(lines).toContain('  x86 (=of x86): 71 of 100 core (71.0 %); no forecast yet: 0 of 14 days are measured')
    const months = lines.filter((line) => /^ {4}2026-1\d /.test(line))
    expect(months.map((line) => line.trim().split(/ {2,}/))).toEqual([
      // Of x86: above what is entitled on one day.
      ['2026-10', '104.5', '2026-10-31', '100', '104.5 %', '1', '0.4 %'],
      ['2026-11', '71', '2026-11-01', '100', '71.0 %', '100.0 %'],
      // What could not be read is not measured, and not zero.
      ['2026-10', '1024', '2026-10-31', 'not configured', '0.3 %'],
      ['2026-11', '12', '2026-11-01', 'not configured', '50.0 %'],
    ])
    const gaps = lines.slice(lines.findIndex((line) => line.includes('not measured from')) + 1)
    expect(gaps.slice(0, 2).map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['2026-01-01 00:00', '2026-10-31 20:00', '7292', 'nothing was noted: nobody looked'],
      ['2026-10-31 22:00', '2026-10-31 23:00', '1', 'CollectAllCore did not answer'],
    ])
  })

  test('counts the running hour as a gap only when it is over', async () => {
    const memory = await someHours()
    const coverageAt = async (now: string): Promise<string> => {
      const { io, world, out } = worldOf(memory, { now, settings })
      await showReport(io, world, { month: '2026-11' })
      return /: (\d+ of \d+ hours)/.exec(out())?.[1] ?? ''
    }
    expect(await coverageAt('2026-10-31T17:40:00Z')).toBe('2 of 2 hours')
    expect(await coverageAt('2026-10-31T18:40:00Z')).toBe('2 of 2 hours')
    expect(await coverageAt('2026-10-31T19:00:00Z')).toBe('2 of 3 hours')
  })

  test('a month is the same from rollups as from samples', async () => {
    const memory = await someHours()
    const textAt = async (): Promise<string> => {
      const { io, world, out } = worldOf(memory, { now: '2026-11-03T17:40:00Z', settings })
      await showReport(io, world, { month: '2026-10', json: true })
      return out()
    }
    const before = await textAt()
    expect(
      await rollUpDays(memory, 'ap-guangzhou', { zone: 'Asia/Shanghai', sums: [] }, Date.parse('2026-11-03T17:40:00Z')),
    ).toBeGreaterThan(0)
    expect(await textAt()).toBe(before)
  })

  test('of a region where nothing was ever measured says so, and what Pass means when nobody has said it', async () => {
    const { io, world, out } = worldOf(await someHours(), {
      now: '2026-10-31T17:40:00Z',
      settings: { entitlements: settings.entitlements },
      regions: ['ap-guangzhou', 'ap-beijing'],
    })
    await showReport(io, world, { year: '2026' })
    expect(out()).toContain('ap-beijing: 0 of 7,297 hours measured (0.0 %)')
    expect(out()).toContain('Nothing was ever measured here.')
    expect(out()).toContain('The platform was never asked.')
    expect(out()).toContain('what that means is not set, so it decides nothing')
  })

  test('the page shows what platforms call their products as text', async () => {
    const memory = await emptyMemory()
    const hostile = '</script><img src=x onerror=alert(1)>'
    await measure(memory, { '2026-10-31T12': { [hostile]: '5' } })
    const { io, world } = worldOf(memory, { now: '2026-10-31T12:40:00Z', cwd: folder })
    await showReport(io, world, { year: '2026', html: 'hostile.html' })
    const page = await readFile(join(folder, 'hostile.html'), 'utf8')
    expect(page).not.toContain('<img')
    expect(page).toContain('&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;')
  })
})

describe('longshore license headroom', () => {
  async function weeks(last: number): Promise<Awaited<ReturnType<typeof emptyMemory>>> {
    const memory = await emptyMemory()
    const startMs = Date.parse('2026-10-01T00:00:00Z')
    for (let hour = 0; hour <= 30 * 24; hour += 1) {
      const atMs = startMs + hour * 3_600_000
      await measure(memory, {
        [new Date(atMs).toISOString().slice(0, 13)]: { x86: String(Math.floor(60 + ((last - 60) * hour) / (30 * 24))) },
      })
    }
    return memory
  }

  test('says when it is used up at this rate, and how many nodes still fit', async () => {
    const memory = await weeks(75)
    const { world, out } = worldOf(memory, { now: '2026-10-31T00:30:00Z', settings })
    // Half a core a day, 25 are left.
    expect(await showHeadroom(world, { 'node-cores': '8' })).toBe(0)
    const lines = out().split('\n')
    expect(lines[0]).toBe('ap-guangzhou: 3 nodes of 8 cores still fit')
    const [, likely = ''] =
      /x86: 75 of 100 core \(75\.0 %\), 25 free; at this rate blocked about (2026-12-\d\d) \(between/.exec(lines[1] ?? '') ?? []
    expect(Math.abs(Date.parse(likely) - Date.parse('2026-12-20'))).toBeLessThan(5 * 86_400_000)
    expect(out()).toContain('Measured in the hour of 2026-10-31 08:00 (Asia/Shanghai).')
    expect(out()).toContain('The meter has not remembered this for other functions yet')
    const one = worldOf(memory, { now: '2026-10-31T00:30:00Z', settings })
    expect(await showHeadroom(one.world, {})).toBe(0)
    expect(one.out()).toContain('1 node of 16 cores still fits')
    const none = worldOf(memory, { now: '2026-10-31T00:30:00Z', settings })
    expect(await showHeadroom(none.world, { 'node-cores': '26' })).toBe(2)
    expect(none.out()).toContain('no node of 26 cores fits any more')
  })

  test('what is not known is not free, and old figures are called old', async () => {
    const memory = await emptyMemory()
    await measure(memory, { '2026-10-31T12': { x86: 'N/A' } })
    const unread = worldOf(memory, { now: '2026-10-31T12:40:00Z', settings })
    expect(await showHeadroom(unread.world, {})).toBe(2)
    expect(unread.out()).toContain('nobody knows whether a node of 16 cores fits')
    expect(unread.out()).toContain('x86: not known: the value "N/A" is no number; no forecast yet: 0 of 14 days are measured')
    const old = worldOf(await someHours(), { now: '2026-10-31T23:40:00Z', settings })
    await showHeadroom(old.world, {})
    expect(old.out()).toContain('which is not now: the meter does not run, or cannot read the region')
    const never = worldOf(await emptyMemory(), { now: '2026-10-31T12:40:00Z', settings })
    expect(await showHeadroom(never.world, {})).toBe(2)
    expect(never.out()).toContain('Nothing was measured here yet.')
  })

  test('what is free at night and not by day is told', async () => {
    const memory = await emptyMemory()
    await measure(memory, { '2026-10-30T06': { x86: '95' }, '2026-10-31T00': { x86: '60' } })
    const { world, out } = worldOf(memory, { now: '2026-10-31T00:30:00Z', settings })
    expect(await showHeadroom(world, {})).toBe(0)
    expect(out()).toContain('2 nodes of 16 cores still fit')
    expect(out()).toContain(
      'At its highest of the last 7 days (2026-10-30) x86 used 95, and 5 were free: none of them would have fitted then.',
    )
    const later = worldOf(memory, { now: '2026-11-06T00:30:00Z', settings })
    await showHeadroom(later.world, {})
    expect(later.out()).not.toContain('At its highest')
  })

  test('unlimited is unlimited, and the word of the platform counts', async () => {
    const memory = await emptyMemory()
    await measure(memory, { '2026-10-31T12': { x86: '5' } }, { pass: 'true' })
    const unlimited = { passMeans: 'ok', entitlements: [{ product: 'x86', cores: 'unlimited' }] }
    const free = worldOf(memory, { now: '2026-10-31T12:40:00Z', settings: unlimited })
    expect(await showHeadroom(free.world, {})).toBe(0)
    expect(free.out()).toContain('any number of nodes of 16 cores fits: it is unlimited')
    const over = worldOf(memory, { now: '2026-10-31T12:40:00Z', settings: { ...unlimited, passMeans: 'over' } })
    expect(await showHeadroom(over.world, {})).toBe(2)
    expect(over.out()).toContain('Pass of the platform contradicts these figures')
  })
})

describe('longshore license export', () => {
  test('has each sample as it came and each hour without one, and no text that a spreadsheet would run', async () => {
    const { io, world, out } = worldOf(await someHours(), { now: '2026-10-31T17:40:00Z', settings, cwd: folder })
    expect(await exportSamples(io, world, { csv: 'samples.csv' })).toBe(0)
    expect(out()).toContain('5 samples, 1 hour without one')
    const [heading, ...rows] = cellsOf(await readFile(join(folder, 'samples.csv'), 'utf8'))
    const row = (index: number) => Object.fromEntries((heading ?? []).map((name, column) => [name, rows[index]?.[column] ?? '']))
    expect(rows).toHaveLength(10)
    expect(row(3)).toMatchObject({
      hour: '2026-10-31T13:00:00Z',
      measured: 'yes',
      product: 'arm',
      usage: '',
      usage_as_it_came: 'N/A',
      entry: '2',
    })
    expect(row(3).why).toBe('the value "N/A" is no number')
    expect(row(4)).toMatchObject({ hour: '2026-10-31T14:00:00Z', measured: 'no', product: '', why: 'CollectAllCore did not answer' })
    expect(row(6)).toMatchObject({
      product: 'arm',
      usage: '1024',
      usage_as_it_came: '1,024',
      description: "'=of arm",
      pass_as_it_came: 'false',
    })
  })

  test('says which samples are not kept any more instead of calling them gaps', async () => {
    const memory = await emptyMemory()
    await measure(memory, { '2026-06-30T12': { x86: '1' }, '2026-09-30T23': { x86: '2' }, '2026-10-31T16': { x86: '3' } })
    const now = Date.parse('2026-12-05T00:00:00Z')
    while ((await rollUpDays(memory, 'ap-guangzhou', { zone: 'Asia/Shanghai', sums: [] }, now)) > 0);
    const keep = { hours: { count: 1, unit: 'month' }, days: { count: 10, unit: 'year' } } as const
    while ((await throwAwayOld(memory, 'ap-guangzhou', 'Asia/Shanghai', keep, now)) > 0);
    const { io, world, err } = worldOf(memory, { now: '2026-12-05T00:00:00Z', settings, cwd: folder })
    await exportSamples(io, world, { csv: 'kept.csv', year: '2026' })
    expect(err()).toBe(
      'ap-guangzhou: samples are kept from 2026-10-01T00:00:00Z on; hours before that are not in the file as samples, and not all of them were gaps.',
    )
    const [, first] = cellsOf(await readFile(join(folder, 'kept.csv'), 'utf8'))
    expect(first?.[1]).toBe('2026-10-01T00:00:00Z')
    await writeFile(join(folder, 'key.pem'), pemPair().privatePem)
    const snapshot = worldOf(memory, { now: '2026-12-05T00:00:00Z', settings, cwd: folder })
    expect(await makeSnapshot(snapshot.io, snapshot.world, { out: 'kept.snapshot', key: 'file:key.pem', month: '2026-06' })).toBe(1)
    expect(snapshot.err()).toContain('No sample of that period is kept any more: there is nothing to sign.')
    expect(await makeSnapshot(snapshot.io, snapshot.world, { out: 'kept.snapshot', key: 'file:key.pem', year: '2026' })).toBe(0)
    expect(snapshot.out()).toContain('1 sample of 1 region from 2026-10-01T00:00:00Z until')
    // The highest of each month outlives them.
    const report = worldOf(memory, { now: '2026-12-05T00:00:00Z', settings })
    await showReport(report.io, report.world, { year: '2026' })
    expect(report.out()).toContain('2026-06  1 ')
  })
})

describe('longshore license snapshot', () => {
  const { privatePem, publicPem } = pemPair()

  test('of a month follows the entry before it, and says under which settings it is to be read', async () => {
    const { io, world, out } = worldOf(await someHours(), {
      now: '2026-11-01T03:00:00Z',
      settings: { ...settings, entitlements: [{ product: 'x*', cores: '12.5', until: '2026-12-31', note: 'contract 7' }] },
      cwd: folder,
    })
    await writeFile(join(folder, 'key.pem'), privatePem)
    expect(await makeSnapshot(io, world, { out: 'november.snapshot', key: 'file:key.pem', month: '2026-11' })).toBe(0)
    expect(out()).toContain('2 samples of 1 region from 2026-10-31T16:00:00Z until 2026-11-01T03:00:00Z')
    const key = readPublicKey(publicPem)
    if (!key.ok) throw new Error(key.error)
    const verdict = await verifySnapshot([await readFile(join(folder, 'november.snapshot'))], key.value)
    if (!verdict.ok) throw new Error(verdict.problem.text)
    expect(verdict.facts.regions).toMatchObject([{ region: 'ap-guangzhou', after: { seq: 3, hour: '2026-10-31T15:00:00Z' }, sums: ['x*'] }])
    expect(verdict.facts.conditions).toEqual({
      entitlements: [{ product: 'x*', cores: '12.5', until: '2026-12-31', note: 'contract 7' }],
      tolerancePercent: '5',
      passMeans: 'over',
      keep: { hours: '13 months', days: '10 years' },
    })
    expect(verdict.summary.regions[0]).toMatchObject({
      measured: 2,
      hours: 11,
      gaps: [{ from: '2026-10-31T18:00:00Z', until: '2026-11-01T03:00:00Z' }],
    })
  })

  test('of all has the reasons of the gaps, as they were noted', async () => {
    const { io, world } = worldOf(await someHours(), { now: '2026-10-31T17:40:00Z', settings, cwd: folder })
    await writeFile(join(folder, 'key.pem'), privatePem)
    await makeSnapshot(io, world, { out: 'all.snapshot', key: 'file:key.pem' })
    const [first = ''] = (await readFile(join(folder, 'all.snapshot'), 'utf8')).split('\n')
    expect(JSON.parse(first).snapshot.regions[0].notes).toEqual([
      { from: '2026-10-31T14:00:00Z', until: '2026-10-31T15:00:00Z', code: 'cloud.timeout', text: 'CollectAllCore did not answer' },
    ])
  })

  test('of nothing is none', async () => {
    const { io, world, err } = worldOf(await emptyMemory(), { now: '2026-10-31T17:40:00Z', settings, cwd: folder })
    await writeFile(join(folder, 'key.pem'), privatePem)
    expect(await makeSnapshot(io, world, { out: 'none.snapshot', key: 'file:key.pem' })).toBe(1)
    expect(err()).toBe('Nothing was ever measured in ap-guangzhou: there is nothing to sign.')
  })
})
