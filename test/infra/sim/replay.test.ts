import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { runManySeeds } from '#infra/sim/many-seeds.ts'
import { drawScenario, type SimFunction, simFunctions } from '#infra/sim/scenario.ts'
import { runSeed } from '#infra/sim/seed-run.ts'

const main = fileURLToPath(new URL('../../../infra/sim/main.ts', import.meta.url))
const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Runs the command in a process of its own. */
async function sim(...words: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, ...words], { cwd: root, maxBuffer: 64 * 1024 * 1024 })
    return { code: 0, out: stdout, err: stderr }
  } catch (error) {
    const failed = error as { readonly code: number; readonly stdout: string; readonly stderr: string }
    return { code: failed.code, out: failed.stdout, err: failed.stderr }
  }
}

async function traceOf(seed: number, of: SimFunction): Promise<string> {
  return (await runSeed(seed, of)).history.text()
}

describe('27: the same seed', () => {
  it.for(simFunctions)('draws the same scenario and gives the same trace of %s, byte for byte', async (of) => {
    for (const seed of [3, 28]) {
      expect(JSON.stringify(drawScenario(seed, of))).toBe(JSON.stringify(drawScenario(seed, of)))
      const trace = await traceOf(seed, of)
      expect(trace.length).toBeGreaterThan(10_000)
      expect(await traceOf(seed, of)).toBe(trace)
    }
  })

  it('gives the same trace while other worlds run beside it', async () => {
    const alone = await traceOf(3, 'cron-scaler')
    const [beside] = await Promise.all([traceOf(3, 'cron-scaler'), traceOf(4, 'cron-scaler'), traceOf(3, 'relative-probe')])
    expect(beside).toBe(alone)
  })

  it('gives the same trace in another process', async () => {
    const trace = await traceOf(2, 'cron-scaler')
    const { code, out } = await sim('--seed', '2', '--trace')
    expect(code).toBe(0)
    expect(out.startsWith(trace)).toBe(true)
    expect(out.slice(trace.length)).toContain(createHash('sha256').update(trace).digest('hex'))
    expect(out.trimEnd().split('\n').at(-1)).toBe('seeds 1 violations 0')
  })

  it('gives another trace for another seed', async () => {
    expect(await traceOf(3, 'cron-scaler')).not.toBe(await traceOf(4, 'cron-scaler'))
  })
})

describe('the command', () => {
  it('says the same of many seeds, on however many threads', async () => {
    const one = await runManySeeds({ first: 1, count: 4, of: 'relative-probe', threads: 1 })
    const three = await runManySeeds({ first: 1, count: 4, of: 'relative-probe', threads: 3 })
    expect(three).toEqual(one)
    expect(one.coverage.runs).toBeGreaterThan(50)
  })

  it('ends with the number of seeds and violations', async () => {
    const { code, out } = await sim('--seeds', '2', '--seed', '5', '--function', 'relative-probe', '--threads', '1')
    expect(code).toBe(0)
    expect(out.trimEnd().split('\n').at(-1)).toBe('seeds 2 violations 0')
  })

  it.for([
    [['--seeds', '0'], '--seeds takes a whole number from 1, not "0".'],
    [['--seed', 'x'], '--seed takes a whole number from 1, not "x".'],
    [['--function', 'nothing', '--seed', '1'], '--function takes cron-scaler or relative-probe, not "nothing".'],
    [['--seeds', '2', '--trace'], '--trace goes with one seed: give --seed alone.'],
    [['--sed', '2'], "Unknown option '--sed'"],
  ] as const)('refuses %j', async ([words, text]) => {
    const { code, out, err } = await sim(...words)
    expect(code).toBe(1)
    expect(err).toContain(text)
    expect(out).toBe('')
  })
})
