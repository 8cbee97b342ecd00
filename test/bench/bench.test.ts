import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { sections } from '#infra/bench/bench.ts'
import { measureColdStart } from '#infra/bench/cold-start.ts'
import { measureKernelSize } from '#infra/bench/kernel-size.ts'
import { machineFacts } from '#infra/bench/machine.ts'
import { median } from '#infra/bench/median.ts'
import { measureQuietTicks } from '#infra/bench/quiet-tick.ts'
import { benchTable, withBenchTable } from '#infra/bench/readme-table.ts'
import { measureRules } from '#infra/bench/rules.ts'
import { rulesShapes } from '#infra/bench/rules-shapes.ts'
import { goal } from '#infra/bench/section.ts'
import { measureSignatures } from '#infra/bench/signatures.ts'
import { startPlatform } from '#infra/bench/start-platform.ts'
import { measureStore } from '#infra/bench/store.ts'
import { table } from '#infra/bench/table.ts'
import { contenders, measureThroughput } from '#infra/bench/throughput.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** That the bench measures what it says; what it measures is no test, the machine decides that. */
describe('the bench', () => {
  it('lets everybody ask the same platform the same thing and get the same answer', async () => {
    const platform = await startPlatform()
    try {
      const everybody = contenders(platform.port)
      const answers = await Promise.all(everybody.map(({ call }) => call()))
      for (const answer of answers) {
        const unwrapped = typeof answer === 'object' && answer !== null && 'Response' in answer ? answer.Response : answer
        expect(unwrapped).toEqual({ TotalCount: 0, Clusters: [], RequestId: 'b5b41468-520d-4192-b42f-595cc34b6c1c' })
      }
      for (const { close } of everybody) await close()
    } finally {
      platform.stop()
    }
  })

  it('reports calls per second and processor time of each contender at each concurrency', async () => {
    const platform = await startPlatform()
    try {
      const rows = await measureThroughput({ port: platform.port, concurrencies: [1, 5], rounds: 1, sliceMs: 10 })
      expect(rows).toHaveLength(10)
      for (const row of rows) {
        expect(row.callsPerSecond).toBeGreaterThan(0)
        expect(row.cpuMicros).toBeGreaterThan(0)
        if (row.contender === 'official SDK') expect(row.timesSdk).toBe(1)
        if (row.contender === 'undici Pool.request, unsigned') expect(row.timesUndici).toBe(1)
      }
    } finally {
      platform.stop()
    }
  })

  it('reports signatures per second', () => {
    const [ours, theirs] = measureSignatures({ rounds: 1, sliceMs: 10 })
    expect(ours?.signaturesPerSecond).toBeGreaterThan(0)
    expect(theirs).toMatchObject({ signer: 'official SDK', timesSdk: 1 })
  })

  it('starts every client in a process of its own and sees its first answer', async () => {
    const platform = await startPlatform()
    try {
      const rows = await measureColdStart({ root, port: platform.port, rounds: 1 })
      const clients = [
        'empty handler',
        'client over node:http',
        'client over undici',
        'client over undici, pared down',
        'official SDK client',
      ]
      expect(rows.slice(0, 5).map(({ bundle }) => bundle)).toEqual(clients)
      for (const row of rows) {
        expect(row.readyMs).toBeGreaterThan(0)
        expect(row.answeredMs).toBeGreaterThan(row.readyMs)
        expect(row.sizeKib).toBeGreaterThan(0)
      }
      const sizeOf = (name: string): number => rows.find(({ bundle }) => bundle === name)?.sizeKib ?? 0
      expect(sizeOf('client over node:http')).toBeLessThan(sizeOf('client over undici, pared down'))
      expect(sizeOf('client over undici, pared down')).toBeLessThan(sizeOf('client over undici'))
    } finally {
      platform.stop()
    }
  })

  it('says on what machine it ran', () => {
    expect(machineFacts(root)).toMatchObject({ node: process.version, undici: expect.stringMatching(/^8\./) })
  })

  it('takes the median', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([7])]).toEqual([2, 2.5, 7])
    expect(median([])).toBeNaN()
  })

  it('lays out a table', () => {
    expect(
      table([
        { name: 'a', calls: 1234 },
        { name: 'longer', calls: 5.5 },
      ]),
    ).toBe('name    calls\na       1,234\nlonger    5.5\n')
    expect(table([])).toBe('(nothing)\n')
  })

  it('decides rules in processes of their own', async () => {
    const chosen = rulesShapes.filter(({ allDue, source, autoscalers }) => allDue || source === 'config' || autoscalers === true)
    const { rows, goals } = await measureRules({ root, quick: true }, { chosen, count: 1000 })
    expect(rows.map(({ rules }) => rules)).toEqual(chosen.map(({ name }) => name))
    for (const [index, row] of rows.entries()) {
      expect(row).toMatchObject({ count: 1000, targets: 1000 / (chosen[index]?.rulesPerTarget ?? 0) })
      for (const figure of [row.changes, row.cpuMs, row.peakMib, row.timesTenth]) expect(figure).toBeGreaterThan(0)
      // What fires at one instant all has something to do then.
      if (chosen[index]?.allDue === true) expect(row.changes).toBe(row.targets)
    }
    expect(goals).toHaveLength(3)
  }, 60_000)

  it('writes ledger entries to every kind of store, each in two round trips', async () => {
    const { rows, goals } = await measureStore(
      { root, quick: true },
      {
        chosen: [
          { store: 'memory', processes: 1, writers: 2 },
          { store: 'SQLite', processes: 2, writers: 4 },
          { store: 'DynamoDB (dynalite)', processes: 1, writers: 2 },
        ],
        sliceMs: 60,
      },
    )
    expect(rows.map((row) => row.store)).toEqual(['memory', 'SQLite', 'DynamoDB (dynalite)'])
    for (const row of rows) {
      expect(row.entriesPerSecond).toBeGreaterThan(0)
      expect(row.cpuMicros).toBeGreaterThan(0)
      expect(row.roundTrips).toBe(2)
    }
    expect(rows.map(({ timesFlush }) => timesFlush > 0)).toEqual([false, true, false])
    expect(goals?.[0]).toMatchObject({ goal: 'acquire and finish', measured: 2, met: 'yes' })
  }, 60_000)

  it('counts what a tick with nothing due asks of the platform: a list of a cluster’s HPC objects, and nothing for rules of the configuration', async () => {
    const { rows, goals = [] } = await measureQuietTicks()
    const of = (situation: string) => rows.find((row) => row.situation === situation)
    expect(of('rules of the configuration only')).toMatchObject({ clusters: 3, quietTicks: 125, quietMost: 0 })
    expect(of('the same, HPC looked for in vain')).toMatchObject({ clusters: 3, quietLeast: 0, quietMost: 3 })
    expect(of('HPC objects only')).toMatchObject({ clusters: 3, quietLeast: 3, quietMost: 3 })
    for (const row of rows) {
      expect(row.applying).toBeGreaterThan(row.quietLeast)
      expect(row.quietMost).toBeGreaterThanOrEqual(row.quietMean)
    }
    expect(goals.map(({ met }) => met)).toEqual(['yes', 'yes', 'yes', 'yes', 'yes'])
  })

  it('adds up what the kernel takes of each bundle', async () => {
    const { rows } = await measureKernelSize(root)
    expect(rows.map((row) => row.function)).toContain('cron-scaler')
    for (const { bundleKib, kernelKib, atStartKib, files } of rows) {
      expect(kernelKib).toBeGreaterThan(10)
      expect(bundleKib).toBeGreaterThan(kernelKib)
      expect(atStartKib).toBeLessThan(kernelKib)
      expect(files).toBeGreaterThan(10)
    }
  })

  it('holds what is measured against what was promised', () => {
    expect(goal('a', 5, { most: 5 }, 'ms')).toEqual({ goal: 'a', promised: 'at most 5 ms', measured: 5, met: 'yes', ofPromised: 1 })
    expect(goal('a', 5.1, { most: 5 }).met).toBe('no')
    expect(goal('a', 2000, { least: 2000 })).toEqual({ goal: 'a', promised: 'at least 2,000', measured: 2000, met: 'yes', ofPromised: 1 })
    expect(goal('a', 0, { most: 0 })).toEqual({ goal: 'a', promised: 'at most 0', measured: 0, met: 'yes' })
    expect(goal('a', 1999, { least: 2000 }).met).toBe('no')
    expect([goal('a', Number.NaN, { most: 5 }).met, goal('a', Number.NaN, { least: 5 }).met]).toEqual(['no', 'no'])
  })

  it('makes one table for the README, ratios first', () => {
    const machine = { cpu: 'X', cores: 2, memoryGib: 8, system: 'linux', node: 'v24.0.0', undici: '8', sdk: '4', load: 0.1 }
    const compared = [{ section: 'signatures', what: 'signatures', times: 2.5, ours: '50,000', peer: '20,000' }]
    const goals = [{ section: 'store', ...goal('writes', 5, { most: 4 }, 'ms') }]
    const made = benchTable({ machine, compared, goals }, '2026-11-24')
    expect(made.split('\n').slice(2)).toEqual([
      '| ratio | what | measured | peer, or what was promised |',
      '| --- | --- | --- | --- |',
      '| **2.5 ×** | signatures | 50,000 | 20,000 |',
      '| 1.25 **missed** | store: writes | 5 | at most 4 ms |',
    ])
    expect(made).toMatch(/^Measured 2026-11-24 on X, 2 cores, 8 GiB/)
    const readme = 'a\n<!-- bench: written by `npm run bench -- --readme` -->\nold\n<!-- end of bench -->\nb'
    expect(withBenchTable(readme, 'new')).toBe(readme.replace('old', 'new'))
    expect(() => withBenchTable('nothing', 'new')).toThrow('has lost the lines')
  })

  it('runs one section alone, and says which there are', async () => {
    const run = (words: readonly string[]) => promisify(execFile)(process.execPath, ['infra/bench/main.ts', ...words], { cwd: root })
    const { stdout } = await run(['--only', 'kernelSize', '--json'])
    const report = JSON.parse(stdout) as { readonly sections: Record<string, unknown>; readonly goals: readonly unknown[] }
    expect(Object.keys(report.sections)).toEqual(['kernelSize'])
    expect(report.goals).toHaveLength(1)
    await expect(run(['--only', 'rule'])).rejects.toThrow('There is no section "rule"; did you mean "rules"?')
    expect(new Set(sections.map(({ name }) => name)).size).toBe(sections.length)
  })
})
