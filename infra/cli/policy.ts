import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { definition as imageCleaner } from '#functions/image-cleaner/definition.ts'
import { awsGrants } from '#infra/build/aws-policy.ts'
import { type CamLimits, type CamPolicy, camPolicy } from '#infra/build/cam-policy.ts'
import { readFunctionFile } from '#infra/build/function-file.ts'
import { projectRoot } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { readConfig } from '#infra/local/platform.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { functionNamed } from './with-platform.ts'
import { configPathOf } from './words.ts'

export const policy: Command = {
  summary: 'print the least access policy that a function needs',
  help: `Usage: longshore policy [function] [--config FILE] [--aws]

Prints, as JSON, what the identity that a function signs as has to be allowed on the platform (CAM): exactly the actions that its
bundle can send, limited to the configured clusters and repositories where the platform can limit them. Without a function: one
policy that is enough for all of them. With --aws: the statements of the role that a function has on AWS, from the template
that is deployed. Asks nobody, and needs no credentials.

Without a configuration (longshore.yaml, or the one that --config names) every cluster and repository is allowed.

Example: longshore policy image-cleaner`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { config: { type: 'string' }, aws: { type: 'boolean' } },
    })
    const [name, ...more] = positionals
    if (more.length > 0) throw new UsageError('name one function, or none for all of them')
    const names = name === undefined ? localFunctions.map((fn) => fn.name) : [functionNamed(name).name]
    const made = values.aws === true ? await awsPolicies(names) : await platformPolicy(names, await limitsOf(values.config, io))
    io.out(JSON.stringify(made, null, 2))
    return 0
  },
}

async function platformPolicy(names: readonly FunctionName[], limits: CamLimits): Promise<CamPolicy> {
  const actions = new Set<string>()
  for (const name of names) for (const action of (await readFunctionFile(projectRoot, name)).platformActions) actions.add(action)
  const parts = [...actions].sort().map((action) => {
    const [service = '', actionName = ''] = action.split(':')
    return { service, name: actionName }
  })
  return camPolicy(parts, limits)
}

/** What IAM takes as a policy, for each function: they have roles of their own. */
async function awsPolicies(names: readonly FunctionName[]): Promise<Readonly<Record<string, unknown>>> {
  const policies: Record<string, unknown> = {}
  for (const name of names) {
    const { role } = (await readFunctionFile(projectRoot, name)).function
    const grants = await awsGrants(projectRoot, name, role)
    policies[name] = {
      Version: '2012-10-17',
      Statement: grants.map(({ action, resource }) => ({ Effect: 'Allow', Action: action, Resource: resource })),
    }
  }
  return policies
}

async function limitsOf(given: string | undefined, io: CommandIo): Promise<CamLimits> {
  const path = configPathOf(given, io.env)
  if (given === undefined && !(await isThere(resolve(io.cwd, path)))) {
    io.err(`There is no ${path} here: every cluster and repository is allowed. Name a configuration by --config to limit that.`)
    return { clusterIds: [] }
  }
  const config = await readConfig({ env: io.env, path, folder: io.cwd })
  return { clusterIds: config.clusters.map(({ id }) => id), repositories: await repositoriesOf(config) }
}

/** The repositories that the image cleaner has policies for. A quarantine is copied into, and emptied in its time. */
async function repositoriesOf(config: Config): Promise<readonly string[]> {
  if (config.functions[imageCleaner.name] === undefined) return []
  const { settings } = await functionConfig(config, imageCleaner)
  const globs = settings.policies.flatMap(({ repositories }) => repositories.map(({ pattern }) => pattern))
  return settings.quarantine === undefined ? globs : [...globs, settings.quarantine.repository]
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}
