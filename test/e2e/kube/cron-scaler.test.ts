import { afterAll, beforeAll, describe, test } from 'vitest'
import { cronScalerScenario, playPart, prepareScenario } from '../../scenario/cron-scaler-scenario.ts'
import { openScenario, type ScenarioPort } from '../../scenario/scenario-port.ts'
import { buildKubernetes, type RealKubernetes, startKubernetes } from './real-api.ts'

const dayMs = 86_400_000

/** The same that the default tests play on the sandbox's own Kubernetes; here it hands everything on to a real API server. */
describe('the cron scaler on a real API server', () => {
  let real: RealKubernetes
  let port: ScenarioPort

  beforeAll(async () => {
    await buildKubernetes()
    real = await startKubernetes(false)
    // Objects are made at the machine's time, so the scenario plays on the day after tomorrow.
    const todayMs = Date.now() - (Date.now() % dayMs)
    port = await openScenario({ dayMs: todayMs + 2 * dayMs, attach: real.attach })
    await prepareScenario(port)
  })

  afterAll(async () => {
    await port.close()
    await real.stop()
  })

  test.each(cronScalerScenario.map((part, index) => [part.name, part, index] as const))('%s', (_, part, index) =>
    playPart(port, part, index),
  )
})
