import { describe, expect, it } from 'vitest'
import { hopelessPodOf, rolloutOf } from '#functions/redeploy-hook/rollout.ts'

const seen = { metadata: { generation: 4 } }

describe('a Deployment', () => {
  const of = (spec: object, status: object) => rolloutOf({ ...seen, spec, status: { observedGeneration: 4, ...status } }, 'Deployment')

  it('is not judged by the status of an earlier generation', () => {
    const status = { observedGeneration: 3, replicas: 3, updatedReplicas: 3, availableReplicas: 3 }
    expect(rolloutOf({ ...seen, spec: { replicas: 3 }, status }, 'Deployment')).toEqual({
      kind: 'progressing',
      text: 'its controller has not seen the change yet',
    })
  })

  it('has no status at all right after it was made', () => {
    expect(rolloutOf({ ...seen, spec: { replicas: 3 } }, 'Deployment')).toMatchObject({ kind: 'progressing' })
  })

  it.each([
    ['no pod of it is new', {}, { kind: 'progressing', text: '0 of 3 pods are of the new template' }],
    ['some are', { updatedReplicas: 2, replicas: 4 }, { kind: 'progressing', text: '2 of 3 pods are of the new template' }],
    [
      'an old one is left',
      { updatedReplicas: 3, replicas: 4, availableReplicas: 3 },
      { kind: 'progressing', text: '1 pod of the old template is still there' },
    ],
    [
      'one is not available',
      { updatedReplicas: 3, replicas: 3, availableReplicas: 2 },
      { kind: 'progressing', text: '2 of 3 new pods are available' },
    ],
    [
      'all are new and available',
      { updatedReplicas: 3, replicas: 3, availableReplicas: 3 },
      { kind: 'complete', text: 'all 3 pods are new and available' },
    ],
  ])('is told where it stands when %s', (_, status, expected) => {
    expect(of({ replicas: 3 }, status)).toEqual(expected)
  })

  it('wants one pod when it does not say how many', () => {
    expect(of({}, {})).toMatchObject({ kind: 'progressing', text: '0 of 1 pods are of the new template' })
  })

  it('at 0 replicas is complete at once', () => {
    expect(of({ replicas: 0 }, {})).toEqual({ kind: 'complete', text: 'no pod is wanted' })
  })

  it('has failed when it passed its progress deadline, whatever its counts say', () => {
    const conditions = [
      { type: 'Available', status: 'True' },
      {
        type: 'Progressing',
        status: 'False',
        reason: 'ProgressDeadlineExceeded',
        message: 'ReplicaSet "web-2" has timed out progressing.',
      },
    ]
    expect(of({ replicas: 3 }, { updatedReplicas: 3, replicas: 3, availableReplicas: 3, conditions })).toEqual({
      kind: 'failed',
      code: 'progress-deadline-exceeded',
      text: 'ReplicaSet "web-2" has timed out progressing.',
    })
  })

  it('is not watched while it is paused', () => {
    expect(of({ replicas: 3, paused: true }, { updatedReplicas: 0 })).toMatchObject({ kind: 'not-watched', code: 'paused' })
  })
})

describe('a StatefulSet', () => {
  const of = (spec: object, status: object) => rolloutOf({ ...seen, spec, status: { observedGeneration: 4, ...status } }, 'StatefulSet')

  it('counts its new pods while two revisions are there', () => {
    const status = { replicas: 3, readyReplicas: 3, updatedReplicas: 1, currentRevision: 'db-1', updateRevision: 'db-2' }
    expect(of({ replicas: 3 }, status)).toEqual({ kind: 'progressing', text: '1 of 3 pods are of the new template' })
  })

  it('is complete when its new revision has become the current one, though none counts as updated any more', () => {
    const status = { replicas: 3, readyReplicas: 3, currentRevision: 'db-2', updateRevision: 'db-2' }
    expect(of({ replicas: 3 }, status)).toEqual({ kind: 'complete', text: 'all 3 pods are new and available' })
  })

  it('waits for no pod below its partition', () => {
    const spec = { replicas: 3, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } }
    const status = { replicas: 3, readyReplicas: 3, updatedReplicas: 1, currentRevision: 'db-1', updateRevision: 'db-2' }
    expect(of(spec, status)).toMatchObject({ kind: 'complete' })
  })

  it('whose partition keeps every pod back is said not to roll', () => {
    const spec = { replicas: 3, updateStrategy: { rollingUpdate: { partition: 3 } } }
    const status = { replicas: 3, readyReplicas: 3, currentRevision: 'db-1', updateRevision: 'db-2' }
    expect(of(spec, status)).toMatchObject({ kind: 'not-watched', code: 'partition' })
  })

  it('with OnDelete is not claimed to roll', () => {
    const spec = { replicas: 3, updateStrategy: { type: 'OnDelete' } }
    expect(of(spec, { replicas: 3, readyReplicas: 3, updatedReplicas: 0 })).toMatchObject({ kind: 'not-watched', code: 'on-delete' })
  })

  it('with OnDelete is complete when somebody has deleted the last old pod, not with one new pod still starting', () => {
    const spec = { replicas: 3, updateStrategy: { type: 'OnDelete' } }
    const status = { replicas: 3, updatedReplicas: 3, currentRevision: 'db-1', updateRevision: 'db-2' }
    expect(of(spec, { ...status, readyReplicas: 2 })).toMatchObject({ kind: 'not-watched', code: 'on-delete' })
    expect(of(spec, { ...status, readyReplicas: 3 })).toMatchObject({ kind: 'complete' })
  })
})

describe('a DaemonSet', () => {
  const of = (spec: object, status: object) => rolloutOf({ ...seen, spec, status: { observedGeneration: 4, ...status } }, 'DaemonSet')

  it('is told by the nodes it should be on', () => {
    expect(of({}, { desiredNumberScheduled: 5, updatedNumberScheduled: 3, numberAvailable: 5 })).toEqual({
      kind: 'progressing',
      text: '3 of 5 pods are of the new template',
    })
    expect(of({}, { desiredNumberScheduled: 5, updatedNumberScheduled: 5, numberAvailable: 4 })).toMatchObject({ kind: 'progressing' })
    expect(of({}, { desiredNumberScheduled: 5, updatedNumberScheduled: 5, numberAvailable: 5 })).toMatchObject({ kind: 'complete' })
  })

  it('with OnDelete is not claimed to roll, and is complete when the last old pod is deleted and the new ones are available', () => {
    const spec = { updateStrategy: { type: 'OnDelete' } }
    const status = { desiredNumberScheduled: 5, updatedNumberScheduled: 4, numberAvailable: 5 }
    expect(of(spec, status)).toMatchObject({ kind: 'not-watched', code: 'on-delete' })
    expect(of(spec, { ...status, updatedNumberScheduled: 5, numberAvailable: 4 })).toMatchObject({ kind: 'not-watched', code: 'on-delete' })
    expect(of(spec, { ...status, updatedNumberScheduled: 5 })).toMatchObject({ kind: 'complete' })
  })
})

describe('a Job', () => {
  const of = (status: object, spec: object = {}) => rolloutOf({ ...seen, spec, status }, 'Job')

  it('has no observed generation and is told by its conditions', () => {
    expect(of({ active: 1 })).toEqual({ kind: 'progressing', text: 'pods of the job: 1 active, 0 succeeded' })
    expect(of({ conditions: [{ type: 'Complete', status: 'True' }] })).toMatchObject({ kind: 'complete' })
    expect(of({ conditions: [{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded' }] })).toEqual({
      kind: 'failed',
      code: 'job-failed',
      text: 'BackoffLimitExceeded',
    })
  })

  it('whose condition is not true has not failed', () => {
    expect(of({ active: 1, conditions: [{ type: 'Failed', status: 'False' }] })).toMatchObject({ kind: 'progressing' })
  })

  it('that is suspended does nothing', () => {
    expect(of({}, { suspend: true })).toMatchObject({ kind: 'not-watched', code: 'suspended' })
  })
})

it('a CronJob has no rollout: its next run takes the new image', () => {
  expect(rolloutOf({ ...seen, spec: { schedule: '* * * * *' } }, 'CronJob')).toMatchObject({ kind: 'complete' })
})

it.each([['a text'], [null], [{ metadata: {}, spec: 3 }]])('what is no workload has no rollout: %j', (object) => {
  expect(rolloutOf(object, 'Deployment')).toBeUndefined()
})

describe('a pod that can never be ready', () => {
  const template = { images: { web: 'r/web:2' }, annotations: {} }
  const pod = (waiting: object, more: object = {}) => ({
    metadata: { name: 'web-x' },
    spec: { containers: [{ name: 'web', image: 'r/web:2' }] },
    status: { containerStatuses: [{ name: 'web', restartCount: 0, state: { waiting }, ...more }] },
  })

  it.each(['InvalidImageName', 'ErrImageNeverPull', 'ImagePullBackOff', 'CreateContainerConfigError'])('waits with %s', (reason) => {
    expect(hopelessPodOf([pod({ reason, message: 'no' })], template)).toEqual({
      kind: 'failed',
      code: 'pod-waiting',
      text: `container web of pod web-x waits with ${reason}: no`,
      containers: ['web'],
    })
  })

  it.each(['ContainerCreating', 'PodInitializing', 'ErrImagePull', undefined])('is not one that waits with %s', (reason) => {
    expect(hopelessPodOf([pod({ reason })], template)).toBeUndefined()
  })

  it('loops since its third restart, not since its first', () => {
    expect(hopelessPodOf([pod({ reason: 'CrashLoopBackOff' }, { restartCount: 2 })], template)).toBeUndefined()
    expect(hopelessPodOf([pod({ reason: 'CrashLoopBackOff' }, { restartCount: 3 })], template)).toMatchObject({
      text: 'container web of pod web-x waits with CrashLoopBackOff after 3 restarts',
    })
  })

  it('may fail in an init container', () => {
    const broken = {
      metadata: { name: 'web-x' },
      spec: { containers: [{ name: 'web', image: 'r/web:2' }], initContainers: [{ name: 'migrate', image: 'r/migrate:2' }] },
      status: { initContainerStatuses: [{ name: 'migrate', state: { waiting: { reason: 'ImagePullBackOff' } } }] },
    }
    expect(hopelessPodOf([broken], template)).toMatchObject({ text: expect.stringContaining('container migrate') })
  })

  it('does not count when it is of the old template, by its image or by an annotation', () => {
    const old = { ...pod({ reason: 'ImagePullBackOff' }), spec: { containers: [{ name: 'web', image: 'r/web:1' }] } }
    expect(hopelessPodOf([old], template)).toBeUndefined()
    const annotated = { images: { web: 'r/web:2' }, annotations: { content: 'b' } }
    expect(hopelessPodOf([pod({ reason: 'ImagePullBackOff' })], annotated)).toBeUndefined()
    const same = { ...pod({ reason: 'ImagePullBackOff' }), metadata: { name: 'web-x', annotations: { content: 'b' } } }
    expect(hopelessPodOf([same], annotated)).toBeDefined()
  })

  it('does not count when it is being deleted', () => {
    const going = { ...pod({ reason: 'ImagePullBackOff' }), metadata: { name: 'web-x', deletionTimestamp: '2026-11-24T00:00:00Z' } }
    expect(hopelessPodOf([going], template)).toBeUndefined()
  })
})
