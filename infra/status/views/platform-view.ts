import { originOf } from '#cloud/endpoint.ts'
import type { PlatformView } from '../api-schemas.ts'
import type { StatusSources } from '../status-sources.ts'

/** What this process works on, and what holds it. */
export async function platformView({ platform, facts, killSwitch }: StatusSources): Promise<PlatformView> {
  const { config, sandbox, now } = platform
  const origins = [...new Set(['tke', 'tcr'].map((service) => originOf(config.platform.endpoint, service)))]
  const reading = await killSwitch.look()
  return {
    now: new Date(now()).toISOString(),
    mode: config.mode,
    kind: sandbox === undefined ? 'platform' : 'sandbox',
    endpoint: sandbox?.url ?? origins.map((origin) => new URL(origin).host).join(', '),
    region: config.platform.region ?? '',
    speed: facts.speed,
    version: facts.version,
    clusters: config.clusters.map(({ id, name }) => ({ id, name: name ?? id })),
    ...(reading === undefined
      ? {}
      : {
          killSwitch: {
            state: reading.state,
            ...(reading.by === undefined ? {} : { by: reading.by }),
            ...(reading.reason === undefined ? {} : { reason: reading.reason }),
            ...(reading.at === undefined ? {} : { since: new Date(reading.at).toISOString() }),
          },
        }),
    writable: facts.isWritable,
  }
}
