import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { getObject, listObjects, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { isNode, isPod } from '#infra/sandbox/kubernetes/shapes.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment, namespace } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeAsGroup, placeNodes } from '#infra/sandbox/seeds/place.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { pushImage } from '#infra/sandbox/tcr/images.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { nodesOf } from '#infra/sandbox/tke/machines.ts'
import type { JournalEntry } from '#shared/safety/journal-entry.ts'
import { runWords } from '../../infra/cli/run-words.ts'
import { freePort } from '../registry/real-registry.ts'
import { fetchPrograms, makeAlertmanager, type RealAlertmanager } from './real-alertmanager.ts'

const root = join(import.meta.dirname, '../../..')
const token = 'alertmanager-of-the-end-to-end-test'
const groupId = 'asg-general01'
const { clusterId, subnetId, region } = emptyCluster
const clock = createSandboxClock({})
const createdMs = clock.now() - 10 * 86_400_000
const world = createEmptyWorld(createdMs, 1)
const folder = mkdtempSync(join(tmpdir(), 'longshore-alarm-'))
const config = join(folder, 'longshore.yaml')
const env = { TENCENTCLOUD_SECRET_ID: sandboxSecretId, TENCENTCLOUD_SECRET_KEY: sandboxSecretKey, ALERTS_TOKEN: token }
const labels = { alertname: 'ClusterCpuHigh', cluster: clusterId, severity: 'warning' }

let sandbox: Sandbox
let alertmanager: RealAlertmanager
let runner: ChildProcess
let said = ''

function cluster() {
  const found = world.tke.clusters[clusterId]
  const kubernetes = world.kubernetes[clusterId]
  const group = found?.asGroups[groupId]
  if (found === undefined || kubernetes === undefined || group === undefined) throw new Error('the cluster is not there')
  return { group, kubernetes, cluster: found }
}

const members = (): readonly string[] =>
  nodesOf(world, clusterId)
    .filter(({ node }) => node?.asGroupId === groupId)
    .map(({ instanceId }) => instanceId)

/** Nodes that are ready and take pods. */
const readyNodes = (): number =>
  listObjects(cluster().kubernetes, '', 'nodes')
    .filter(isNode)
    .filter(({ spec, status }) => {
      const ready = status.conditions?.find(({ type }) => type === 'Ready')
      return ready?.status === 'True' && spec.unschedulable !== true
    }).length

const bounds = () => ({ min: cluster().group.minSize, max: cluster().group.maxSize })

function deploy(name: string, replicas: number): void {
  const object = deployment({
    namespace: 'prod',
    name,
    image: 'ccr.ccs.tencentyun.com/team/web:1.0.0',
    replicas,
    cpu: '1',
    memory: '512Mi',
  })
  putObject(cluster().kubernetes, object, clock.now())
}

/** How often the platform was asked for something. */
const asked = (action: string): number => sandbox.journal.filter((call) => call.action === action && call.applied).length

async function until(holds: () => boolean | Promise<boolean>, limitMs: number, what: string): Promise<void> {
  const startMs = performance.now()
  while (performance.now() - startMs < limitMs) {
    sandbox.advance()
    if (await holds()) return
    await sleep(100)
  }
  throw new Error(`${what} did not come true within ${limitMs / 1000} s. The runner said:\n${said.slice(-4000)}`)
}

/** Everything that takes minutes in earnest takes seconds here. */
function settings(): object {
  return {
    sources: { alerts: { kind: 'alertmanager', secrets: ['env:ALERTS_TOKEN'] } },
    pools: [{ name: 'general', cluster: clusterId, labels: { pool: 'general' }, max: 8 }],
    policies: [
      {
        name: 'cpu',
        match: { alert: 'Cluster*', labels: { severity: 'warning' } },
        pool: 'general',
        mode: 'enforce',
        confirm: [{ requests: { cpuPercentAbove: 60 } }],
        steps: [
          { from: 0, add: 2 },
          { from: 30, add: 4 },
        ],
        mechanisms: [{ name: 'general', kind: 'scaling-group', group: groupId }],
        clusterAutoscaler: 'share',
        licence: { guard: false },
        warmUp: '5s',
        cooldown: { out: '5s', in: '5s' },
        recovery: { after: '5s', drainDeadline: '1m', atATime: 2 },
      },
    ],
  }
}

beforeAll(async () => {
  await fetchPrograms()
  const random = createRandom(5)
  const poolLabels = [{ name: 'pool', value: 'general' }]
  const found = world.tke.clusters[clusterId]
  if (found === undefined) throw new Error('there is no cluster')
  const spec = { instanceType: 'S5.LARGE8', labels: poolLabels, createdMs }
  const group = {
    autoScalingGroupId: groupId,
    name: 'general',
    enabled: true,
    minSize: 2,
    maxSize: 10,
    desiredSize: 2,
    subnetIds: [subnetId],
  }
  placeAsGroup(world, found, { ...group, ...spec }, random)
  placeNodes(world, found, { count: 2, subnetId, asGroupId: groupId, ...spec }, random)
  Object.assign(world.tke.behaviour, {
    nodeBootMinMs: 3000,
    nodeBootMaxMs: 6000,
    asGroupSettleMs: 500,
    asGroupIntervalMs: 1000,
    autoscalerScanMs: 2000,
  })
  pushImage(world, { repo: 'team/web', tag: '1.0.0', content: 'web' }, clock.now())
  putObject(cluster().kubernetes, namespace('prod'), clock.now())
  deploy('web', 6)
  sandbox = await startSandbox({ world, clock })
  alertmanager = await makeAlertmanager()
  const port = await freePort()
  writeFileSync(
    config,
    JSON.stringify({
      mode: 'enforce',
      platform: { endpoint: sandbox.url, region },
      clusters: [{ id: clusterId }],
      store: { kind: 'sqlite', path: join(folder, 'store.sqlite') },
      functions: { 'alarm-scaler': settings() },
    }),
  )
  runner = spawn(process.execPath, [join(root, 'infra/cli/longshore.mjs'), 'start', '--config', config, '--port', String(port)], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [runner.stdout, runner.stderr]) stream?.on('data', (text: Buffer) => (said += text.toString()))
  await until(() => said.includes('webhook at'), 60_000, 'the runner listens')
  await alertmanager.start({ url: `http://127.0.0.1:${port}/hooks/alarm-scaler/alerts`, token, repeatSeconds: 8 })
})

afterAll(async () => {
  runner?.kill('SIGTERM')
  await alertmanager?.remove()
  await sandbox?.close()
  rmSync(folder, { recursive: true, force: true })
})

it('an alarm of Alertmanager becomes nodes once, and when it is over they are drained and removed, and the bounds restored', async () => {
  const before = new Set(members())
  expect(before.size).toBe(2)
  expect(bounds()).toEqual({ min: 2, max: 10 })

  // Firing: the group is asked once, and its nodes become ready.
  await alertmanager.fire(labels, { summary: 'Pods wait for cores', value: '91.5', threshold: '80' })
  await until(() => bounds().min === 4, 30_000, 'the floor of the group')
  await until(() => members().length === 4 && readyNodes() === 4, 60_000, 'two more nodes that are ready')
  const leased = members().filter((id) => !before.has(id))

  // It is said again, and said again by somebody else: nothing more is bought.
  const told = await alertmanager.deliveries()
  await alertmanager.fire(labels, { summary: 'Pods wait for cores', value: '92', threshold: '80' })
  await until(async () => (await alertmanager.deliveries()).tried >= told.tried + 2, 60_000, 'two repeats')
  await until(async () => (await leasesNow())[0]?.state === 'held', 120_000, 'the lease is held')
  expect(members()).toHaveLength(4)
  expect(asked('ModifyClusterAsGroupAttribute')).toBe(1)

  // Over. What is left to run is on the new nodes, and moves.
  deploy('late', 3)
  await until(() => podsOn(leased) > 0, 30_000, 'pods on the new nodes')
  deploy('web', 0)
  await alertmanager.resolve(labels)
  await until(() => members().length === 2, 240_000, 'the two nodes are given back')
  expect(new Set(members())).toEqual(before)
  await until(async () => (await leasesNow())[0]?.state === 'closed', 120_000, 'the lease has ended')
  expect(bounds()).toEqual({ min: 2, max: 10 })
  await until(() => podsOn(members()) === 3, 30_000, 'all pods run on the nodes that stay')
  expect(await alertmanager.deliveries()).toMatchObject({ failed: 0 })

  // The journal explains each step, and nobody has changed it.
  const listed = await runWords(['journal', 'list', 'alarm-scaler', '--json', '--limit', '1000', '--config', config], { cwd: folder, env })
  const entries = JSON.parse(listed.out) as JournalEntry[]
  const intents = entries.filter(({ kind }) => kind === 'intent')
  expect(intents[0]).toMatchObject({ reason: { code: 'alarm-confirmed' } })
  expect(intents[0]?.reason.text).toContain('91.5 over 80, step 1 of 2 wants 2 more: 2 in service')
  const codes = intents.map(({ reason }) => reason.code)
  expect(codes.filter((code) => code === 'alarm-confirmed')).toHaveLength(1)
  for (const code of ['nodes-ready', 'alarm-over', 'floor-lowered', 'draining', 'node-empty', 'given-back']) expect(codes).toContain(code)
  for (const { stepKey, attempt, reason } of intents) {
    expect(reason.text).toMatch(/alarm ClusterCpuHigh/)
    const outcomes = entries.filter((one) => one.kind === 'outcome' && one.stepKey === stepKey && one.attempt === attempt)
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['Applied'])
  }
  expect(await runWords(['journal', 'verify', 'alarm-scaler', '--config', config], { cwd: folder, env })).toMatchObject({ code: 0 })
  const shown = await runWords(['leases', 'list', '--all', '--config', config], { cwd: folder, env })
  expect(shown).toMatchObject({ code: 0 })
  expect(shown.out).toMatch(/closed +0 of 2 +cpu +ClusterCpuHigh/)
  console.info(intents.map(({ at, reason }) => `${new Date(at).toISOString()}  ${reason.code}: ${reason.text}`).join('\n'))
})

async function leasesNow(): Promise<readonly { readonly state: string }[]> {
  const objects = listObjects(cluster().kubernetes, '', 'configmaps').filter(({ metadata }) => metadata.name.startsWith('longshore-pool-'))
  const [name] = objects.map(({ metadata }) => metadata.name)
  if (name === undefined) return []
  const found = getObject(cluster().kubernetes, '', 'configmaps', name, 'kube-system') as { data?: { 'pool.json'?: string } } | undefined
  return JSON.parse(found?.data?.['pool.json'] ?? '{"leases":[]}').leases
}

/** Pods of Deployments on the nodes of machines. */
function podsOn(instanceIds: readonly string[]): number {
  const own = nodesOf(world, clusterId).filter(({ instanceId }) => instanceIds.includes(instanceId))
  const names = new Set(own.map(({ node }) => node?.nodeName))
  return listObjects(cluster().kubernetes, '', 'pods')
    .filter(isPod)
    .filter(({ spec, metadata }) => metadata.namespace === 'prod' && metadata.deletionTimestamp === undefined && names.has(spec.nodeName))
    .length
}
