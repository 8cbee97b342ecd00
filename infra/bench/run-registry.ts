import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from '#cloud/client.ts'
import type { Clock } from '#cloud/clock.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { definition } from '#functions/image-cleaner/definition.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { Config } from '#shared/runtime/config.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'

/**
 * A process that runs the image cleaner once over a whole registry, in mode plan, and tells its parent how much memory it had at the
 * most and how much is left when all is done. Words: the sandbox's address, the file of the store, where the clock begins, how
 * many times as fast as the machine's it runs, and since when: so fast that the published rates are no limit here.
 */
const [url = '', path = '', begin = '', timesText = '', since = ''] = process.argv.slice(2)
const [startMs, times] = [Number(begin), Number(timesText)]
const clock: Clock = {
  now: () => startMs + (Date.now() - Number(since)) * times,
  monotonic: () => performance.now() * times,
  sleep: (ms, signal) => delay(ms / times, undefined, signal === undefined ? {} : { signal }),
}
const client = createClient({
  credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
  region: emptyCluster.region,
  endpoint: { kind: 'url', url },
  clock,
  transport: createTransport({ clock, allowedHosts: ['127.0.0.1'], environment: {} }),
  random: createRandom(3),
  timeoutMs: 30_000 * times,
})
const store = await openSqliteStore({ path })
const config: Config = {
  mode: 'plan',
  platform: {
    endpoint: { kind: 'url', url },
    region: emptyCluster.region,
    allowInsecureHttp: false,
    allowedHosts: [],
    credentials: { kind: 'none' },
  },
  clusters: [{ id: emptyCluster.clusterId }],
  store: { kind: 'memory' },
  functions: {
    'image-cleaner': { policies: [{ name: 'builds', repositories: ['bench/*'], keep: { last: 20, semver: { newest: 3 } } }] },
  },
}
const report = await runSchedule(definition, {
  config,
  cloud: client,
  store,
  owner: 'bench',
  now: startMs,
  scheduledAt: startMs,
  trigger: { kind: 'local' },
  log: silentLog,
})
const peakMib = process.resourceUsage().maxRSS / 1024
globalThis.gc?.()
const leftMib = process.memoryUsage().heapUsed / 2 ** 20
await client.close()
await store.close()
if (report.failure !== undefined) throw new Error(report.failure.text)
const planned = report.decisions.filter(({ outcome }) => outcome === 'Planned').length
process.send?.({ peakMib, leftMib, decisions: report.decisions.length, planned })
