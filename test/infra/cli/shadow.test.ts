import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment, scaler, scalerDefinition } from '#infra/sandbox/seeds/kube-objects.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { type Ran, runWords } from './run-words.ts'

const group = 'autoscaling.cloud.tencent.com'
const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }
let folder: string
let sandbox: Sandbox

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-shadow-'))
  sandbox = await startSandbox({ world: createEmptyWorld(Date.now() - 30 * 86_400_000, 1), rates: false })
  await writeFile(
    join(folder, 'longshore.yaml'),
    `mode: enforce
platform: { endpoint: '${sandbox.url}', region: ${emptyCluster.region} }
clusters: [{ id: ${emptyCluster.clusterId} }]
`,
  )
})

afterEach(async () => {
  await sandbox.close()
  await rm(folder, { recursive: true })
})

function put(object: Parameters<typeof putObject>[1]): void {
  const state = sandbox.world.kubernetes[emptyCluster.clusterId]
  if (state === undefined) throw new Error('there is no cluster')
  putObject(state, object, Date.now() - 20 * 86_400_000)
}

/** A schedule that asked for five long ago and asks for nothing else soon: the first of a month two to six weeks ago. */
function stage(name: string, size: number, controllerReplicas = 1): void {
  const now = new Date()
  const past = new Date(now.getTime() - 3 * 86_400_000)
  const schedule = `0 0 0 ${past.getUTCDate()} ${past.getUTCMonth() + 1} *`
  put(deployment({ namespace: 'default', name, image: 'registry.example/web:1', replicas: size }))
  const target = { apiVersion: 'apps/v1', kind: 'Deployment', name }
  put(scalerDefinition(group))
  put(scaler({ group, namespace: 'default', name, target, crons: [{ name: 'up', schedule, targetSize: 5 }] }))
  const controller = { namespace: 'kube-system', name: 'tke-hpc-controller', image: 'registry.example/hpc:1' }
  put(deployment({ ...controller, replicas: controllerReplicas }))
}

function longshore(...words: string[]): Promise<Ran> {
  return runWords(words, { env, cwd: folder })
}

const writes = (): number => sandbox.journal.filter(({ effect }) => effect === 'write').length

describe('longshore shadow', () => {
  test('prints what differs and why, with exit code 2, and writes nothing', async () => {
    stage('web', 3)
    stage('shop', 5)
    const ran = await longshore('shadow', 'cron-scaler')
    expect([ran.code, ran.err]).toEqual([2, ''])
    const [heading, row, ...rest] = ran.out.split('\n')
    expect(heading).toMatch(/^target +firing +ours +theirs +why$/)
    expect(row).toMatch(
      new RegExp(
        `^${emptyCluster.clusterId}/default/Deployment/web +hpc/default/web/up .* Asia/Shanghai +replicas 5 +replicas 3 +unexplained`,
      ),
    )
    expect(rest).toEqual(['', '1 divergence, 1 in agreement. Nothing was changed.'])
    expect(writes()).toBe(0)
  })

  test('as JSON says the same, and what agrees', async () => {
    stage('web', 3)
    stage('shop', 5)
    const ran = await longshore('shadow', 'cron-scaler', '--json')
    expect(ran.code).toBe(2)
    const report = JSON.parse(ran.out)
    expect(report).toMatchObject({
      clusters: [emptyCluster.clusterId],
      problems: [],
      comparisons: [
        { target: `${emptyCluster.clusterId}/default/Deployment/shop`, code: 'shadow-agrees', why: [] },
        {
          target: `${emptyCluster.clusterId}/default/Deployment/web`,
          code: 'shadow-differs',
          firing: { rule: 'hpc/default/web/up', zone: 'Asia/Shanghai' },
          ours: { kind: 'replicas', replicas: 5 },
          theirs: { kind: 'replicas', replicas: 3 },
          why: [{ code: 'unexplained' }],
        },
      ],
    })
    expect(report.at).toMatch(/^\d{4}-\d{2}-\d{2}T/)
  })

  test('without a divergence ends with 0', async () => {
    stage('shop', 5)
    const ran = await longshore('shadow', 'cron-scaler')
    expect([ran.code, ran.out]).toEqual([0, '0 divergences, 1 in agreement. Nothing was changed.'])
  })

  test('where the controller does not run there is nothing to compare', async () => {
    stage('web', 3, 0)
    const ran = await longshore('shadow', 'cron-scaler')
    expect([ran.code, ran.out]).toEqual([
      0,
      'tke-hpc-controller runs in none of the configured clusters beside HPC objects, so there is nothing to compare.',
    ])
  })

  test('a cluster that cannot be read ends with 1, and is named', async () => {
    stage('web', 3)
    sandbox.faults.add({ fault: { kind: 'rbac-403' } })
    const ran = await longshore('shadow', 'cron-scaler')
    expect(ran.code).toBe(1)
    expect(ran.out).toContain(`${emptyCluster.clusterId} cannot be compared:`)
  })

  test.each([
    [[], 'name a function'],
    [['cron-scalar'], 'did you mean "cron-scaler"?'],
    [['cron-scaler', 'cron-scaler'], 'name one function'],
    [['cron-scaler', '--jsno'], '--jsno'],
  ])('words that say something else are explained: %j', async (words, text) => {
    const ran = await longshore('shadow', ...words)
    expect(ran.code).toBe(1)
    expect(ran.err).toContain(text)
  })

  test('--help shows an example', async () => {
    expect((await longshore('shadow', '--help')).out).toContain('Example: longshore shadow cron-scaler')
  })
})
