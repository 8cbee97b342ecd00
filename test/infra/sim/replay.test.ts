import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { coverageText, noCoverage, sumOf } from '#infra/sim/coverage.ts'
import { drawScenario, type SimFunction, simFunctions } from '#infra/sim/scenario.ts'
import { runSeed } from '#infra/sim/seed-run.ts'

const main = fileURLToPath(new URL('../../../infra/sim/main.ts', import.meta.url))
const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Runs the command in a process of its own. */
async function sim(words: readonly string[], zone = 'UTC'): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const env = { ...process.env, TZ: zone }
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, ...words], {
      cwd: root,
      env,
      maxBuffer: 64 * 1024 * 1024,
    })
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
    const traces = new Set<string>()
    for (const seed of [66, 71]) {
      expect(JSON.stringify(drawScenario(seed, of))).toBe(JSON.stringify(drawScenario(seed, of)))
      const trace = await traceOf(seed, of)
      expect(trace.length).toBeGreaterThan(10_000)
      expect(await traceOf(seed, of)).toBe(trace)
      traces.add(trace)
    }
    expect(traces.size).toBe(2)
  })

  it('gives the same trace while other worlds run beside it', async () => {
    const alone = await traceOf(66, 'cron-scaler')
    const [beside] = await Promise.all([traceOf(66, 'cron-scaler'), traceOf(1, 'cron-scaler'), traceOf(71, 'relative-probe')])
    expect(beside).toBe(alone)
  })

  it('gives the same trace in another process, in whatever zone it lives', async () => {
    const trace = await traceOf(66, 'cron-scaler')
    const { code, out } = await sim(['--seed', '66', '--trace'], 'America/Lima')
    expect(code).toBe(0)
    expect(out.startsWith(trace)).toBe(true)
    expect(out.slice(trace.length)).toContain(createHash('sha256').update(trace).digest('hex'))
    expect(out.trimEnd().split('\n').at(-1)).toBe('seeds 1 violations 0')
  })
})

describe('the command', () => {
  it('says of many seeds what each of them says, on however many threads', async () => {
    const { code, out } = await sim(['--seeds', '3', '--seed', '71', '--function', 'relative-probe', '--threads', '2'])
    let coverage = noCoverage
    for (const seed of [71, 72, 73]) coverage = sumOf(coverage, (await runSeed(seed, 'relative-probe')).coverage)
    expect(coverage.runs).toBeGreaterThan(50)
    expect(out).toBe(`${coverageText(coverage)}\nseeds 3 violations 0\n`)
    expect(code).toBe(0)
  })

  it('refuses words that make no sense, and says how it is used', async () => {
    const { code, out, err } = await sim(['--seeds', '0'])
    expect(code).toBe(1)
    expect(err).toContain('--seeds takes a whole number from 1, not "0".\n\nnpm run sim -- --seeds <n>')
    expect(out).toBe('')
  })
})
