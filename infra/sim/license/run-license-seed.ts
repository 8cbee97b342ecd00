import { type Coverage, noCoverage } from '../coverage.ts'
import { drawScenario } from '../scenario.ts'
import type { SeedRun } from '../seed-run.ts'
import type { SimulateOptions } from '../simulation.ts'
import { checkMeter, readRecords } from './check-license.ts'
import type { SimulatedMeter } from './license-facts.ts'
import { hourMs } from './license-oracle.ts'
import { simulateMeter } from './license-simulation.ts'

/** Lives through the world of a seed of the license-meter and checks what came of it. */
export async function runLicenseSeed(seed: number, options: SimulateOptions): Promise<SeedRun> {
  const simulated = await simulateMeter(drawScenario(seed, 'license-meter'), options)
  return { seed, violations: await checkMeter(simulated), coverage: await coverageOfMeter(simulated), history: simulated.history }
}

async function coverageOfMeter(simulated: SimulatedMeter): Promise<Coverage> {
  const { runs, history, world, scenario } = simulated
  const lives = history.of('process').map(({ text }) => text)
  const records = [...(await readRecords(simulated)).values()]
  const read = runs.flatMap(({ processNow, calls }) =>
    calls.flatMap(({ action, region, requestId }) =>
      action === 'QueryOverage' && requestId !== undefined ? [`${region} ${Math.floor(processNow / hourMs)}`] : [],
    ),
  )
  return {
    ...noCoverage,
    runs: runs.length,
    cuts: lives.filter((text) => text === 'is cut' || text.startsWith('is ended')).length,
    freezes: lives.filter((text) => text.startsWith('stands still')).length,
    storeFaults: history.of('store-failed').length,
    cloudFaults: world.core.faults.fired.length,
    clocksApart: Number(scenario.clocksApartMs > 60_000),
    samples: records.reduce((sum, entries) => sum + entries.length, 0),
    gapHours: records.reduce((sum, entries) => {
      const [first, last] = [entries[0], entries.at(-1)]
      return first === undefined || last === undefined
        ? sum
        : sum + (Date.parse(last.hour) - Date.parse(first.hour)) / hourMs + 1 - entries.length
    }, 0),
    readAgain: read.length - new Set(read).size,
    unwritten: runs.filter(({ failure }) => failure === 'memory-unwritten').length,
  }
}
