import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { controllerChecks } from '../../contract/kubernetes-controllers.ts'
import { sandboxApi } from '../../contract/kubernetes-sandbox.ts'
import type { KubernetesCheck } from '../../contract/kubernetes-suite.ts'
import { kubernetesChecks, runCheck } from '../../contract/kubernetes-suite.ts'
import type { Exchange, KubernetesApi } from '../../contract/kubernetes-transcript.ts'
import { buildKubernetes, startKubernetes } from './real-api.ts'

/**
 * Runs every check, or those with a text in their name, against a real API server and against the sandbox, and prints where
 * they differ. With `--record` the real server's answers are written where the default tests find them. Exits 1 when
 * anything differs. Run as `node test/e2e/kube/compare.ts [part of a name] [--record]`.
 */
async function main(options: readonly string[]): Promise<void> {
  const only = options.find((option) => !option.startsWith('--'))
  const recorded: Record<string, readonly Exchange[]> = {}
  await buildKubernetes()
  const api = await compare(kubernetesChecks, only, false, recorded)
  const controllers = await compare(controllerChecks, only, true, recorded)
  const counts = { equal: api.equal + controllers.equal, total: api.total + controllers.total, calls: api.calls + controllers.calls }
  if (options.includes('--record') && only === undefined) {
    const target = join(import.meta.dirname, '../../contract/kubernetes-recorded.json')
    await writeFile(target, recordingText(recorded))
    console.log(`recorded ${Object.keys(recorded).length} checks in ${target}`)
  }
  console.log(`${counts.equal} of ${counts.total} checks are the same on both (${counts.calls} calls)`)
  if (counts.equal !== counts.total) process.exitCode = 1
}

/** One exchange on each line, so that a difference between two recordings can be read. */
function recordingText(recorded: Readonly<Record<string, readonly Exchange[]>>): string {
  const checks = Object.entries(recorded).map(
    ([name, exchanges]) => `${JSON.stringify(name)}: [\n${exchanges.map((exchange) => JSON.stringify(exchange)).join(',\n')}\n]`,
  )
  return `{\n${checks.join(',\n')}\n}\n`
}

async function compare(
  checks: readonly KubernetesCheck[],
  only: string | undefined,
  controllers: boolean,
  recorded: Record<string, readonly Exchange[]>,
): Promise<{ equal: number; total: number; calls: number }> {
  const chosen = checks.filter(({ name }) => only === undefined || name.includes(only))
  const counts = { equal: 0, total: chosen.length, calls: 0 }
  if (chosen.length === 0) return counts
  const real = await startKubernetes(controllers)
  try {
    const sandbox = sandboxApi(controllers)
    for (const check of chosen) {
      const expected = await outcome(check, real.api)
      const actual = await outcome(check, sandbox)
      if (expected instanceof Error) {
        console.log(`FAILED on the real server: ${check.name}: ${expected.message}`)
        continue
      }
      recorded[check.name] = expected
      counts.calls += expected.length
      if (actual instanceof Error) console.log(`FAILED on the sandbox: ${check.name}: ${actual.stack}`)
      else if (isDeepStrictEqual(actual, expected)) counts.equal += 1
      else report(check.name, expected, actual)
    }
  } finally {
    await real.stop()
  }
  return counts
}

async function outcome(check: KubernetesCheck, api: KubernetesApi): Promise<readonly Exchange[] | Error> {
  try {
    return await runCheck(check, api)
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
}

function report(name: string, expected: readonly Exchange[], actual: readonly Exchange[]): void {
  console.log(`DIFFERENT: ${name}`)
  for (const [index, exchange] of expected.entries()) {
    const other = actual[index]
    if (isDeepStrictEqual(exchange, other)) continue
    console.log(`  ${exchange.call}`)
    for (const line of differences('', { status: exchange.status, body: exchange.body }, { status: other?.status, body: other?.body }))
      console.log(`    ${line}`)
  }
}

function differences(path: string, real: unknown, sandbox: unknown): string[] {
  if (isDeepStrictEqual(real, sandbox)) return []
  const isHolder = (value: unknown): value is object => typeof value === 'object' && value !== null
  if (!isHolder(real) || !isHolder(sandbox) || Array.isArray(real) !== Array.isArray(sandbox)) {
    return [`${path}: real ${JSON.stringify(real)}, sandbox ${JSON.stringify(sandbox)}`]
  }
  const [left, right] = [new Map(Object.entries(real)), new Map(Object.entries(sandbox))]
  return [...new Set([...left.keys(), ...right.keys()])].flatMap((key) => differences(`${path}/${key}`, left.get(key), right.get(key)))
}

await main(process.argv.slice(2))
