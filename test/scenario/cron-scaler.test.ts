import { afterAll, beforeAll, describe, test } from 'vitest'
import { cronScalerScenario, playPart, prepareScenario } from './cron-scaler-scenario.ts'
import { openScenario, type ScenarioPort } from './scenario-port.ts'

/** The same that `npm run e2e:kube` plays on a real API server. */
describe('the cron scaler on the sandbox', () => {
  let port: ScenarioPort

  beforeAll(async () => {
    port = await openScenario({ dayMs: Date.parse('2026-11-24T00:00:00Z') })
    await prepareScenario(port)
  })

  afterAll(() => port.close())

  test.each(cronScalerScenario.map((part, index) => [part.name, part, index] as const))('%s', (_, part, index) =>
    playPart(port, part, index),
  )
})
