import { describe, expect, it } from 'vitest'
import type { NewImage, WorkloadChange } from '#functions/redeploy-hook/change.ts'
import { contentAnnotation, parseRecord, recordAnnotation } from '#functions/redeploy-hook/record.ts'
import type { WorkloadKind } from '#functions/redeploy-hook/workload.ts'
import { type PatchOperation, patchOf } from '#functions/redeploy-hook/workload-patch.ts'
import { workloadOf } from '#functions/redeploy-hook/workload-reading.ts'
import type { Json, JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { jsonPatch } from '#infra/sandbox/kubernetes/json-patch.ts'
import { digest, host, noon } from './small-world.ts'

const from = `${host}/team/web:1.0.0`
const to = `${host}/team/web:1.0.1`

const podSpec = {
  initContainers: [{ name: 'migrate', image: from }],
  containers: [
    { name: 'log', image: 'docker.io/library/busybox:1' },
    { name: 'app', image: from },
  ],
}

function objectWith(template: JsonObject, metadata: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'prod', uid: 'u-1', resourceVersion: '7', ...metadata },
    spec: { replicas: 2, template },
  }
}

const image: NewImage = {
  name: 'app',
  index: 1,
  isInit: false,
  from,
  to,
  repository: 'team/web',
  tag: '1.0.1',
  content: digest('b'),
  pushedMs: noon,
  rule: 'web',
  restart: false,
}

const ref = { cluster: 'cls-1', namespace: 'prod', kind: 'Deployment', name: 'web' } as const

function change(images: readonly NewImage[] = [image], recordText: string | null = null): WorkloadChange {
  return { kind: 'set-images', ref, uid: 'u-1', recordText, containers: [...images], isDone: false }
}

function patched(
  object: JsonObject,
  what: WorkloadChange = change(),
  kind: WorkloadKind = 'Deployment',
): { readonly operations: readonly PatchOperation[]; readonly result: JsonObject } {
  const live = workloadOf(object as never, { ...ref, kind })
  if (live === undefined) throw new Error('it is no workload')
  const operations = patchOf(live, what, 'key-1', noon)
  return { operations, result: jsonPatch(object, operations as unknown as Json) }
}

/** The value at a path like `spec/template/spec/containers/1/image`. */
function at(object: unknown, path: string): unknown {
  return path.split('/').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], object)
}

const recordOf = (object: JsonObject) => parseRecord((at(object, 'metadata/annotations') as Record<string, string>)[recordAnnotation])

describe('the patch of a workload', () => {
  it('writes image and record together, where there were no annotations', () => {
    const { result } = patched(objectWith({ metadata: { labels: { app: 'web' } }, spec: podSpec }))
    expect(at(result, 'spec/template/spec/containers/1/image')).toBe(to)
    expect(recordOf(result).containers.app).toMatchObject({ set: { image: to, key: 'key-1', state: 'rolling' }, mark: { pushedMs: noon } })
    expect(at(result, 'spec/template/metadata')).toEqual({ labels: { app: 'web' } })
    expect(at(result, 'spec/template/spec/initContainers/0/image')).toBe(from)
  })

  it('leaves the annotations that are there, and what a newer version wrote into the record', () => {
    const text = '{"app":{"later":{"of":1}},"other":{"mark":{"tag":"3","content":"sha256:c"}}}'
    const object = objectWith({ metadata: {}, spec: podSpec }, { annotations: { 'team/owner': 'web', [recordAnnotation]: text } })
    const { result } = patched(object, change([image], text))
    const annotations = at(result, 'metadata/annotations') as Record<string, string>
    expect(annotations['team/owner']).toBe('web')
    expect(JSON.parse(annotations[recordAnnotation] ?? '')).toMatchObject({
      app: { later: { of: 1 }, set: { image: to } },
      other: { mark: { tag: '3' } },
    })
  })

  it('marks the pods where the name alone would not replace them, also where the template has no metadata', () => {
    const moved = { ...image, to: from, restart: true }
    for (const template of [{ spec: podSpec }, { metadata: {}, spec: podSpec }, { metadata: { annotations: { a: 'b' } }, spec: podSpec }]) {
      const { result, operations } = patched(objectWith(template), change([moved]))
      expect(at(result, 'spec/template/metadata/annotations')).toMatchObject({ [contentAnnotation('app')]: digest('b') })
      expect(operations.some((one) => one.op === 'replace')).toBe(false)
    }
  })

  it('keeps a mark true that is there already, and sets none that nobody needs', () => {
    const marked = objectWith({ metadata: { annotations: { [contentAnnotation('app')]: digest('a') } }, spec: podSpec })
    expect(at(patched(marked).result, 'spec/template/metadata/annotations')).toEqual({ [contentAnnotation('app')]: digest('b') })
    expect(at(patched(objectWith({ metadata: {}, spec: podSpec })).result, 'spec/template/metadata/annotations')).toBeUndefined()
  })

  it('writes an init container, and a container whose name needs an escape or is too long for an annotation', () => {
    const migrate = { ...image, name: 'migrate', index: 0, isInit: true }
    const { result } = patched(objectWith({ metadata: {}, spec: podSpec }), change([image, migrate]))
    expect(at(result, 'spec/template/spec/initContainers/0/image')).toBe(to)
    const long = 'a'.repeat(63)
    const object = objectWith({ metadata: { annotations: { 'x~y/z': '1' } }, spec: { containers: [{ name: long, image: from }] } })
    const restarted = patched(object, change([{ ...image, name: long, index: 0, to: from, restart: true }])).result
    const annotations = at(restarted, 'spec/template/metadata/annotations') as Record<string, string>
    expect(annotations).toEqual({ 'x~y/z': '1', [contentAnnotation(long)]: digest('b') })
    expect(contentAnnotation(long).split('/')[1]?.length).toBeLessThanOrEqual(63)
  })

  it('finds the template of a CronJob', () => {
    const cronJob: JsonObject = {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'web', namespace: 'prod', uid: 'u-1', resourceVersion: '7' },
      spec: { schedule: '* * * * *', jobTemplate: { spec: { template: { spec: podSpec } } } },
    }
    const what = { ...change([{ ...image, restart: true, to: from }]), ref: { ...ref, kind: 'CronJob' as const } }
    const { result } = patched(cronJob, what, 'CronJob')
    expect(at(result, 'spec/jobTemplate/spec/template/metadata/annotations')).toEqual({ [contentAnnotation('app')]: digest('b') })
  })

  it('of an agreement touches no pod', () => {
    const approve: WorkloadChange = {
      kind: 'approve',
      ref,
      uid: 'u-1',
      recordText: null,
      by: 'on call',
      containers: [{ name: 'app', content: digest('b') }],
    }
    const { operations, result } = patched(objectWith({ metadata: {}, spec: podSpec }), approve)
    expect(operations.every(({ path }) => path.startsWith('/metadata/'))).toBe(true)
    expect(at(result, 'spec')).toEqual(objectWith({ metadata: {}, spec: podSpec }).spec)
    expect(recordOf(result).containers.app).toMatchObject({ approved: { by: 'on call', content: digest('b') } })
  })
})

describe('nothing at all is written when, since the workload was read,', () => {
  const restart = { ...image, to: from, restart: true }
  const bare = objectWith({ spec: podSpec })
  const full = objectWith(
    { metadata: { annotations: { [contentAnnotation('app')]: digest('a') } }, spec: podSpec },
    { annotations: { [recordAnnotation]: '{}', other: 'x' } },
  )

  it.each<[string, JsonObject, NewImage, (object: JsonObject) => void]>([
    ['it was made anew', bare, image, (object) => Object.assign(at(object, 'metadata') as object, { uid: 'u-2' })],
    ['it got its first annotations', bare, image, (object) => Object.assign(at(object, 'metadata') as object, { annotations: { a: 'b' } })],
    [
      'its record changed',
      full,
      image,
      (object) => Object.assign(at(object, 'metadata/annotations') as object, { [recordAnnotation]: '{"app":{}}' }),
    ],
    ['its record went', full, image, (object) => Reflect.deleteProperty(at(object, 'metadata/annotations') as object, recordAnnotation)],
    [
      'its image changed',
      bare,
      image,
      (object) => Object.assign(at(object, 'spec/template/spec/containers/1') as object, { image: `${host}/team/web:hotfix` }),
    ],
    [
      'its image changed, and only its mark was to be set',
      bare,
      restart,
      (object) => Object.assign(at(object, 'spec/template/spec/containers/1') as object, { image: to }),
    ],
    [
      'a container was put before it',
      bare,
      image,
      (object) => (at(object, 'spec/template/spec/containers') as unknown[]).unshift({ name: 'new', image: from }),
    ],
    [
      'another container of the same image took its place',
      bare,
      image,
      (object) => Object.assign(at(object, 'spec/template/spec/containers/1') as object, { name: 'other' }),
    ],
    [
      'its template got metadata',
      bare,
      restart,
      (object) => Object.assign(at(object, 'spec/template') as object, { metadata: { labels: { a: 'b' } } }),
    ],
    [
      'its mark changed',
      full,
      restart,
      (object) => Object.assign(at(object, 'spec/template/metadata/annotations') as object, { [contentAnnotation('app')]: digest('c') }),
    ],
  ])('%s', (_, object, one, meddle) => {
    const live = workloadOf(object as never, ref)
    if (live === undefined) throw new Error('it is no workload')
    const operations = patchOf(live, change([one]), 'key-1', noon) as unknown as Json
    expect(() => jsonPatch(object, operations)).not.toThrow()
    const moved = structuredClone(object)
    meddle(moved)
    expect(() => jsonPatch(moved, operations)).toThrow()
  })

  it('and what somebody else changed otherwise does not stop it and is not lost', () => {
    const live = workloadOf(bare as never, ref)
    if (live === undefined) throw new Error('it is no workload')
    const moved = structuredClone(bare)
    Object.assign(at(moved, 'spec') as object, { replicas: 9 })
    Object.assign(at(moved, 'spec/template/spec/containers/1') as object, { env: [{ name: 'A', value: 'b' }] })
    const result = jsonPatch(moved, patchOf(live, change(), 'key-1', noon) as unknown as Json)
    expect(at(result, 'spec/replicas')).toBe(9)
    expect(at(result, 'spec/template/spec/containers/1')).toEqual({ name: 'app', image: to, env: [{ name: 'A', value: 'b' }] })
  })
})
