import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { controllerChecks } from '../../contract/kubernetes-controllers.ts'
import { sandboxApi } from '../../contract/kubernetes-sandbox.ts'
import { kubernetesChecks, runCheck } from '../../contract/kubernetes-suite.ts'
import type { Exchange } from '../../contract/kubernetes-transcript.ts'
import { buildKubernetes, type RealKubernetes, startKubernetes } from './real-api.ts'

const recorded = JSON.parse(readFileSync(join(import.meta.dirname, '../../contract/kubernetes-recorded.json'), 'utf8')) as {
  [check: string]: Exchange[]
}

beforeAll(() => buildKubernetes())

describe.each([
  { what: 'the API', checks: kubernetesChecks, controllers: false },
  { what: 'the controllers', checks: controllerChecks, controllers: true },
])('$what of the sandbox and of a real server', ({ checks, controllers }) => {
  let real: RealKubernetes
  const sandbox = sandboxApi(controllers)

  beforeAll(async () => {
    real = await startKubernetes(controllers)
  })

  afterAll(() => real.stop())

  test.each(checks.map((check) => [check.name, check] as const))('%s', async (name, check) => {
    const expected = await runCheck(check, real.api)
    expect(await runCheck(check, sandbox), 'the sandbox').toEqual(expected)
    expect(recorded[name], 'the recording; node test/e2e/kube/compare.ts --record makes a new one').toEqual(expected)
  })
})
