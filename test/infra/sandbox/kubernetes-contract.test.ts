import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { controllerChecks } from '../../contract/kubernetes-controllers.ts'
import { sandboxApi } from '../../contract/kubernetes-sandbox.ts'
import { kubernetesChecks, runCheck } from '../../contract/kubernetes-suite.ts'
import type { Exchange } from '../../contract/kubernetes-transcript.ts'

/** What a real kube-apiserver and kube-controller-manager 1.20.2 said to the same checks. */
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, '../../contract/kubernetes-recorded.json'), 'utf8')) as {
  [check: string]: Exchange[]
}

test('every check has a recording of a real server, and every recording a check', () => {
  const names = [...kubernetesChecks, ...controllerChecks].map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(Object.keys(recorded).sort()).toEqual([...names].sort())
  expect(Object.values(recorded).flat().length).toBeGreaterThan(650)
})

describe.each([
  { what: 'API', checks: kubernetesChecks, controllers: false },
  { what: 'controllers', checks: controllerChecks, controllers: true },
])('the $what of the sandbox say what the real ones said', ({ checks, controllers }) => {
  const api = sandboxApi(controllers)

  test.each(checks.map((check) => [check.name, check] as const))('%s', async (name, check) => {
    expect(await runCheck(check, api)).toEqual(recorded[name])
  })
})
