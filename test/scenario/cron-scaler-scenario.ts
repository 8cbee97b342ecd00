import { expect } from 'vitest'
import { parseRecord, recordAnnotation, type ScaleRecord } from '#functions/cron-scaler/record.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { autoscalerV2, deployment, namespace, scalerDefinition, statefulSet } from '#infra/sandbox/seeds/kube-objects.ts'
import type { Decision } from '#shared/pure/step.ts'
import type { RunSetting, ScenarioPort } from './scenario-port.ts'

/**
 * What people do with the cron scaler, from the objects that they make to the sizes that they see. The same on the sandbox's
 * Kubernetes and on a real API server: each part has a namespace of its own and leaves nothing behind.
 */
export interface ScenarioPart {
  readonly name: string
  readonly play: (scene: Scene) => Promise<void>
}

const hpcGroup = 'autoscaling.cloud.tencent.com'

const collections = {
  Deployment: 'apis/apps/v1',
  StatefulSet: 'apis/apps/v1',
  HorizontalPodAutoscaler: 'apis/autoscaling/v2beta2',
  HorizontalPodCronscaler: `apis/${hpcGroup}/v1`,
} as const

type Kind = keyof typeof collections

const plurals: Readonly<Record<Kind, string>> = {
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  HorizontalPodAutoscaler: 'horizontalpodautoscalers',
  HorizontalPodCronscaler: 'horizontalpodcronscalers',
}

/** One namespace, and a clock on the wall of UTC. */
export class Scene {
  readonly port: ScenarioPort
  readonly namespace: string

  constructor(port: ScenarioPort, name: string) {
    this.port = port
    this.namespace = name
  }

  /** An instant of the scenario's day, or of a day after it. */
  at(time: string, day = 0): number {
    const [hour = 0, minute = 0, second = 0] = time.split(':').map(Number)
    return this.port.dayMs + day * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1000
  }

  /** As the API writes it. */
  text(time: string, day = 0): string {
    return new Date(this.at(time, day)).toISOString()
  }

  async create(object: JsonObject): Promise<void> {
    const kind = object.kind as Kind
    await this.port.kubectl('POST', this.#path(kind), object)
  }

  async web(replicas: number, annotations: Record<string, string> = {}): Promise<void> {
    await this.create(deployment({ namespace: this.namespace, name: 'web', image: 'registry.example/web:1', replicas, annotations }))
  }

  /** An HPC object in UTC for one target. */
  async schedule(name: string, target: readonly [kind: string, name: string], crons: readonly object[], annotations = {}): Promise<void> {
    const [kind, targetName] = target
    const apiVersion = kind === 'HorizontalPodAutoscaler' ? 'autoscaling/v2beta2' : 'apps/v1'
    const metadata = { name, namespace: this.namespace, annotations: { 'longshore.dev/time-zone': 'UTC', ...annotations } }
    const scaleTarget = { apiVersion, kind, name: targetName, namespace: this.namespace }
    const spec = { scaleTarget, crons: crons.map((cron) => ({ ...cron }) as JsonObject) }
    await this.create({ apiVersion: `${hpcGroup}/v1`, kind: 'HorizontalPodCronscaler', metadata, spec })
  }

  async get(kind: Kind, name: string): Promise<Shown> {
    const object = (await this.port.kubectl('GET', `${this.#path(kind)}/${name}`)) as unknown as Listed
    const text = object.metadata.annotations?.[recordAnnotation]
    const record = text === undefined ? undefined : parseRecord(text)
    if (record?.ok === false) throw new Error(record.error)
    return { spec: object.spec, generation: object.metadata.generation, record: record?.value }
  }

  async patch(kind: Kind, name: string, body: JsonObject): Promise<void> {
    await this.port.kubectl('PATCH', `${this.#path(kind)}/${name}`, body)
  }

  async annotate(name: string, annotations: Readonly<Record<string, string | null>>): Promise<void> {
    await this.patch('Deployment', name, { metadata: { annotations: { ...annotations } } })
  }

  async delete(kind: Kind, name: string): Promise<void> {
    await this.port.kubectl('DELETE', `${this.#path(kind)}/${name}`)
  }

  /** Runs the function; what it says of each target of this namespace, as `web: Applied due`. */
  async run(time: string, setting: RunSetting & { readonly day?: number } = {}): Promise<readonly string[]> {
    const report = await this.port.run(this.at(time, setting.day), setting)
    return [report, ...(report.followUps ?? [])].flatMap(({ decisions }) => this.told(decisions))
  }

  told(decisions: readonly Decision[]): readonly string[] {
    return decisions
      .filter(({ target }) => target === this.port.cluster || target.split('/')[1] === this.namespace)
      .map(({ target, outcome, reason }) => `${target.split('/')[3] ?? 'cluster'}: ${outcome} ${reason.code}`)
  }

  async reasons(time: string, setting: RunSetting = {}): Promise<string> {
    return (await this.port.run(this.at(time), setting)).decisions.map(({ reason }) => reason.text).join('\n')
  }

  /** Takes everything away that was made here. */
  async clear(): Promise<void> {
    for (const kind of ['HorizontalPodCronscaler', 'HorizontalPodAutoscaler', 'Deployment', 'StatefulSet'] as const) {
      const { items } = (await this.port.kubectl('GET', this.#path(kind))) as unknown as { readonly items: readonly Listed[] }
      for (const { metadata } of items) await this.delete(kind, metadata.name)
    }
  }

  #path(kind: Kind): string {
    return `/${collections[kind]}/namespaces/${this.namespace}/${plurals[kind]}`
  }
}

interface Listed {
  readonly metadata: { readonly name: string; readonly generation?: number; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: JsonObject
}

interface Shown {
  readonly spec: JsonObject
  /** Counts the changes of the spec. */
  readonly generation: number | undefined
  readonly record: ScaleRecord | undefined
}

/** Installs the definition of HPC objects, and waits until the cluster serves them: a real one takes a moment. */
export async function prepareScenario(port: ScenarioPort): Promise<void> {
  await port.kubectl('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', scalerDefinition(hpcGroup))
  for (let tries = 0; ; tries += 1) {
    try {
      await port.kubectl('GET', `/apis/${hpcGroup}/v1/horizontalpodcronscalers`)
      return
    } catch (error) {
      if (tries > 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** Plays one part in a namespace that is made for it. */
export async function playPart(port: ScenarioPort, part: ScenarioPart, index: number): Promise<void> {
  port.begin()
  const name = `part-${index}`
  await port.kubectl('POST', '/api/v1/namespaces', namespace(name))
  const scene = new Scene(port, name)
  try {
    await part.play(scene)
  } finally {
    await scene.clear()
  }
}

const up = { name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }
const down = { name: 'down', schedule: '0 0 20 * * *', targetSize: 2 }
const onWeb = ['Deployment', 'web'] as const

const configured = (scene: Scene, more: object = {}) => ({
  name: 'web-up',
  cluster: scene.port.cluster,
  target: { kind: 'Deployment', namespace: scene.namespace, name: 'web' },
  schedule: '0 0 8 * * *',
  timeZone: 'UTC',
  targetSize: 5,
  ...more,
})

export const cronScalerScenario: readonly ScenarioPart[] = [
  {
    name: 'Deployment, StatefulSet and autoscaler get the sizes of their HPC objects; the second run changes nothing',
    play: async (scene) => {
      await scene.web(2)
      await scene.create(statefulSet({ namespace: scene.namespace, name: 'db', image: 'registry.example/db:1', replicas: 1 }))
      await scene.create(deployment({ namespace: scene.namespace, name: 'api', image: 'registry.example/api:1', replicas: 3 }))
      const bounds = { minReplicas: 2, maxReplicas: 4, cpuPercent: 60 }
      await scene.create(autoscalerV2({ namespace: scene.namespace, name: 'api', target: 'api', ...bounds }))
      await scene.schedule('web', onWeb, [up, down])
      await scene.schedule('db', ['Statefulset', 'db'], [{ ...up, targetSize: 3 }])
      await scene.schedule(
        'api',
        ['HorizontalPodAutoscaler', 'api'],
        [
          { name: 'day', schedule: '0 0 8 * * *', minSize: 6, maxSize: 12 },
          { name: 'night', schedule: '0 0 20 * * *', minSize: 2, maxSize: 5 },
        ],
      )
      expect(await scene.run('08:00:05')).toEqual(['web: Applied due', 'api: Applied due', 'db: Applied due'])
      expect(await scene.get('Deployment', 'web')).toMatchObject({
        spec: { replicas: 5 },
        generation: 2,
        record: { owner: `hpc/${scene.namespace}/web/up`, nominalMs: scene.at('08:00:00'), epoch: 1, before: { replicas: 2 } },
      })
      expect((await scene.get('StatefulSet', 'db')).spec).toMatchObject({ replicas: 3 })
      // What else it says stays as it was.
      expect((await scene.get('HorizontalPodAutoscaler', 'api')).spec).toMatchObject({
        minReplicas: 6,
        maxReplicas: 12,
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } }],
      })
      const writes = scene.port.calls().filter((call) => call.startsWith('PATCH')).length
      expect(await scene.run('08:01:05')).toEqual([
        'web: NoChange already-applied',
        'api: NoChange already-applied',
        'db: NoChange already-applied',
      ])
      expect(scene.port.calls().filter((call) => call.startsWith('PATCH'))).toHaveLength(writes)
      expect((await scene.get('Deployment', 'web')).generation).toBe(2)
      // In the evening the maximum comes down again.
      expect(await scene.run('20:00:05')).toContain('api: Applied due')
      expect((await scene.get('HorizontalPodAutoscaler', 'api')).spec).toMatchObject({ minReplicas: 2, maxReplicas: 5 })
      expect((await scene.get('Deployment', 'web')).spec).toMatchObject({ replicas: 2 })
    },
  },
  {
    name: 'a workload that an autoscaler sizes is refused with a pointer to it, unless that is allowed',
    play: async (scene) => {
      await scene.web(2)
      const bounds = { minReplicas: 1, maxReplicas: 9, cpuPercent: 60 }
      await scene.create(autoscalerV2({ namespace: scene.namespace, name: 'web-hpa', target: 'web', ...bounds }))
      await scene.schedule('web', onWeb, [up])
      expect(await scene.run('08:00:05')).toEqual(['web: Held hpa-conflict'])
      expect(await scene.reasons('08:00:10')).toContain(`HorizontalPodAutoscaler ${scene.namespace}/web-hpa`)
      expect((await scene.get('Deployment', 'web')).generation).toBe(1)
      expect(await scene.run('08:01:05', { settings: { allowHpaConflict: true } })).toEqual(['web: Applied due'])
    },
  },
  {
    name: 'an opted-out target is left alone until it is in again',
    play: async (scene) => {
      await scene.web(2, { 'longshore.dev/opt-out': 'true' })
      await scene.schedule('web', onWeb, [up])
      expect(await scene.run('08:00:05')).toEqual(['web: Held opt-out'])
      await scene.annotate('web', { 'longshore.dev/opt-out': null })
      expect(await scene.run('08:10:05')).toEqual(['web: Applied late'])
      expect((await scene.get('Deployment', 'web')).spec).toMatchObject({ replicas: 5 })
    },
  },
  {
    name: 'a person keeps a size until an instant; then the latest firing counts as if it had just come',
    play: async (scene) => {
      await scene.web(2)
      await scene.schedule('web', onWeb, [up])
      await scene.run('08:00:05')
      const hold = { metadata: { annotations: { 'longshore.dev/hold-until': scene.text('10:00:00') } }, spec: { replicas: 9 } }
      await scene.patch('Deployment', 'web', hold)
      expect(await scene.run('09:00:05')).toEqual(['web: Held override'])
      expect((await scene.get('Deployment', 'web')).spec).toMatchObject({ replicas: 9 })
      expect(await scene.run('10:00:05')).toEqual(['web: Applied late'])
      expect((await scene.get('Deployment', 'web')).spec).toMatchObject({ replicas: 5 })
    },
  },
  {
    name: 'an override with an end takes the place of the rules, and ends',
    play: async (scene) => {
      await scene.web(2)
      await scene.schedule('web', onWeb, [up])
      await scene.run('08:00:05')
      await scene.annotate('web', { 'longshore.dev/override': `replicas=8 until=${scene.text('10:00:00')} reason=a drill` })
      expect(await scene.run('09:00:05')).toEqual(['web: Applied override-begins'])
      expect((await scene.get('Deployment', 'web')).spec).toMatchObject({ replicas: 8 })
      expect(await scene.run('09:01:05')).toEqual(['web: NoChange override-in-force'])
      expect((await scene.run('10:00:05')).filter((text) => text.includes('Applied'))).toHaveLength(1)
      expect((await scene.get('Deployment', 'web')).spec).toMatchObject({ replicas: 5 })
    },
  },
  {
    name: 'a cron that runs once runs once',
    play: async (scene) => {
      await scene.web(2)
      await scene.schedule('web', onWeb, [{ ...up, runOnce: true }])
      expect(await scene.run('08:00:05')).toEqual(['web: Applied due'])
      await scene.patch('Deployment', 'web', { spec: { replicas: 1 } })
      expect(await scene.run('08:00:05', { day: 1 })).toEqual(['web: NoChange already-applied'])
      // Nor after an edit of what it is excluded on.
      const crons = [{ ...up, runOnce: true, excludeDates: ['2030-01-01'] }]
      await scene.patch('HorizontalPodCronscaler', 'web', { spec: { crons } })
      expect(await scene.run('08:00:05', { day: 2 })).toEqual(['web: NoChange already-applied'])
      expect((await scene.get('Deployment', 'web')).spec).toMatchObject({ replicas: 1 })
    },
  },
  {
    name: 'an excluded date is passed over, and the next day counts',
    play: async (scene) => {
      await scene.web(2)
      const [, month = '', day = ''] = scene.text('00:00:00').slice(0, 10).split('-')
      await scene.schedule('web', onWeb, [{ ...up, excludeDates: [`* * * ${Number(day)} ${Number(month)} *`] }])
      // A cluster that is older than the day before has a firing of that day, which is missed.
      const told = await scene.run('08:00:05')
      expect(told).toContain('web: Skipped excluded-date')
      expect(told.filter((text) => !/Skipped excluded-date|Missed deadline-passed/.test(text))).toEqual([])
      expect((await scene.get('Deployment', 'web')).generation).toBe(1)
      expect(await scene.run('08:00:05', { day: 1 })).toEqual(['web: Applied due'])
    },
  },
  {
    name: "drift is put back with enforce, and a person's change stays without",
    play: async (scene) => {
      await scene.web(2)
      await scene.schedule('web', onWeb, [up], { 'longshore.dev/enforce': 'true' })
      await scene.run('08:00:05')
      await scene.patch('Deployment', 'web', { spec: { replicas: 1 } })
      expect(await scene.run('09:00:05')).toEqual(['web: Applied drift'])
      expect(await scene.get('Deployment', 'web')).toMatchObject({ spec: { replicas: 5 }, record: { epoch: 1, before: { replicas: 2 } } })
      await scene.patch('HorizontalPodCronscaler', 'web', { metadata: { annotations: { 'longshore.dev/enforce': 'false' } } })
      await scene.patch('Deployment', 'web', { spec: { replicas: 1 } })
      expect(await scene.run('10:00:05')).toEqual(['web: NoChange already-applied'])
      expect((await scene.get('Deployment', 'web')).spec).toMatchObject({ replicas: 1 })
    },
  },
  {
    name: 'a change is taken back exactly, and stays so until the next firing',
    play: async (scene) => {
      await scene.create(deployment({ namespace: scene.namespace, name: 'api', image: 'registry.example/api:1', replicas: 3 }))
      const bounds = { minReplicas: 2, maxReplicas: 4, cpuPercent: 60 }
      await scene.create(autoscalerV2({ namespace: scene.namespace, name: 'api', target: 'api', ...bounds }))
      const crons = [{ name: 'day', schedule: '0 0 8 * * *', minSize: 6, maxSize: 12 }]
      await scene.schedule('api', ['HorizontalPodAutoscaler', 'api'], crons)
      await scene.run('08:00:05')
      const undone = await scene.port.undoLast(scene.at('08:05:00'))
      expect(scene.told(undone.decisions)).toEqual(['api: Applied undo'])
      expect((await scene.get('HorizontalPodAutoscaler', 'api')).spec).toMatchObject({ minReplicas: 2, maxReplicas: 4 })
      expect(await scene.run('08:06:05')).toEqual(['api: NoChange already-applied'])
      expect(await scene.run('08:00:05', { day: 1 })).toEqual(['api: Applied due'])
    },
  },
  {
    name: 'two runners at once have one effect, with one store and with two',
    play: async (scene) => {
      await scene.web(2)
      const settings = { rules: [configured(scene)] }
      for (const [day, stores] of [
        [0, ['one', 'one']],
        [1, ['one', 'other']],
      ] as const) {
        await scene.patch('Deployment', 'web', { spec: { replicas: 2 } })
        const { generation = 0 } = await scene.get('Deployment', 'web')
        const told = (await Promise.all(stores.map((store) => scene.run('08:00:05', { settings, store, day })))).flat()
        expect(
          told.filter((text) => text === 'web: Applied due'),
          told.join(),
        ).toHaveLength(1)
        expect(await scene.get('Deployment', 'web')).toMatchObject({
          spec: { replicas: 5 },
          generation: generation + 1,
          record: { epoch: day + 1 },
        })
      }
    },
  },
  {
    name: 'beside the platform’s own controller it only compares; once that is gone it acts',
    play: async (scene) => {
      await scene.web(2)
      await scene.schedule('web', onWeb, [up])
      const controllers = '/apis/apps/v1/namespaces/kube-system/deployments'
      const controller = { namespace: 'kube-system', name: 'tke-hpc-controller', image: 'registry.example/hpc:1', replicas: 1 }
      await scene.port.kubectl('POST', controllers, deployment(controller))
      try {
        expect(await scene.run('08:05:05')).toEqual(['web: Held shadow-differs'])
        await scene.patch('Deployment', 'web', { spec: { replicas: 5 } })
        expect(await scene.run('08:06:05')).toEqual(['web: Held shadow-agrees'])
        await scene.patch('Deployment', 'web', { spec: { replicas: 2 } })
        await scene.port.kubectl('PATCH', `${controllers}/tke-hpc-controller`, { spec: { replicas: 0 } })
        expect(await scene.run('08:10:05')).toEqual(['web: Applied late'])
      } finally {
        await scene.port.kubectl('DELETE', `${controllers}/tke-hpc-controller`)
      }
    },
  },
  {
    name: 'a target that changes between reading and writing is decided again, and the change of the other stays',
    play: async (scene) => {
      await scene.web(2)
      const settings = { rules: [configured(scene)] }
      const before = async (method: string, nth: number) => {
        if (method === 'PATCH' && nth === 1) await scene.patch('Deployment', 'web', { spec: { minReadySeconds: 7 } })
      }
      expect(await scene.run('08:00:05', { settings, before })).toEqual(['web: Applied due'])
      expect(await scene.get('Deployment', 'web')).toMatchObject({ spec: { replicas: 5, minReadySeconds: 7 }, record: { epoch: 1 } })
    },
  },
  {
    name: 'a firing between two ticks is waited for, at its second',
    play: async (scene) => {
      await scene.web(2)
      await scene.schedule('web', onWeb, [{ ...up, schedule: '40 0 8 * * *' }])
      const told = await scene.run('08:00:05', { waits: true, settings: { lookBack: '1h' } })
      expect(told.at(-1)).toBe('web: Applied due')
      expect(await scene.get('Deployment', 'web')).toMatchObject({ spec: { replicas: 5 }, record: { nominalMs: scene.at('08:00:40') } })
    },
  },
  {
    name: 'what was missed is not run, what cannot be read spoils nothing else, and a plan writes nothing',
    play: async (scene) => {
      await scene.web(2)
      await scene.create(deployment({ namespace: scene.namespace, name: 'api', image: 'registry.example/api:1', replicas: 2 }))
      await scene.schedule('web', onWeb, [up])
      await scene.schedule('short', ['Deployment', 'api'], [{ name: 'short', schedule: '0 8 * * *', targetSize: 3 }])
      await scene.schedule('gone', ['Deployment', 'gone'], [up])
      expect((await scene.run('08:00:05', { mode: 'plan' })).toSorted()).toEqual([
        'api: Invalid schedule-invalid',
        'gone: Held target-missing',
        'web: Planned due',
      ])
      expect((await scene.run('08:31:00')).toSorted()).toEqual([
        'api: Invalid schedule-invalid',
        'gone: Held target-missing',
        'web: Missed deadline-passed',
      ])
      expect((await scene.get('Deployment', 'web')).generation).toBe(1)
    },
  },
]
