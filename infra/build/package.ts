import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import * as z from 'zod/mini'
import { localFunctions } from '#infra/local/local-functions.ts'
import { type Bundle, bundleFunction } from './bundle.ts'
import { camPolicy } from './cam-policy.ts'
import { compileConfig, readPackagedConfig } from './compile-config.ts'
import { type FunctionFile, listFunctions, readFunctionFile } from './function-file.ts'
import { inspectPermissions, inspectSize, inspectTemplate, inspectZip } from './inspect.ts'
import { oslsPackage } from './osls.ts'
import { actionsOf, actionText } from './permissions.ts'
import { zipEntries } from './zip-entries.ts'

const Budgets = z.record(z.string(), z.strictObject({ totalKib: z.number().check(z.positive()), startKib: z.number().check(z.positive()) }))

const TemplateFile = z.object({ Resources: z.record(z.string(), z.object({ Type: z.string(), Properties: z.optional(z.unknown()) })) })

/** One packaged function. */
export interface PackagedFunction {
  readonly name: string
  readonly file: FunctionFile
  readonly bundle: Bundle
  readonly gzipBytes: number
  /** `service:Action`, sorted. */
  readonly actions: readonly string[]
}

/** For which stack it is packaged: the stage, and the words that tell osls of it. */
export interface PackageFor {
  readonly stage: string
  readonly words: readonly string[]
}

/**
 * Packages everything: bundles each function into dist/, puts the compiled configuration and the access policy beside it, loads every
 * bundle once, lets osls make the zips and the CloudFormation template in .serverless/, and inspects all of it. Needs no
 * network and no credentials, and uses none. Throws with every problem that the inspection found.
 */
export async function packageAll(
  root: string,
  { stage, words }: PackageFor = { stage: 'dev', words: [] },
): Promise<readonly PackagedFunction[]> {
  const budgets = Budgets.parse(JSON.parse(await readFile(join(root, 'infra/build/budgets.json'), 'utf8')))
  const config = await readPackagedConfig(root, localFunctions, Date.now())
  const clusterIds = config?.config.clusters.map(({ id }) => id) ?? []
  const problems: string[] = []
  const packaged: PackagedFunction[] = []
  for (const name of await listFunctions(root)) {
    const file = await readFunctionFile(root, name)
    const bundle = await bundleFunction(root, name)
    const folder = join(root, bundle.folder)
    if (config !== undefined) await compileConfig(config, name, folder)
    const actions = await actionsOf(root, bundle.sources)
    await writeFile(join(folder, 'cam-policy.json'), `${JSON.stringify(camPolicy(actions, { clusterIds }), null, 2)}\n`)
    problems.push(
      ...(await loadProblems(folder, name)),
      ...inspectSize(bundle, budgets),
      ...inspectPermissions(name, actions.map(actionText), file.platformActions),
    )
    packaged.push({ name, file, bundle, gzipBytes: await gzipSize(folder, bundle), actions: actions.map(actionText) })
  }
  await oslsPackage(root, words)
  const template = TemplateFile.parse(
    JSON.parse(await readFile(join(root, '.serverless/cloudformation-template-update-stack.json'), 'utf8')),
  )
  problems.push(...inspectTemplate(template, packaged, stage))
  for (const { name, bundle } of packaged) {
    const entries = zipEntries(await readFile(join(root, `.serverless/${name}.zip`)))
    problems.push(...inspectZip(name, entries, await readdir(join(root, bundle.folder))))
  }
  if (problems.length > 0) throw new Error(`The package is not as it should be:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  return packaged
}

/** Loads a bundle in a process of its own, as the platform would: a bundle that misses something shows here. */
async function loadProblems(folder: string, name: string): Promise<string[]> {
  const url = pathToFileURL(join(folder, 'handler.mjs')).href
  const script = `const { handler } = await import(${JSON.stringify(url)}); if (typeof handler !== 'function') throw new Error('it exports no handler')`
  try {
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd: folder, env: {}, timeout: 30_000 })
    return []
  } catch (error) {
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    return [`the bundle of ${name} cannot be loaded: ${words.split('\n').find((line) => line.includes('Error')) ?? words}`]
  }
}

async function gzipSize(folder: string, bundle: Bundle): Promise<number> {
  const contents = await Promise.all(bundle.files.map(({ name }) => readFile(join(folder, name))))
  return contents.reduce((sum, content) => sum + gzipSync(content).length, 0)
}

if (import.meta.main) {
  const started = performance.now()
  try {
    for (const { name, file, bundle, gzipBytes, actions } of await packageAll(join(import.meta.dirname, '../..'))) {
      console.log(
        `${name}: ${kib(bundle.sizeBytes)} KiB in ${bundle.files.length} files (${kib(bundle.startBytes)} at the start, ${kib(gzipBytes)} compressed)`,
      )
      console.log(`  ${file.function.timeout} s, ${file.function.memorySize} MB, may send ${actions.join(', ') || 'nothing'}`)
    }
    console.log(`packaged and inspected in ${((performance.now() - started) / 1000).toFixed(1)} s; zips and template are in .serverless/`)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}

function kib(bytes: number): string {
  return (bytes / 1024).toFixed(1)
}
