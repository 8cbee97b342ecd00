import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { measureColdStart } from '#infra/bench/cold-start.ts'
import { machineFacts } from '#infra/bench/machine.ts'
import { median } from '#infra/bench/median.ts'
import { measureSignatures } from '#infra/bench/signatures.ts'
import { startPlatform } from '#infra/bench/start-platform.ts'
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
})
