import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { localFunctions } from '#infra/local/local-functions.ts'
import { readPackagedConfig } from './compile-config.ts'
import { oslsPath } from './osls.ts'
import { packageAll } from './package.ts'

const help = `Usage: npm run deploy -- --stage NAME [options]

Packages every function with the longshore.yaml of this folder, inspects what comes out as \`npm run package\` does, and hands exactly
that to CloudFormation. Needs credentials for AWS (environment, profile or role) that may deploy; docs/deploy.md has the prerequisites.

  --stage NAME       names the stack: longshore-NAME; letters, digits and hyphens
  --region REGION    of AWS (ap-southeast-1)
  --alarm-topic ARN  topic of SNS that alarms tell; without one they only show in the console
  --dry-run          ends after packaging: nothing is sent anywhere

Example: npm run deploy -- --stage staging --region ap-southeast-1 --dry-run`

/** What the words ask for; a mistake in them as a sentence. */
export type DeployOrder =
  | {
      readonly kind: 'deploy'
      readonly stage: string
      readonly region: string | undefined
      readonly topic: string | undefined
      readonly dry: boolean
    }
  | { readonly kind: 'help' }
  | { readonly kind: 'mistake'; readonly text: string }

export function readDeployWords(words: readonly string[]): DeployOrder {
  let values: { stage?: string; region?: string; 'alarm-topic'?: string; 'dry-run'?: boolean; help?: boolean }
  try {
    values = parseArgs({
      args: [...words],
      options: {
        stage: { type: 'string' },
        region: { type: 'string' },
        'alarm-topic': { type: 'string' },
        'dry-run': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return { kind: 'mistake', text: error.message }
  }
  if (values.help === true) return { kind: 'help' }
  const { stage, region, 'alarm-topic': topic } = values
  if (stage === undefined) return { kind: 'mistake', text: '--stage is needed: it names the stack, such as --stage production' }
  if (!/^[a-z][a-z0-9-]{0,29}$/.test(stage))
    return { kind: 'mistake', text: `--stage ${stage}: write up to 30 small letters, digits and hyphens, the first one a letter` }
  if (region !== undefined && !/^[a-z]{2}(-[a-z]+)+-\d$/.test(region))
    return { kind: 'mistake', text: `--region ${region} is no region of AWS, such as ap-southeast-1` }
  if (topic !== undefined && !/^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[\w-]+$/.test(topic))
    return {
      kind: 'mistake',
      text: `--alarm-topic ${topic} is no ARN of a topic, such as arn:aws:sns:ap-southeast-1:111122223333:operations`,
    }
  return { kind: 'deploy', stage, region, topic, dry: values['dry-run'] === true }
}

/** Packages, inspects, deploys. Answers the exit code. */
async function deploy(root: string, { stage, region, topic, dry }: DeployOrder & { readonly kind: 'deploy' }): Promise<number> {
  if ((await readPackagedConfig(root, localFunctions, Date.now())) === undefined) {
    console.error(
      'There is no longshore.yaml in this folder: the functions would have no clusters, no rules and mode plan. Write one (README, "On a real platform") and check it with `npx longshore validate`.',
    )
    return 1
  }
  const words = [
    '--stage',
    stage,
    ...(region === undefined ? [] : ['--region', region]),
    ...(topic === undefined ? [] : ['--param', `alarmTopic=${topic}`]),
  ]
  const packaged = await packageAll(root, { stage, words })
  console.log(`packaged and inspected ${packaged.length} functions for the stack longshore-${stage}; zips and template are in .serverless/`)
  if (dry) {
    console.log('Nothing was deployed (--dry-run).')
    return 0
  }
  const child = spawn(process.execPath, [oslsPath(root), 'deploy', '--package', '.serverless', ...words], { cwd: root, stdio: 'inherit' })
  return await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 1))
  })
}

if (import.meta.main) {
  const order = readDeployWords(process.argv.slice(2))
  if (order.kind === 'help') console.log(help)
  else if (order.kind === 'mistake') {
    console.error(`deploy: ${order.text}\n\n${help}`)
    process.exitCode = 1
  } else {
    try {
      process.exitCode = await deploy(join(import.meta.dirname, '../..'), order)
    } catch (error) {
      console.error(error instanceof Error ? error.message : error)
      process.exitCode = 1
    }
  }
}
