import { describe, expect, test } from 'vitest'
import { adviceFor, sizeManagerOf } from '#functions/cron-scaler/field-manager.ts'
import { targetOf } from '#functions/cron-scaler/scaled-object.ts'
import { at } from './fixtures.ts'

const replicasField = { 'f:spec': { 'f:replicas': {} } }
const ownFields = { 'f:metadata': { 'f:annotations': { '.': {}, 'f:longshore.dev/cron-scaler': {} } }, ...replicasField }

function entry(manager: string, time: string | undefined, fieldsV1: object): object {
  return { manager, operation: 'Update', apiVersion: 'apps/v1', fieldsType: 'FieldsV1', fieldsV1, ...(time === undefined ? {} : { time }) }
}

describe('who set the size', () => {
  test('is the manager that owns the field', () => {
    const fields = [
      entry('kubectl-client-side-apply', '2026-11-24T07:00:00Z', { 'f:spec': { 'f:template': {} } }),
      entry('argocd-controller', '2026-11-24T08:00:10Z', { 'f:spec': { 'f:replicas': {}, 'f:template': {} } }),
      entry('kube-controller-manager', '2026-11-24T08:00:20Z', { 'f:status': { 'f:replicas': {} } }),
    ]
    expect(sizeManagerOf(fields, 'Deployment')).toEqual({ name: 'argocd-controller', changedMs: at('2026-11-24T08:00:10Z') })
    expect(sizeManagerOf(fields, 'HorizontalPodAutoscaler')).toBeUndefined()
  })

  test('is never us: whoever owns the record wrote the size with it', () => {
    expect(sizeManagerOf([entry('forwarder', '2026-11-24T08:00:00Z', ownFields)], 'Deployment')).toBeUndefined()
    const both = [entry('forwarder', '2026-11-24T08:00:00Z', ownFields), entry('kubectl', '2026-11-24T07:00:00Z', replicasField)]
    expect(sizeManagerOf(both, 'StatefulSet')).toEqual({ name: 'kubectl', changedMs: at('2026-11-24T07:00:00Z') })
  })

  test('is of several the one that changed something last', () => {
    const fields = [
      entry('first', '2026-11-24T07:00:00Z', replicasField),
      entry('last', '2026-11-24T09:00:00Z', replicasField),
      entry('middle', '2026-11-24T08:00:00Z', replicasField),
      entry('timeless', undefined, replicasField),
    ]
    expect(sizeManagerOf(fields, 'Deployment')?.name).toBe('last')
    expect(sizeManagerOf(fields.toReversed(), 'Deployment')?.name).toBe('last')
  })

  test('of an autoscaler owns one of its bounds', () => {
    for (const field of ['f:minReplicas', 'f:maxReplicas']) {
      expect(sizeManagerOf([entry('helm', undefined, { 'f:spec': { [field]: {} } })], 'HorizontalPodAutoscaler')).toEqual({ name: 'helm' })
    }
  })

  test.each([
    [undefined],
    [null],
    ['all'],
    [[null, 7, 'x']],
    [[{ manager: 7, fieldsV1: replicasField }]],
    [[{ manager: 'a', fieldsV1: 'x' }]],
    [[{ manager: 'a' }]],
  ])('is nobody where %j stands', (fields) => {
    expect(sizeManagerOf(fields, 'Deployment')).toBeUndefined()
  })

  test('has a name of bearable length, and a time only where there is one', () => {
    const found = sizeManagerOf([entry('x\n'.repeat(500), 'yesterday', replicasField)], 'Deployment')
    expect(found?.name.length).toBeLessThanOrEqual(80)
    expect(found?.name).not.toContain('\n')
    expect(found).not.toHaveProperty('changedMs')
  })

  test('is read from an object, and strange managers make it no stranger', () => {
    const object = (managedFields: unknown) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '1', managedFields },
      spec: { replicas: 2 },
    })
    expect(targetOf(object([entry('kubectl', undefined, replicasField)]), 'Deployment')?.manager).toEqual({ name: 'kubectl' })
    const strange = targetOf(object(7), 'Deployment')
    expect(strange?.size).toEqual({ kind: 'replicas', replicas: 2 })
    expect(strange).not.toHaveProperty('manager')
  })
})

describe('what to do about it', () => {
  test.each([
    ['argocd-controller', 'Deployment', 'list /spec/replicas under ignoreDifferences'],
    ['argocd-application-controller', 'HorizontalPodAutoscaler', 'list /spec/minReplicas and /spec/maxReplicas under ignoreDifferences'],
    ['kustomize-controller', 'Deployment', 'leave spec.replicas out of the manifest in Git'],
    ['helm-controller', 'Deployment', 'manifest in Git'],
    ['helm', 'StatefulSet', 'leave spec.replicas out of the chart'],
    ['kubectl', 'Deployment', 'out of the manifest that is applied with kubectl'],
    ['kubectl-client-side-apply', 'Deployment', 'applied with kubectl'],
    ['kube-controller-manager', 'Deployment', 'name that autoscaler as the target'],
    ['keda', 'HorizontalPodAutoscaler', 'let only one of them set spec.minReplicas and spec.maxReplicas'],
    ['my-operator', 'Deployment', 'leave spec.replicas out of what sets it, or take the rule away'],
    [undefined, 'Deployment', 'leave spec.replicas out of what sets it'],
  ] as const)('%s on a %s', (name, kind, advice) => {
    expect(adviceFor(name === undefined ? undefined : { name }, kind)).toContain(advice)
  })
})
