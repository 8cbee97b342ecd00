import { parentPort, workerData } from 'node:worker_threads'
import { readJob } from './many-seeds.ts'
import { runSeed, violationText } from './seed-run.ts'

/** A thread that lives through its share of the seeds and tells what came of each. */
const { seeds, of } = readJob(workerData)
for (const seed of seeds) {
  const run = await runSeed(seed, of)
  const texts = run.violations.map((violation) => violationText(run, violation))
  parentPort?.postMessage({ seed, texts, coverage: run.coverage, days: run.days ?? [] })
}
