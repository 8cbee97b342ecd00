import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { kubeReader } from '#cloud/kube.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { getObject, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { type KillSwitch, KillSwitchError } from '#shared/safety/kill-switch.ts'
import { type KillSwitchPorts, killSwitchOf } from '#shared/safety/kill-switch-of.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const now = Date.UTC(2026, 2, 1, 8)
const settings = { kind: 'configMap', cluster: 'main', namespace: 'default', name: 'longshore', key: 'state' } as const

async function failureOf(killSwitch: KillSwitch): Promise<KillSwitchError> {
  const error = await killSwitch.read(now).then(
    (value) => new Error(`it said ${value}`),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(KillSwitchError)
  return error as KillSwitchError
}

function switchOf({ kubeReader: reader }: Pick<KillSwitchPorts, 'kubeReader'>): KillSwitch {
  const readParameter = () => Promise.reject(new Error('this port is not to be used'))
  return killSwitchOf(settings, { store: openMemoryStore(new MemoryDisk()), readParameter, kubeReader: reader })
}

describe('16: the switch in a ConfigMap, over the wire', () => {
  let sandbox: Sandbox
  let close: () => Promise<void>
  let killSwitch: KillSwitch
  beforeAll(async () => {
    sandbox = await startSandbox({ world: createEmptyWorld(Date.now() - 86_400_000, 1) })
    const transport = createTransport({ clock: systemClock, allowedHosts: ['127.0.0.1'], environment: {} })
    const cloud = createClient({
      credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
      region: emptyCluster.region,
      endpoint: { kind: 'url', url: sandbox.url },
      clock: systemClock,
      transport,
      random: () => 0,
    })
    const asked: string[] = []
    killSwitch = switchOf({
      kubeReader: (cluster) => {
        asked.push(cluster)
        return kubeReader(cloud, emptyCluster.clusterId)
      },
    })
    expect(asked).toEqual(['main'])
    close = async () => {
      await cloud.close()
      await sandbox.close()
    }
  })
  afterAll(() => close())

  const kubernetes = () => {
    const state = sandbox.world.kubernetes[emptyCluster.clusterId]
    if (state === undefined) throw new Error('there is no cluster')
    return state
  }
  const put = (object: object) =>
    putObject(
      kubernetes(),
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'longshore', namespace: 'default' }, ...object },
      sandbox.clock.now(),
    )

  it('says what the key says', async () => {
    expect(killSwitch.name).toBe(`the kill switch in key state of ConfigMap default/longshore of ${emptyCluster.clusterId}`)
    put({ data: { state: 'run', other: 'stop' } })
    expect(await killSwitch.read(now)).toBe('run')
    put({ data: { state: 'stop', other: 'run' } })
    expect(await killSwitch.read(now)).toBe('stop')
    put({ data: { state: 'run\n' } })
    expect((await failureOf(killSwitch)).kind).toBe('kill-switch.unknown-value')
  })

  it.each<[string, object]>([
    ['without the key', { data: { State: 'run' } }],
    ['without data', {}],
    ['with it among binary data only', { binaryData: { state: 'cnVu' } }],
  ])('cannot be read %s', async (_, object) => {
    removeObject(kubernetes(), '', 'configmaps', 'longshore', 'default')
    put(object)
    const error = await failureOf(killSwitch)
    expect(error.kind).toBe('kill-switch.unreachable')
    expect(error.message).toMatch(/has no such key\.$/)
  })

  it('cannot be read when the ConfigMap is gone, or the cluster', async () => {
    removeObject(kubernetes(), '', 'configmaps', 'longshore', 'default')
    expect(getObject(kubernetes(), '', 'configmaps', 'longshore', 'default')).toBeUndefined()
    const gone = await failureOf(killSwitch)
    expect([gone.kind, gone.message]).toEqual(['kill-switch.unreachable', expect.stringContaining('404 NotFound')])
    for (const data of [null, 'state', undefined, {}]) {
      const odd = switchOf({ kubeReader: () => ({ clusterId: 'cls-odd', get: async () => ({ data }) as never }) })
      const error = await failureOf(odd)
      expect(error.message).toBe(
        'the kill switch in key state of ConfigMap default/longshore of cls-odd cannot be read: the ConfigMap has no such key.',
      )
      expect(Object.hasOwn(error, 'cause')).toBe(false)
    }
    const away = switchOf({ kubeReader: () => ({ clusterId: 'cls-away', get: () => Promise.reject(new Error('no route')) }) })
    expect((await failureOf(away)).message).toMatch(/of cls-away cannot be read: no route$/)
  })
})
