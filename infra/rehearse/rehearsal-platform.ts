import type { Clock } from '#cloud/clock.ts'
import { TransportError } from '#cloud/transport-error.ts'
import type { TransportFactory, WireAnswer, WireRequest } from '#cloud/wire.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { SandboxCore } from '#infra/sandbox/core.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createSandboxCore, exchangeApi } from '#infra/sandbox/server.ts'
import { sandboxCredential, sandboxHookSecrets } from '#infra/sandbox/test-credentials.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { Config, Environment } from '#shared/runtime/config.ts'
import { type Connection, connect } from '#shared/runtime/connect.ts'
import { createKernel, type Kernel, openStore } from '#shared/runtime/kernel.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { type ResolveReference, SecretUnavailableError } from '#shared/runtime/reference.ts'
import type { Store } from '#shared/safety/store.ts'

/** The sandbox and the real client before it, in one process and without a socket between them. */
export interface RehearsalPlatform {
  readonly core: SandboxCore
  readonly config: Config
  readonly cloud: Connection
  readonly kernel: Kernel
  readonly store: Store
  readonly env: Environment
  readonly resolve: ResolveReference
  close(): Promise<void>
}

/** Nobody listens there, and nobody ever connects: it is only a name for the signature to be made for. */
const origin = 'http://127.0.0.1:1'

/**
 * Puts the world behind the client of a configuration. Whatever that says about platform, store, secrets and notifiers is put aside: there
 * is no transport here that could open a connection, so nothing real can be reached by a rehearsal. Texts from other hosts
 * (calendars, figures of Prometheus) and other registries are refused.
 */
export async function openRehearsal(options: {
  readonly config: Config
  readonly world: World
  readonly clock: Clock
  readonly seed: number
  readonly redactor: Redactor
}): Promise<RehearsalPlatform> {
  const { config: given, world, clock, seed, redactor } = options
  const config: Config = {
    ...given,
    mode: 'enforce',
    notifiers: undefined,
    journalKey: undefined,
    store: { kind: 'memory' },
    // A switch elsewhere than in a cluster is none of this world: there is nobody here to throw it.
    guard:
      given.guard === undefined || given.guard.killSwitch.kind === 'configMap'
        ? given.guard
        : { ...given.guard, killSwitch: { kind: 'store' } },
    platform: {
      endpoint: { kind: 'url', url: origin },
      region: given.platform.region,
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'references', secretId: 'env:TENCENTCLOUD_SECRET_ID', secretKey: 'env:TENCENTCLOUD_SECRET_KEY' },
    },
  }
  const env: Environment = {
    ...sandboxHookSecrets,
    TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId,
    TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey,
  }
  const core = advancingOnce(createSandboxCore({ world, clock: createSandboxClock({ source: clock.now }), seed, rates: false }))
  const createTransport: TransportFactory = () => ({
    send: async (request) => await exchange(core, clock, request),
    close: () => Promise.resolve(),
  })
  const random = createRandom(seed + 1)
  const resolve = onlyFrom(env)
  const cloud = await connect(config, { env, clock, random, createTransport, redactor, resolveReference: resolve })
  const store = await openStore(config.store, { clock, random })
  const kernel = await createKernel({
    config,
    store,
    cloud,
    now: clock.now,
    redact: (text) => redactor.text(text),
    resolveReference: resolve,
  })
  return {
    core,
    config,
    cloud,
    kernel: withNothingOpen(kernel),
    store,
    env,
    resolve,
    close: async () => {
      await cloud.close()
      await store.close()
    },
  }
}

/** The same sandbox, which lets happen what is due once in an instant, and again there only after a write. */
function advancingOnce(core: SandboxCore): SandboxCore {
  let advancedTo: number | undefined
  const { records } = core.journal
  return {
    ...core,
    advance: () => {
      const now = core.clock.now()
      if (advancedTo === now && records.every(({ applied }) => !applied)) return
      advancedTo = now
      core.journal.clear()
      core.advance()
    },
  }
}

/**
 * The same kernel, which does not look for steps that an earlier run left open: no call is lost here and no process ends between a write and
 * its answer, so there are none, and looking reads the journal of a whole day each minute.
 */
function withNothingOpen(kernel: Kernel): Kernel {
  return { ...kernel, of: (name, owner) => ({ ...kernel.of(name, owner), settleOpen: () => Promise.resolve([]) }) }
}

/** Reads references from the given values and from nowhere else: no file, no parameter store. */
function onlyFrom(env: Environment): ResolveReference {
  return (reference) => {
    const value = reference.startsWith('env:') ? env[reference.slice(4)] : undefined
    return value === undefined
      ? Promise.reject(new SecretUnavailableError(`${reference} is not read in a rehearsal: nothing in it needs a secret`))
      : Promise.resolve(value)
  }
}

async function exchange(core: SandboxCore, clock: Clock, request: WireRequest): Promise<WireAnswer> {
  if (request.origin !== origin) {
    const { host } = new URL(request.origin)
    throw new TransportError(`${host} is not asked in a rehearsal: there is nothing but the world of the snapshot; nothing was sent.`, {
      kind: 'not-sent',
      sent: false,
      code: 'ECONNREFUSED',
      host,
    })
  }
  request.onDeparture?.()
  const { method, path, headers, body = '' } = request
  const { reply, dateMs } = await exchangeApi(
    core,
    { method, target: path, headers: Object.entries(headers), body: Buffer.from(body) },
    (ms) => clock.sleep(ms),
  )
  return {
    status: reply.status,
    headers: { date: new Date(dateMs).toUTCString(), 'content-type': reply.contentType },
    body: Buffer.from(reply.body, 'utf8'),
  }
}
