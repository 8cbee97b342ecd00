import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AlarmChange } from '#functions/alarm-scaler/change.ts'
import type { Lease, LeaseNode, PoolRecord } from '#functions/alarm-scaler/lease.ts'
import { disruptionBudget } from '#infra/sandbox/seeds/kube-objects.ts'
import type { MachineState } from '#infra/sandbox/tke/state.ts'
import { interfering } from '../image-cleaner/interfering.ts'
import { saying, sentence } from '../image-cleaner/stage.ts'
import { type ClusterStage, clusterId, groupId, minuteMs, openLocalClusterStage, virtualPoolId } from './cluster-stage.ts'
import { boughtLease, groupLease, grow, leaseId, leaseOf, place, step, virtualLease } from './lease-steps.ts'

let stage: ClusterStage

beforeEach(() => {
  stage = openLocalClusterStage()
})

afterEach(async () => {
  await stage.close()
})

/** What of a change its place does not say. */
type Rest<C> = C extends AlarmChange ? Omit<C, 'cluster' | 'region' | 'pool' | 'leaseId'> : never

const about = (change: Rest<Exclude<AlarmChange, { readonly kind: 'grow' }>>) => step({ ...place, leaseId, ...change } as AlarmChange)
const leaseNow = () => stage.record().leases.find(({ id }) => id === leaseId)
const nodeOf = (instanceId: string): LeaseNode | undefined => leaseNow()?.nodes.find((node) => node.instanceId === instanceId)

function put(lease: Lease, more: Partial<PoolRecord> = {}): void {
  stage.putRecord({ version: 1, cluster: clusterId, pool: 'general', ordinal: 1, bases: [], leases: [lease], ...more })
}

/** Two machines were bought, have come, and are to go. */
async function bought(more: Partial<Lease> = {}): Promise<readonly MachineState[]> {
  await stage.carry([grow(boughtLease())])
  stage.wait(5 * minuteMs)
  const machines = stage.machines().filter(({ node }) => node?.settings.labels.some(({ value }) => value === leaseId) === true)
  const nodes = machines.map(({ instanceId, node }) => ({ instanceId, nodeName: node?.nodeName ?? '', readyAtMs: stage.now() }))
  const lease = leaseNow()
  if (lease === undefined) throw new Error('there is no lease')
  put({ ...lease, state: 'recovering', recovery: { sinceMs: stage.now(), why: 'resolved' }, nodes, ...more })
  return machines
}

const drain = (machine: MachineState, more: Partial<Extract<AlarmChange, { kind: 'drain' }>> = {}) =>
  about({
    kind: 'drain',
    instanceId: machine.instanceId,
    nodeName: machine.node?.nodeName ?? '',
    attempt: 1,
    wasOpen: true,
    by: 'evict',
    ...more,
  })

const remove = (machine: MachineState, more: Partial<Extract<AlarmChange, { kind: 'remove' }>> = {}) =>
  about({
    kind: 'remove',
    instanceId: machine.instanceId,
    ...(machine.node === null ? {} : { nodeName: machine.node.nodeName }),
    mode: 'terminate',
    force: false,
    ...more,
  })

describe('a node that is to go', () => {
  it('is closed under its lease, and its pods move elsewhere', async () => {
    const [machine] = await bought()
    if (machine?.node == null) throw new Error('there is no node')
    const { nodeName } = machine.node
    stage.deploy('web', 12)
    stage.wait(minuteMs)
    const count = stage.podsOn(nodeName).length
    expect(count).toBeGreaterThan(0)
    const report = await stage.carry([drain(machine)])
    expect(sentence(report, 'draining')).toContain(`${count} of ${count} pods on ${nodeName} were asked to go`)
    expect(stage.node(nodeName)).toMatchObject({ unschedulable: true, annotations: { 'longshore.dev/drained-for': leaseId } })
    expect(nodeOf(machine.instanceId)?.drain).toEqual({ sinceMs: stage.now(), cordonedByUs: true, attempts: 1 })
    stage.wait(minuteMs)
    expect(stage.podsOn(nodeName)).toEqual([])
    expect(saying(await stage.carry([remove(machine)]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(stage.machines().map(({ instanceId }) => instanceId)).not.toContain(machine.instanceId)
    expect(nodeOf(machine.instanceId)?.removedAtMs).toBe(stage.now())
  })

  it('whose pods a budget holds keeps them, says which, and is asked again', async () => {
    const machines = await bought()
    const [machine, other] = machines
    if (machine?.node == null || other?.node == null) throw new Error('there is no node')
    stage.put(disruptionBudget({ namespace: 'prod', name: 'web', minAvailable: 12 }))
    stage.deploy('web', 12)
    stage.wait(minuteMs)
    const { nodeName } = machine.node
    const before = stage.podsOn(nodeName)
    const report = await stage.carry([drain(machine)])
    expect(sentence(report, 'draining')).toContain(`${before.length} are held back: prod/web-`)
    expect(nodeOf(machine.instanceId)?.drain?.blockedBy).toContain('its PodDisruptionBudget allows none to go now')
    expect(saying(await stage.carry([remove(machine)]), 'Skipped')).toEqual(['Skipped node-not-empty'])
    stage.wait(minuteMs)
    expect(stage.podsOn(nodeName)).toEqual(before)
    stage.put(disruptionBudget({ namespace: 'prod', name: 'web', minAvailable: 1 }))
    stage.wait(10_000)
    await stage.carry([step({ ...drain(machine).change, attempt: 2 } as AlarmChange, 'second')])
    expect(nodeOf(machine.instanceId)?.drain).toMatchObject({ attempts: 2, cordonedByUs: true })
    expect(nodeOf(machine.instanceId)?.drain?.blockedBy).toBeUndefined()
    stage.wait(minuteMs)
    expect(stage.podsOn(nodeName)).toEqual([])
  })

  it('that somebody has opened since it was closed is not closed again, unless somebody has ordered it', async () => {
    const [machine] = await bought()
    if (machine?.node == null) throw new Error('there is no node')
    const { nodeName } = machine.node
    await stage.carry([drain(machine)])
    stage.openNode(nodeName)
    const again = (more: object = {}) =>
      step({ ...drain(machine).change, attempt: 2, ...more } as AlarmChange, `again ${JSON.stringify(more)}`)
    expect(saying(await stage.carry([again()]), 'Skipped')).toEqual(['Skipped world-changed'])
    expect(stage.node(nodeName).unschedulable).toBe(false)
    await stage.carry([again({ isOrdered: true })])
    expect(stage.node(nodeName).unschedulable).toBe(true)
  })

  it('is emptied by the platform where the policy says so', async () => {
    const [machine] = await bought()
    if (machine?.node == null) throw new Error('there is no node')
    stage.deploy('web', 12)
    stage.wait(minuteMs)
    await stage.carry([drain(machine, { by: 'platform' })])
    expect(stage.writes()).toContain('DrainClusterNode')
    stage.wait(minuteMs)
    expect(stage.podsOn(machine.node.nodeName)).toEqual([])
  })

  it('is opened again when it is needed, and one that somebody else has closed is not', async () => {
    const [ours, theirs] = await bought()
    if (ours?.node == null || theirs?.node == null) throw new Error('there is no node')
    await stage.carry([drain(ours)])
    stage.closeNode(theirs.node.nodeName)
    const nodes = [ours, theirs].map(({ instanceId, node }) => ({ instanceId, nodeName: node?.nodeName ?? '' }))
    const stop = about({ kind: 'stop-recovery', nodes, code: 'fired-again', text: 'it fires', count: 0, retryMs: 0 })
    expect(saying(await stage.carry([stop]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(stage.node(ours.node.nodeName)).toEqual({
      unschedulable: false,
      annotations: expect.not.objectContaining({ 'longshore.dev/drained-for': leaseId }) as object,
    })
    expect(stage.node(theirs.node.nodeName).unschedulable).toBe(true)
    expect(leaseNow()).toMatchObject({ state: 'held', setback: { code: 'fired-again' } })
    expect(leaseNow()?.nodes.map((node) => node.drain)).toEqual([undefined, undefined])
  })

  it('whose name belongs to another machine by now is left alone, and so is one that was closed under its name', async () => {
    const [machine] = await bought()
    if (machine?.node == null) throw new Error('there is no node')
    const { nodeName } = machine.node
    const gone = { instanceId: 'ins-99999999', nodeName }
    const lease = leaseNow()
    if (lease === undefined) throw new Error('there is no lease')
    put({ ...lease, nodes: [{ ...gone, drain: { sinceMs: 0, cordonedByUs: true, attempts: 0 } }] })
    const since = stage.calls().length
    expect(saying(await stage.carry([drain(machine, gone)]), 'Skipped')).toEqual(['Skipped world-changed'])
    expect(stage.writes(since)).toEqual([])
    expect(stage.node(nodeName).unschedulable).toBe(false)
    stage.closeNode(nodeName)
    stage.annotate(nodeName, { 'longshore.dev/drained-for': leaseId })
    await stage.carry([about({ kind: 'stop-recovery', nodes: [gone], code: 'fired-again', text: 'it fires', count: 0, retryMs: 0 })])
    expect(stage.node(nodeName).unschedulable).toBe(true)
  })

  it('stays when somebody has opened it again', async () => {
    const [machine] = await bought()
    if (machine?.node == null) throw new Error('there is no node')
    const report = await stage.carry([remove(machine)])
    expect(sentence(report, 'world-changed')).toContain('was opened again')
    expect(stage.machines().map(({ instanceId }) => instanceId)).toContain(machine.instanceId)
  })

  it('that has become ready after all is not taken for one that never was', async () => {
    const [machine] = await bought()
    if (machine === undefined) throw new Error('there is no machine')
    expect(sentence(await stage.carry([remove(machine, { force: true })]), 'world-changed')).toContain('has become ready after all')
  })

  it('that has joined and become ready since is not taken for one that never came', async () => {
    const [machine] = await bought()
    if (machine === undefined) throw new Error('there is no machine')
    const change = about({ kind: 'remove', instanceId: machine.instanceId, mode: 'terminate', force: true })
    expect(sentence(await stage.carry([change]), 'world-changed')).toContain('has become ready after all')
  })

  it('and is still being initialised goes by force', async () => {
    await stage.carry([grow(boughtLease())])
    const machines = stage.machines().slice(4)
    const lease = leaseNow()
    if (lease === undefined) throw new Error('there is no lease')
    put({ ...lease, state: 'recovering', recovery: { sinceMs: stage.now(), why: 'compensate' } })
    for (const { instanceId } of machines) {
      const change = about({ kind: 'remove', instanceId, mode: 'terminate', force: false })
      expect(saying(await stage.carry([step(change.change, instanceId)]), 'Failed')).toEqual(['Failed remove-refused'])
      const forced = { ...place, leaseId, kind: 'remove', instanceId, mode: 'terminate', force: true } as const
      expect(saying(await stage.carry([step(forced, `forced ${instanceId}`)]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    }
    expect(stage.machines()).toHaveLength(4)
  })

  it('and was there before is not the one that goes', async () => {
    stage.deploy('web', 12)
    stage.wait(minuteMs)
    const [owned] = stage.machines()
    if (owned?.node == null) throw new Error('there is no node')
    await bought({ before: { instanceIds: [owned.instanceId] }, nodes: [{ instanceId: owned.instanceId, nodeName: owned.node.nodeName }] })
    expect(saying(await stage.carry([remove(owned)]), 'Held')).toEqual(['Held world-changed'])
    put(leaseOf(boughtLease(), { state: 'recovering', recovery: { sinceMs: 0, why: 'resolved' } }))
    expect(saying(await stage.carry([step(remove(owned).change, 'again')]), 'Skipped')).toEqual(['Skipped world-changed'])
    expect(stage.writes().filter((call) => call === 'DeleteClusterInstances')).toEqual([])
  })

  it('and is gone already is written down as gone', async () => {
    const [machine] = await bought()
    if (machine === undefined) throw new Error('there is no machine')
    stage.loseMachine(machine.instanceId)
    expect(saying(await stage.carry([remove(machine)]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(nodeOf(machine.instanceId)?.removedAtMs).toBeDefined()
  })
})

describe('of giving back, each lost answer comes to the same:', () => {
  const lose = (action: string, pathIncludes?: string, after = 0) =>
    stage.faults.add({
      fault: { kind: 'drop-after' },
      match: { action, effect: 'write', ...(pathIncludes === undefined ? {} : { pathIncludes }) },
      after,
      count: 1,
    })

  it.for(['/nodes/', '/eviction', 'configmaps'])('draining, %s', async (path) => {
    const [machine] = await bought()
    if (machine?.node == null) throw new Error('there is no node')
    stage.deploy('web', 12)
    stage.wait(minuteMs)
    lose('ForwardRequest', path)
    await stage.carry([drain(machine)])
    stage.wait(2 * minuteMs)
    for (let attempt = 1; attempt < 4; attempt += 1) {
      const done = nodeOf(machine.instanceId)?.drain?.attempts ?? 0
      await stage.carry([step({ ...drain(machine).change, attempt: done + 1 } as AlarmChange, `drain-${done + 1}`)])
      stage.wait(minuteMs)
    }
    expect(stage.podsOn(machine.node.nodeName)).toEqual([])
    expect(stage.node(machine.node.nodeName)).toMatchObject({ unschedulable: true, annotations: { 'longshore.dev/drained-for': leaseId } })
  })

  it.for([['DeleteClusterInstances'], ['ForwardRequest', 'configmaps']] as const)('removing, %s', async ([action, path]) => {
    const [machine] = await bought()
    if (machine === undefined) throw new Error('there is no machine')
    await stage.carry([drain(machine)])
    lose(action, path)
    await stage.carry([remove(machine)])
    stage.wait(2 * minuteMs)
    expect(saying(await stage.carry([remove(machine)]), 'NoChange')).toEqual(['NoChange already-done'])
    expect(stage.writes().filter((call) => call === 'DeleteClusterInstances')).toHaveLength(1)
    expect(stage.machines()).toHaveLength(5)
  })

  it.for([['ModifyClusterAsGroupAttribute'], ['ForwardRequest', 'configmaps']] as const)(
    'lowering the floor, %s',
    async ([action, path]) => {
      await grown()
      lose(action, path)
      await stage.carry([floor()])
      stage.wait(2 * minuteMs)
      await stage.carry([floor()])
      expect([stage.group.minSize, stage.group.maxSize]).toEqual([2, 10])
      expect(stage.record().bases[0]?.set).toMatchObject({ min: 2, max: 10 })
    },
  )

  it.for(['/nodes/', 'configmaps'])('opening again, %s', async (path) => {
    const [machine] = await bought()
    if (machine?.node == null) throw new Error('there is no node')
    await stage.carry([drain(machine)])
    lose('ForwardRequest', path)
    const nodes = [{ instanceId: machine.instanceId, nodeName: machine.node.nodeName }]
    const stop = about({ kind: 'stop-recovery', nodes, code: 'fired-again', text: 'it fires', count: 0, retryMs: 0 })
    await stage.carry([stop])
    stage.wait(2 * minuteMs)
    await stage.carry([stop])
    expect(stage.node(machine.node.nodeName).unschedulable).toBe(false)
    expect(leaseNow()?.state).toBe('held')
  })

  it.for([
    ['recover', { kind: 'recover', from: 'held', why: 'resolved' }, { state: 'held' }, 'recovering'],
    ['close', { kind: 'close', from: 'recovering', outcome: 'removed', code: 'given-back', text: '' }, { state: 'recovering' }, 'closed'],
    ['release', { kind: 'release', keep: false, by: 'ops' }, { state: 'held' }, 'recovering'],
    ['keep', { kind: 'release', keep: true, by: 'ops' }, { state: 'held' }, 'closed'],
    ['extend', { kind: 'extend', expiresAtMs: 120 * minuteMs, leaseMs: minuteMs }, { state: 'held' }, 'held'],
  ] as const)('what only the record tells of, %s', async ([, change, before, state]) => {
    put(leaseOf(boughtLease(), before))
    lose('ForwardRequest', 'configmaps')
    expect(saying(await stage.carry([about(change)]), 'Applied')).toEqual(['Applied settled-applied'])
    expect(leaseNow()?.state).toBe(state)
    const version = JSON.stringify(stage.record())
    stage.wait(2 * minuteMs)
    expect(saying(await stage.carry([about(change)]), 'Applied', 'Failed')).toEqual([])
    expect(JSON.stringify(stage.record())).toBe(version)
  })
})

/** A group that was grown by two, which are there. */
async function grown(): Promise<readonly MachineState[]> {
  const before = stage.machines().flatMap(({ instanceId, node }) => (node?.asGroupId === groupId ? [instanceId] : []))
  await stage.carry([grow(groupLease(before))])
  stage.wait(5 * minuteMs)
  const lease = leaseNow()
  if (lease === undefined) throw new Error('there is no lease')
  const machines = stage.machines().filter(({ instanceId, node }) => node?.asGroupId === groupId && !before.includes(instanceId))
  const nodes = machines.map(({ instanceId, node }) => ({ instanceId, nodeName: node?.nodeName ?? '' }))
  stage.putRecord({
    ...stage.record(),
    leases: [{ ...lease, state: 'recovering', recovery: { sinceMs: stage.now(), why: 'resolved' }, nodes }],
  })
  return machines
}

const floor = () =>
  about({ kind: 'restore-bounds', group: groupId, from: { min: 4, max: 10 }, to: { min: 2, max: 10 }, phase: 'floor', floor: 0 })

describe('a machine of a scaling group', () => {
  it('is not given back while its group would buy another one', async () => {
    const [machine] = await grown()
    if (machine === undefined) throw new Error('there is no machine')
    await stage.carry([drain(machine)])
    const report = await stage.carry([remove(machine, { group: groupId })])
    expect(sentence(report, 'group-would-replace')).toContain('has 4 machines and wants 4 at least')
    expect(stage.writes()).not.toContain('DeleteClusterInstances')
    await stage.carry([floor()])
    stage.wait(30_000)
    const again = step({ ...remove(machine, { group: groupId }).change } as AlarmChange, 'again')
    expect(saying(await stage.carry([again]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    stage.wait(10 * minuteMs)
    expect(stage.machines().filter(({ node }) => node?.asGroupId === groupId)).toHaveLength(3)
  })

  it('says that its bounds were set where that could not be written down', async () => {
    await grown()
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { effect: 'write', pathIncludes: '/configmaps/longshore-pool' }, after: 1 })
    const report = await stage.carry([floor()])
    expect(saying(report, 'Failed')).toEqual(['Failed kube.forbidden'])
    expect(sentence(report, 'kube.forbidden')).toContain('was set to 2 to 10, and that could not be written down')
    expect([stage.group.minSize, stage.group.maxSize]).toEqual([2, 10])
    stage.faults.clear()
    stage.wait(minuteMs)
    const again = step({ ...floor().change } as AlarmChange, 'again')
    expect(saying(await stage.carry([again]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(stage.record().bases[0]?.set).toMatchObject({ min: 2, max: 10 })
  })

  it('goes on where its bounds were set, the answer was lost, and the cluster autoscaler has seen them since', async () => {
    await grown()
    stage.world.tke.behaviour.autoscalerScanMs = 10_000
    stage.faults.add({ fault: { kind: 'drop-after' }, match: { action: 'ModifyClusterAsGroupAttribute' }, count: 1 })
    expect(saying(await stage.carry([floor()]), 'Held')).toEqual(['Held unknown-outcome'])
    expect(stage.record().bases[0]).toMatchObject({ set: { min: 4, max: 10 }, aimed: { min: 2, max: 10 } })
    stage.wait(5 * minuteMs)
    const other = { ...floor().change, to: { min: 3, max: 10 } } as AlarmChange
    expect(saying(await stage.carry([step(other, 'other')]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(stage.record().bases[0]).toMatchObject({ set: { min: 3, max: 10 } })
    expect(stage.record().bases[0]).not.toHaveProperty('aimed')
  })

  it('that somebody keeps stays, and its group is free to shrink again', async () => {
    await grown()
    stage.wait(minuteMs)
    const lease = leaseNow()
    if (lease === undefined) throw new Error('there is no lease')
    const { bases } = stage.record()
    put({ ...lease, state: 'held' }, { bases })
    expect(saying(await stage.carry([about({ kind: 'release', keep: true, by: 'ops', bounds: true })]), 'Applied')).toHaveLength(1)
    expect([stage.group.minSize, stage.group.maxSize]).toEqual([2, 10])
    expect(leaseNow()).toMatchObject({ state: 'closed', outcome: { kind: 'kept' } })
    stage.wait(10 * minuteMs)
    expect(stage.machines().filter(({ node }) => node?.asGroupId === groupId)).toHaveLength(4)
  })

  it('that somebody keeps leaves the bounds alone while another lease holds them up, and while its group is busy', async () => {
    await grown()
    const lease = leaseNow()
    if (lease === undefined) throw new Error('there is no lease')
    const { bases } = stage.record()
    const other: Lease = { ...lease, id: 'ls-ffffffffffffffff', state: 'held' }
    const keep = () => about({ kind: 'release', keep: true, by: 'ops', bounds: true })
    Object.assign(stage.group, { status: 'updating', settles: { atMs: stage.now() + minuteMs, status: 'enabled' } })
    put({ ...lease, state: 'held' }, { bases })
    expect(saying(await stage.carry([keep()]), 'Held')).toEqual(['Held group-busy'])
    expect(leaseNow()?.state).toBe('held')
    put({ ...lease, state: 'held' }, { bases, leases: [{ ...lease, state: 'held' }, other] })
    expect(saying(await stage.carry([step(keep().change, 'again')]), 'Applied')).toHaveLength(1)
    expect([stage.group.minSize, stage.group.maxSize]).toEqual([4, 10])
  })

  it('keeps its bounds where somebody else has set others', async () => {
    await grown()
    stage.group.minSize = 6
    stage.group.desiredSize = 6
    stage.wait(5 * minuteMs)
    const report = await stage.carry([floor()])
    expect(sentence(report, 'bounds-changed')).toContain('is at 6 to 10 by now, and was set to 4 to 10 here')
    expect(stage.group.minSize).toBe(6)
  })

  it('waits for a group that is busy', async () => {
    await grown()
    stage.group.status = 'updating'
    stage.group.settles = { atMs: stage.now() + minuteMs, status: 'enabled' }
    expect(saying(await stage.carry([floor()]), 'Held')).toEqual(['Held group-busy'])
    stage.wait(2 * minuteMs)
    expect(saying(await stage.carry([floor()]), 'Applied')).toEqual(['Applied alarm-confirmed'])
  })

  it('is marked as leased, and kept from the cluster autoscaler', async () => {
    const [machine] = await grown()
    if (machine?.node == null) throw new Error('there is no machine')
    const { instanceId } = machine
    const { nodeName } = machine.node
    const nodes = [{ instanceId, nodeName, readyAtMs: stage.now(), isGone: false }]
    const track = about({ kind: 'track', from: 'recovering', to: 'recovering', nodes, mark: [instanceId] })
    expect(saying(await stage.carry([track]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(stage.node(nodeName).annotations).toMatchObject({ 'cluster-autoscaler.kubernetes.io/scale-down-disabled': 'true' })
    expect(stage.labelsOf(nodeName)['longshore.dev/lease']).toBe(leaseId)
    const lease = leaseNow()
    if (lease === undefined) throw new Error('there is no lease')
    put({ ...lease, state: 'held' })
    await stage.carry([about({ kind: 'release', keep: true, by: 'ops' })])
    expect(stage.node(nodeName).annotations).not.toHaveProperty('cluster-autoscaler.kubernetes.io/scale-down-disabled')
    expect(stage.labelsOf(nodeName)).not.toHaveProperty('longshore.dev/lease')
  })
})

describe('a virtual node', () => {
  it('is closed, emptied and removed by its name', async () => {
    await stage.carry([grow(virtualLease())])
    stage.wait(minuteMs)
    const [name = ''] = Object.keys(stage.cluster.virtualNodePools[virtualPoolId]?.nodes ?? {})
    const lease = leaseNow()
    if (lease === undefined) throw new Error('there is no lease')
    put({ ...lease, state: 'recovering', recovery: { sinceMs: 0, why: 'resolved' }, nodes: [{ instanceId: name, nodeName: name }] })
    const drained = about({
      kind: 'drain',
      instanceId: name,
      nodeName: name,
      attempt: 1,
      wasOpen: true,
      by: 'evict',
      nodePool: virtualPoolId,
    })
    expect(saying(await stage.carry([drained]), 'Applied')).toEqual(['Applied draining'])
    const removed = about({ kind: 'remove', instanceId: name, nodeName: name, mode: 'terminate', force: false, nodePool: virtualPoolId })
    stage.faults.add({ fault: { kind: 'drop-after' }, match: { action: 'DeleteClusterVirtualNode' }, count: 1 })
    expect(saying(await stage.carry([removed]), 'Applied')).toEqual(['Applied settled-applied'])
    expect(stage.cluster.virtualNodePools[virtualPoolId]?.nodes).toEqual({})
  })
})

describe('a record that somebody else writes at the same moment', () => {
  it('is read and changed again, and nothing of it is lost', async () => {
    put(leaseOf(boughtLease(), { state: 'held' }))
    const cloud = interfering(stage.cloud, {
      before: ({ request, nth }) => {
        if (request.Method === 'PATCH' && nth < 4) stage.putRecord({ ...stage.record(), ordinal: 7 })
      },
    })
    expect(saying(await stage.carry([about({ kind: 'recover', from: 'held', why: 'resolved' })], { cloud }), 'Applied')).toEqual([
      'Applied alarm-confirmed',
    ])
    expect(stage.record()).toMatchObject({ ordinal: 7, leases: [{ state: 'recovering' }] })
  })

  it('again and again is left to the next look', async () => {
    put(leaseOf(boughtLease(), { state: 'held' }))
    let times = 0
    const cloud = interfering(stage.cloud, {
      before: ({ request }) => {
        if (request.Method !== 'PATCH') return
        times += 1
        stage.putRecord({ ...stage.record(), ordinal: times })
      },
    })
    const report = await stage.carry([about({ kind: 'recover', from: 'held', why: 'resolved' })], { cloud })
    expect(saying(report, 'Skipped')).toEqual(['Skipped conflict'])
    expect(times).toBe(3)
    expect(leaseNow()?.state).toBe('held')
  })
})
