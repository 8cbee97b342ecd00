import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { bundleFunction } from '#infra/build/bundle.ts'
import { compileConfig, readPackagedConfig } from '#infra/build/compile-config.ts'
import { listFunctions, readFunctionFile } from '#infra/build/function-file.ts'
import { type InspectedFunction, inspectPermissions, inspectSize, inspectTemplate, inspectZip } from '#infra/build/inspect.ts'
import type { Template } from '#infra/build/template.ts'
import { zipEntries } from '#infra/build/zip-entries.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { functionNames } from '#shared/runtime/definition.ts'

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)

/** The repository as a fresh clone has it, with the installed packages linked in. */
async function cloneTo(folder: string, config?: string): Promise<void> {
  await mkdir(folder)
  for (const name of ['functions', 'shared', 'infra', 'package.json', 'tsconfig.json', 'serverless.yml']) {
    await cp(join(root, name), join(folder, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  if (config !== undefined) await writeFile(join(folder, 'longshore.yaml'), config)
}

/** Packages as `npm run package` does, with credentials and a proxy in the environment that must not be used. */
async function packageIn(folder: string): Promise<string> {
  const env = {
    PATH: process.env.PATH ?? '',
    AWS_ACCESS_KEY_ID: 'AKIAPLANTED',
    AWS_SECRET_ACCESS_KEY: 'planted-secret',
    AWS_PROFILE: 'no-such-profile',
    TENCENTCLOUD_REGION: 'from-the-environment',
    HTTPS_PROXY: 'http://127.0.0.1:1',
  }
  const { stdout } = await run(process.execPath, ['infra/build/package.ts'], { cwd: folder, env })
  return stdout
}

async function hashesOf(folder: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {}
  for (const part of ['dist', '.serverless']) {
    for (const entry of await readdir(join(folder, part), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      // osls names the upload after the moment; nothing else may differ.
      const content = (await readFile(path)).toString('latin1').replaceAll(/\d{13}-\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'MOMENT')
      hashes[path.slice(folder.length + 1)] = createHash('sha256').update(content).digest('hex')
    }
  }
  return hashes
}

let folder: string
let output: string
let template: Template
let functions: InspectedFunction[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-package-'))
  await Promise.all([cloneTo(join(folder, 'one')), cloneTo(join(folder, 'two'))])
  const [first] = await Promise.all([packageIn(join(folder, 'one')), packageIn(join(folder, 'two'))])
  output = first
  template = JSON.parse(await readFile(join(folder, 'one/.serverless/cloudformation-template-update-stack.json'), 'utf8')) as Template
  functions = await Promise.all((await listFunctions(root)).map(async (name) => ({ name, file: await readFunctionFile(root, name) })))
}, 60_000)
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('the package', () => {
  it('is the same, byte for byte, wherever and whenever it is made', async () => {
    const hashes = await hashesOf(join(folder, 'one'))
    expect(Object.keys(hashes).filter((path) => path.endsWith('.zip'))).toHaveLength(functions.length)
    // serverless-state.json holds the folder's own path; it is osls's note to itself and is not deployed.
    const deployed = (all: Record<string, string>) =>
      Object.fromEntries(Object.entries(all).filter(([path]) => !path.endsWith('serverless-state.json')))
    expect(deployed(await hashesOf(join(folder, 'two')))).toEqual(deployed(hashes))
  })

  it('holds nothing of the environment that it was made in', async () => {
    for (const path of Object.keys(await hashesOf(join(folder, 'one')))) {
      const content = await readFile(join(folder, 'one', path), 'latin1')
      expect(content).not.toMatch(/AKIAPLANTED|planted-secret|from-the-environment|no-such-profile/)
      if (!path.endsWith('serverless-state.json')) expect(content).not.toContain(folder)
    }
  })

  it('says what each function weighs and may do', () => {
    for (const { name, file } of functions) {
      expect(output).toMatch(new RegExp(`^${name}: \\d+\\.\\d KiB in \\d+ files`, 'm'))
      expect(output).toContain(`may send ${file.platformActions.join(', ')}`)
    }
  })

  it('has a zip per function with its own folder, and no sources, packages or other functions', async () => {
    for (const { name } of functions) {
      const entries = zipEntries(await readFile(join(folder, `one/.serverless/${name}.zip`)))
      expect(entries).toContain(`dist/${name}/handler.mjs`)
      expect(entries.every((entry) => new RegExp(`^dist/${name}/[a-zA-Z0-9.-]+\\.(?:mjs|json)$`).test(entry))).toBe(true)
    }
  })

  it('loads neither undici, nor yaml, nor the other functions', async () => {
    for (const { name } of functions) {
      const files = await readdir(join(folder, 'one/dist', name))
      for (const file of files.filter((entry) => entry.endsWith('.mjs'))) {
        const text = await readFile(join(folder, 'one/dist', name, file), 'utf8')
        expect(text).not.toMatch(/undici|parseDocument\(|Dynamic require of/)
        // The one trace of yaml: the import on demand that a bundle answers with an explanation.
        expect(text.match(/import\("yaml"\)/g)?.length ?? 0).toBeLessThanOrEqual(1)
      }
    }
  })

  it('has every function that has a folder in serverless.yml, and no other', async () => {
    const serverless = parse(await readFile(join(root, 'serverless.yml'), 'utf8')) as {
      functions: Record<string, string>
      resources: string[]
    }
    const names = await listFunctions(root)
    expect(Object.keys(serverless.functions).sort()).toEqual(names)
    expect(names.every((name) => functionNames.includes(name))).toBe(true)
    for (const name of names) {
      expect(serverless.functions[name]).toBe(`\${file(functions/${name}/function.yml):function}`)
      expect(serverless.resources).toContain(`\${file(infra/resources/${name}.yml)}`)
    }
  })
})

describe('a function out of the package', () => {
  it('runs on a tick with the configuration that was compiled into it', async () => {
    const cloud = await startSandbox()
    try {
      const clone = join(folder, 'configured')
      await cloneTo(
        clone,
        `mode: plan\nplatform:\n  endpoint: ${cloud.url}\n  region: ap-guangzhou\nclusters:\n  - id: ${baseClusters.production}\nfunctions:\n  cron-scaler: {}\n`,
      )
      const config = await readPackagedConfig(clone, localFunctions, Date.parse('2026-11-24T00:00:00Z'))
      if (config === undefined) throw new Error('the configuration was not found')
      const bundle = await bundleFunction(clone, 'cron-scaler')
      await compileConfig(config, 'cron-scaler', join(clone, bundle.folder))
      // Only what is in the zip, elsewhere, with no packages near it.
      const task = join(folder, 'task')
      await cp(join(clone, 'dist'), join(task, 'dist'), { recursive: true })
      const script = `const { handler } = await import('./dist/cron-scaler/handler.mjs')
        const report = await handler({ trigger: 'eventbridge-scheduler', scheduledAt: '2026-01-31T08:00:00Z' }, { getRemainingTimeInMillis: () => 50000 })
        console.log(JSON.stringify(report))`
      const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: task, env })
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      // There is no table here, and mode plan can do without one.
      expect(lines[0]).toMatchObject({
        event: 'memory-not-kept',
        code: 'store.misconfigured',
        reason: expect.stringContaining('LONGSHORE_TABLE'),
      })
      expect(lines[1]).toMatchObject({ event: 'run-started', function: 'cron-scaler', mode: 'plan' })
      expect(lines.at(-1)).toMatchObject({ function: 'cron-scaler', mode: 'plan', trigger: { kind: 'eventbridge-scheduler' } })
      expect(lines.at(-1)).toMatchObject({
        decisions: expect.arrayContaining([expect.objectContaining({ target: expect.stringContaining('pay/Deployment/gateway') })]),
      })
      // A file that was not compiled is refused with an explanation, not with a missing package.
      const yaml = { ...env, LONGSHORE_CONFIG: join(clone, 'longshore.yaml') }
      await expect(run(process.execPath, ['--input-type=module', '-e', script], { cwd: task, env: yaml })).rejects.toThrow(
        /a bundle reads JSON only/,
      )
      expect(cloud.journal.length).toBeGreaterThan(0)
      expect(cloud.journal.filter(({ effect }) => effect === 'write')).toEqual([])
    } finally {
      await cloud.close()
    }
  })

  it('refuses a package with a faulty configuration, naming line and key', async () => {
    const clone = join(folder, 'faulty')
    await cloneTo(clone, 'mode: plan\nclutsers: []\n')
    await expect(packageIn(clone)).rejects.toThrow(
      /longshore\.yaml has 1 problem:\n {2}line 2, clutsers: unknown key; did you mean "clusters"\?/,
    )
  })
})

describe('the inspection finds', () => {
  type Change = (resources: Record<string, { Type: string; Properties: Record<string, never> & Record<string, unknown> }>) => void
  const inspect = (change: Change): string[] => {
    const changed = structuredClone(template)
    change(changed.Resources as unknown as Parameters<Change>[0])
    return inspectTemplate(changed, functions)
  }
  const set = (value: unknown, path: readonly (string | number)[], to: unknown): void => {
    let holder = value as Record<string | number, unknown>
    for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>
    holder[path.at(-1) ?? ''] = to
  }
  const lambda = 'CronDashscalerLambdaFunction'
  const schedule = 'CronDashscalerSchedulerSchedule1'
  const statement = ['Properties', 'Policies', 0, 'PolicyDocument', 'Statement', 0]

  it('nothing in the package as it is', () => {
    expect(inspect(() => undefined)).toEqual([])
  })

  it.each<[string, string, Change]>([
    [
      'a function that is missing',
      'cron-scaler is not in the template',
      (all) => {
        delete all[lambda]
      },
    ],
    [
      'a function that has no folder',
      'OtherLambdaFunction is a function without a folder',
      (all) => {
        set(all, ['OtherLambdaFunction'], structuredClone(all[lambda]))
      },
    ],
    ['another runtime', 'Runtime is "nodejs22.x"', (all) => set(all, [lambda, 'Properties', 'Runtime'], 'nodejs22.x')],
    ['another handler', 'Handler is', (all) => set(all, [lambda, 'Properties', 'Handler'], 'handler.handler')],
    ['another timeout', 'Timeout is 900', (all) => set(all, [lambda, 'Properties', 'Timeout'], 900)],
    ['another memory', 'MemorySize is 128', (all) => set(all, [lambda, 'Properties', 'MemorySize'], 128)],
    [
      'a secret in the environment',
      'TENCENTCLOUD_SECRET_KEY would put a secret',
      (all) => set(all, [lambda, 'Properties', 'Environment'], { Variables: { TENCENTCLOUD_SECRET_KEY: 'x' } }),
    ],
    ['no role', 'has no role of its own', (all) => set(all, [lambda, 'Properties', 'Role'], 'arn:aws:iam::1:role/admin')],
    [
      'one role for function and schedule',
      'uses the role of cron-scaler',
      (all) => set(all, [schedule, 'Properties', 'Target', 'RoleArn'], { 'Fn::GetAtt': ['CronScalerRole', 'Arn'] }),
    ],
    [
      'a role that nobody needs',
      'the role Spare belongs to no function',
      (all) => set(all, ['Spare'], structuredClone(all.CronScalerRole)),
    ],
    [
      'a role that others may assume',
      'is assumed by',
      (all) =>
        set(all, ['CronScalerRole', 'Properties', 'AssumeRolePolicyDocument', 'Statement', 0, 'Principal'], {
          Service: ['lambda.amazonaws.com', 'ec2.amazonaws.com'],
        }),
    ],
    [
      'a role that anybody may assume',
      'is assumed by',
      (all) => set(all, ['CronScalerRole', 'Properties', 'AssumeRolePolicyDocument', 'Statement', 0, 'Principal'], '*'),
    ],
    [
      'managed policies',
      'has managed policies',
      (all) => set(all, ['CronScalerRole', 'Properties', 'ManagedPolicyArns'], ['arn:aws:iam::aws:policy/AdministratorAccess']),
    ],
    ['a wildcard action', 'allows the wildcard action "logs:*"', (all) => set(all, ['CronScalerRole', ...statement, 'Action'], 'logs:*')],
    ['all actions but some', 'allows all but something', (all) => set(all, ['CronScalerRole', ...statement, 'NotAction'], 'iam:*')],
    ['all resources', 'reaches "*"', (all) => set(all, ['CronScalerRole', ...statement, 'Resource'], '*')],
    [
      'another function’s logs',
      "which is not cron-scaler's own",
      (all) =>
        set(all, ['CronScalerRole', ...statement, 'Resource'], {
          'Fn::Sub': 'arn:aws:logs:x:1:log-group:/aws/lambda/longshore-dev-image-cleaner:*',
        }),
    ],
    [
      'a wildcard before the own name',
      "which is not cron-scaler's own",
      (all) =>
        set(all, ['CronScalerRole', ...statement, 'Resource'], {
          'Fn::Sub': 'arn:aws:logs:*:*:log-group:/aws/lambda/longshore-dev-cron-scaler:*',
        }),
    ],
    [
      'logs of all functions that begin alike',
      "which is not cron-scaler's own",
      (all) =>
        set(all, ['CronScalerRole', ...statement, 'Resource'], {
          'Fn::Sub': 'arn:aws:logs:x:1:log-group:/aws/lambda/longshore-dev-cron-scaler*',
        }),
    ],
    [
      'all secrets instead of those of notifiers',
      "which is not cron-scaler's own",
      (all) =>
        set(all, ['CronScalerRole', ...statement], {
          Effect: 'Allow',
          Action: 'ssm:GetParameter',
          Resource: 'arn:aws:ssm:x:*:parameter/longshore/notifiers/*',
        }),
    ],
    [
      'the secrets of notifiers to write',
      "which is not cron-scaler's own",
      (all) =>
        set(all, ['CronScalerRole', ...statement], {
          Effect: 'Allow',
          Action: ['ssm:GetParameter', 'ssm:PutParameter'],
          Resource: 'arn:aws:ssm:x:1:parameter/longshore/notifiers/*',
        }),
    ],
    [
      'the secrets of every function',
      "which is not cron-scaler's own",
      (all) =>
        set(all, ['CronScalerRole', ...statement], {
          Effect: 'Allow',
          Action: 'ssm:GetParameter',
          Resource: 'arn:aws:ssm:x:1:parameter/longshore/*',
        }),
    ],
    [
      'the platform’s credentials to write',
      "which is not cron-scaler's own",
      (all) =>
        set(all, ['CronScalerRole', ...statement], {
          Effect: 'Allow',
          Action: ['ssm:GetParameter', 'ssm:PutParameter'],
          Resource: 'arn:aws:ssm:x:1:parameter/longshore/platform/*',
        }),
    ],
    [
      'every topic',
      "which is not cron-scaler's own",
      (all) => set(all, ['CronScalerRole', ...statement], { Effect: 'Allow', Action: 'sns:Publish', Resource: 'arn:aws:sns:x:1:*' }),
    ],
    [
      'more of a topic than to publish',
      "which is not cron-scaler's own",
      (all) =>
        set(all, ['CronScalerRole', ...statement], {
          Effect: 'Allow',
          Action: ['sns:Publish', 'sns:Subscribe'],
          Resource: 'arn:aws:sns:x:1:ops',
        }),
    ],
    [
      'a schedule that is gone',
      'has no schedule rate(1 minute) in UTC',
      (all) => {
        delete all[schedule]
      },
    ],
    ['a schedule too many', 'has 2 schedules in the template and 1', (all) => set(all, ['Second'], structuredClone(all[schedule]))],
    [
      'another time',
      'has no schedule rate(1 minute) in UTC',
      (all) => set(all, [schedule, 'Properties', 'ScheduleExpression'], 'rate(1 hour)'),
    ],
    ['a schedule that is off', 'is not switched on', (all) => set(all, [schedule, 'Properties', 'State'], 'DISABLED')],
    ['a schedule with leeway', 'may start late', (all) => set(all, [schedule, 'Properties', 'FlexibleTimeWindow', 'Mode'], 'FLEXIBLE')],
    [
      'retries of a tick',
      'retries; the next tick',
      (all) => set(all, [schedule, 'Properties', 'Target', 'RetryPolicy'], { MaximumRetryAttempts: 3 }),
    ],
    ['no dead-letter queue', 'loses ticks', (all) => set(all, [schedule, 'Properties', 'Target', 'DeadLetterConfig'], undefined)],
    [
      'repeats by Lambda',
      'Lambda would repeat a failed event',
      (all) => set(all, ['CronDashscalerLambdaEvConf', 'Properties', 'MaximumRetryAttempts'], 2),
    ],
    [
      'failed events that vanish',
      'a failed event vanishes',
      (all) => set(all, ['CronDashscalerLambdaEvConf', 'Properties', 'DestinationConfig'], undefined),
    ],
    [
      'logs that are kept for ever',
      'keeps its logs for ever',
      (all) => set(all, ['CronDashscalerLogGroup', 'Properties', 'RetentionInDays'], undefined),
    ],
    [
      'a queue without encryption',
      'is not encrypted',
      (all) => set(all, ['CronScalerFailures', 'Properties', 'SqsManagedSseEnabled'], false),
    ],
    [
      'an alarm on errors that is gone',
      'cron-scaler has no alarm on Errors of CronDashscalerLambdaFunction',
      (all) => {
        delete all.CronScalerErrorsAlarm
      },
    ],
    [
      'an alarm on the queue of another function',
      'alarm-scaler has no alarm on ApproximateAgeOfOldestMessage of AlarmScalerQueue',
      (all) =>
        set(all, ['AlarmScalerQueueAgeAlarm', 'Properties', 'Dimensions', 0, 'Value'], {
          'Fn::GetAtt': ['RedeployHookQueue', 'QueueName'],
        }),
    ],
    [
      'silence that is taken for quiet',
      'nobody would hear of it',
      (all) => set(all, ['CronScalerSilentAlarm', 'Properties', 'TreatMissingData'], 'notBreaching'),
    ],
    [
      'an alarm that explains nothing',
      'the alarm CronScalerErrorsAlarm does not say what it means',
      (all) => set(all, ['CronScalerErrorsAlarm', 'Properties', 'AlarmDescription'], undefined),
    ],
    [
      'no limit of concurrency',
      'may take all of the account',
      (all) => set(all, [lambda, 'Properties', 'ReservedConcurrentExecutions'], undefined),
    ],
    [
      'a table with a key of nobody',
      'is not encrypted by a key of this account',
      (all) => set(all, ['StoreTable', 'Properties', 'SSESpecification'], undefined),
    ],
    [
      'a bucket that could be public',
      'could be made public',
      (all) => set(all, ['ServerlessDeploymentBucket', 'Properties', 'PublicAccessBlockConfiguration'], undefined),
    ],
    ['a public address', 'is a AWS::Lambda::Url', (all) => set(all, ['Open'], { Type: 'AWS::Lambda::Url', Properties: {} })],
  ])('%s', (_, text, change) => {
    expect(inspect(change).join('\n')).toContain(text)
  })

  it('a bundle above its budget, far below it, or without one, all of it or at its start', () => {
    const bundle = { function: 'f', folder: 'dist/f', files: [], sizeBytes: 100 * 1024, startBytes: 50 * 1024, sources: [] }
    const budget = (totalKib: number, startKib: number) => inspectSize(bundle, { f: { totalKib, startKib } })
    expect(budget(110, 60)).toEqual([])
    expect(budget(99.9, 60)).toEqual(['the bundle of f is 100.0 KiB, above its budget of 99.9; find out what came in'])
    expect(budget(200, 60)).toEqual(['the bundle of f is 100.0 KiB, far below its budget of 200; lower the budget'])
    expect(budget(110, 49.9)).toEqual(['the start of f is 50.0 KiB, above its budget of 49.9; find out what came in'])
    expect(budget(110, 100)).toEqual(['the start of f is 50.0 KiB, far below its budget of 100; lower the budget'])
    expect(inspectSize(bundle, {})).toEqual(['f has no budget in infra/build/budgets.json; it is 100.0 KiB now, 50.0 at the start'])
  })

  it('permissions that are missing, too many or in disorder', () => {
    expect(inspectPermissions('f', ['tcr:A', 'tke:B'], ['tcr:A', 'tke:B'])).toEqual([])
    expect(inspectPermissions('f', ['tcr:A', 'tke:B'], ['tcr:A'])).toEqual(['f can send tke:B, which its platformActions do not declare'])
    expect(inspectPermissions('f', ['tcr:A'], ['tcr:A', 'tke:B'])).toEqual(['f declares tke:B, which is not in its bundle'])
    expect(inspectPermissions('f', ['tcr:A', 'tke:B'], ['tke:B', 'tcr:A'])).toEqual([
      'the platformActions of f are not sorted, or name one twice',
    ])
  })

  it('a zip with too much or too little in it', () => {
    expect(inspectZip('f', ['dist/f/handler.mjs'], ['handler.mjs'])).toEqual([])
    expect(inspectZip('f', ['node_modules/x.js'], ['handler.mjs'])).toEqual([
      'the zip of f holds node_modules/x.js, which does not belong there',
      'the zip of f misses dist/f/handler.mjs',
    ])
  })
})
