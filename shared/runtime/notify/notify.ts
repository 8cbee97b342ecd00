import type { Transport } from '#cloud/wire.ts'
import { StoreError } from '#shared/safety/store.ts'
import type { Log } from '../log.ts'
import { readCa } from '../read-ca.ts'
import { SecretUnavailableError } from '../reference.ts'
import type { Destination } from './channel.ts'
import { deliver } from './deliver.ts'
import { hostsOf, resolveDestination } from './destination.ts'
import { type Notice, severities, tidyNotice } from './notice.ts'
import type { NotifierSetting } from './notifier-settings.ts'
import type { Notified, NotifyOptions, NotifyPort, NotifyPorts, Tally } from './notify-port.ts'
import { createOutbox } from './outbox.ts'
import { sendMessage } from './send.ts'

/** For one message, from connecting to the end of the answer. */
const defaultSendTimeoutMs = 3_000
/** Everything about one trigger. */
const longestMs = 6_000
/** No message is begun later, so that it can end and be written down in time. */
const beginWithinMs = 2_500
/** Between two messages of one notifier: Feishu takes five a second, Slack one with some in between. */
const pauseMs = 250
/** Time that is left to the run for its answer. */
const marginMs = 1_500
/** With less time nothing is even begun. */
const leastMs = 300
/** Secrets are read again after this time, so that a new one is seen. */
const rereadMs = 5 * 60_000
/** For a secret that a notice is made with. */
const secretTimeoutMs = 3_000
/** Notices of one trigger that are written down each for itself. */
const mostNotices = 200
const hourMs = 3_600_000
/** Notices that are remembered as written down, to spare the store. */
const mostRemembered = 5_000
/** For how long: another process may have removed a mark early. */
const rememberMs = 10 * 60_000

/** Makes what sends notices through these notifiers. Reads nothing before the first call. `sendTimeoutMs` is 3 s when absent. */
export function createNotify(
  notifiers: readonly NotifierSetting[],
  ports: NotifyPorts & { readonly sendTimeoutMs?: number | undefined },
): NotifyPort {
  const { sendTimeoutMs = defaultSendTimeoutMs } = ports
  const { clock, redactor, random } = ports
  const owner = `${clock.now().toString(36)}-${Math.floor(random() * 2 ** 52).toString(36)}`
  const desks = notifiers.map((setting) => ({
    setting,
    outbox: createOutbox(ports.store, setting.name),
    destination: destinationOf(setting, ports),
  }))
  const transport = transportFor(notifiers, ports)
  const secret = secretReader(ports)
  const known = createKnown()
  let before: Promise<unknown> = Promise.resolve()
  let isClosed = false

  const record = async (notices: readonly Notice[], desk: (typeof desks)[number], mayGoOn: () => boolean): Promise<number> => {
    let lost = 0
    for (const notice of notices.filter((one) => concerns(desk.setting, one))) {
      const name = `${desk.setting.name}/${notice.key}`
      if (known.has(name, clock.now())) continue
      if (!mayGoOn()) {
        lost += 1
        continue
      }
      await desk.outbox.record(notice, clock.now())
      known.add(name, clock.now() + Math.min(rememberMs, notice.dedupeMs ?? rememberMs))
    }
    return lost
  }

  const work = async (notices: readonly Notice[], tally: Tally, until: number, signal: AbortSignal): Promise<void> => {
    const startedAt = clock.monotonic()
    const mayWrite = (): boolean => !signal.aborted && clock.monotonic() < until
    const mayBegin = (): boolean => mayWrite() && clock.monotonic() < startedAt + beginWithinMs
    const bearer = await transport.open()
    await Promise.all(
      desks.map(async (desk) => {
        const { setting, outbox } = desk
        const log = ports.log
        await guarded(setting, log, tally, async () => {
          const lost = await record(notices, desk, mayWrite)
          if (lost > 0) {
            tally.failed += lost
            log.write('warn', 'notices-not-kept', { target: setting.name, code: 'notify.no-time', counts: `notices ${lost}` })
          }
          const timeoutMs = (): number => Math.max(1, Math.min(sendTimeoutMs, until - clock.monotonic()))
          await deliver(setting, {
            outbox,
            owner,
            sendTimeoutMs,
            now: clock.now,
            pause: async () => await pauseFor(clock, signal),
            mayGoOn: mayBegin,
            log,
            tally,
            send: async (message) =>
              await sendMessage(setting, message, {
                transport: bearer,
                destination: desk.destination,
                now: clock.now,
                timeoutMs: timeoutMs(),
                signal,
                redact: (text) => redactor.text(text),
              }),
          })
        })
      }),
    )
  }

  const notifyOnce = async (notices: readonly Notice[], { remainingMs, signal }: NotifyOptions): Promise<Notified> => {
    const tally: Tally = { sent: 0, digested: 0, failed: 0, waiting: 0 }
    const budgetMs = Math.min(longestMs, (remainingMs?.() ?? Number.POSITIVE_INFINITY) - marginMs)
    if (isClosed || signal?.aborted === true || budgetMs < leastMs) {
      if (notices.length > 0) {
        tally.failed += notices.length
        ports.log.write('warn', 'notices-not-kept', { code: 'notify.no-time', counts: `notices ${notices.length}` })
      }
      return tally
    }
    const stop = new AbortController()
    const signals = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
    const tidy = bounded(notices).map((notice) => tidyNotice(notice, (text) => redactor.text(text)))
    const done = work(tidy, tally, clock.monotonic() + budgetMs, signals).catch((error: unknown) => crashed(error, ports.log, tally))
    const patience = new AbortController()
    const late = clock.sleep(budgetMs, AbortSignal.any([patience.signal, ...(signal === undefined ? [] : [signal])])).then(
      () => undefined,
      () => undefined,
    )
    await Promise.race([done, late])
    patience.abort()
    stop.abort()
    return { ...tally, waiting: Math.max(0, tally.waiting) }
  }

  return {
    notify: async (notices, options = {}) => {
      const turn = before.then(async () => await notifyOnce(notices, options))
      before = turn
      return await turn
    },
    secret,
    close: async () => {
      isClosed = true
      await before
      await transport.close()
    },
  }
}

/** Ends early when it is to stop. */
async function pauseFor(clock: NotifyPorts['clock'], signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(pauseMs, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Whether a notifier sends a notice. */
export function concerns(setting: NotifierSetting, notice: Pick<Notice, 'function' | 'severity'>): boolean {
  const { functions, atLeast = 'info' } = setting
  if (functions !== undefined && !functions.some((name) => name === notice.function)) return false
  return severities.indexOf(notice.severity) >= severities.indexOf(atLeast)
}

/** One transport for all notifiers, made at its first use. */
export interface LateTransport {
  open(): Promise<Transport>
  close(): Promise<void>
}

/** Plain HTTP goes to this machine only, whatever the platform's settings say: the keys are in the URLs. */
export function transportFor(
  notifiers: readonly NotifierSetting[],
  ports: Pick<NotifyPorts, 'config' | 'clock' | 'loadTransport' | 'env'>,
): LateTransport {
  let made: Promise<Transport> | undefined
  const make = async (): Promise<Transport> => {
    const { caFile } = ports.config.platform
    const ca = caFile === undefined ? undefined : await readCa(caFile)
    const createTransport = await ports.loadTransport()
    return createTransport({
      clock: ports.clock,
      allowedHosts: [...new Set(notifiers.flatMap(hostsOf))],
      environment: ports.env,
      maxAnswerBytes: 256 * 1024,
      connectTimeoutMs: 2_000,
      ...(ca === undefined ? {} : { ca: [ca, ...process.getBuiltinModule('node:tls').rootCertificates] }),
    })
  }
  return {
    open: async () => {
      made ??= make().catch((error: unknown) => {
        made = undefined
        throw error
      })
      return await made
    },
    close: async () => {
      await (await made)?.close()
    },
  }
}

/** Where a notifier's messages go; read again after a while. */
function destinationOf(setting: NotifierSetting, ports: NotifyPorts): () => Promise<Destination> {
  const { clock } = ports
  let known: { readonly destination: Destination; readonly readAt: number } | undefined
  return async () => {
    const now = clock.now()
    if (known !== undefined && now >= known.readAt && now - known.readAt < rereadMs) return known.destination
    known = { destination: await resolveDestination(setting, ports), readAt: now }
    return known.destination
  }
}

/** Reads secrets, each again after a while. One that does not come soon is one that cannot be read: people are to hear without it. */
function secretReader({ clock, resolve, redactor }: Pick<NotifyPorts, 'clock' | 'resolve' | 'redactor'>): NotifyPort['secret'] {
  const read = new Map<string, { readonly secret: string; readonly readAt: number }>()
  return async (reference) => {
    const now = clock.now()
    const known = read.get(reference)
    if (known !== undefined && now >= known.readAt && now - known.readAt < rereadMs) return known.secret
    const patience = new AbortController()
    const late = clock.sleep(secretTimeoutMs, patience.signal).then(
      () => {
        throw new SecretUnavailableError(`${reference}: nothing came within ${secretTimeoutMs} ms; check that it can be reached from here.`)
      },
      // Only who has stopped waiting comes here.
      () => '',
    )
    try {
      const secret = await Promise.race([resolve(reference), late])
      redactor.add(secret)
      read.set(reference, { secret, readAt: now })
      return secret
    } finally {
      patience.abort()
    }
  }
}

/** What a store cannot do is one notifier's failure, and no other's. */
async function guarded(setting: NotifierSetting, log: Log, tally: Tally, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    tally.failed += 1
    log.write('warn', 'notices-not-kept', { target: setting.name, code: error.kind, reason: error.message })
  }
}

/** Whatever it is: it has no part in what the run came to. */
function crashed(error: unknown, log: Log, tally: Tally): void {
  tally.failed += 1
  const kind = error instanceof Error && 'kind' in error && typeof error.kind === 'string' ? error.kind : undefined
  const text = error instanceof Error ? error.message : String(error)
  log.write('error', 'notify-failed', {
    code: kind ?? 'notify.error',
    error: kind === undefined && error instanceof Error ? error.stack : text,
  })
}

/** The first of many notices, and one that says how many more there are. */
function bounded(notices: readonly Notice[]): readonly Notice[] {
  const [first] = notices
  if (notices.length <= mostNotices || first === undefined) return notices
  const sorted = notices.toSorted((left, right) => severities.indexOf(right.severity) - severities.indexOf(left.severity))
  const rest = sorted.slice(mostNotices)
  const more: Notice = {
    key: `more/${first.function}/${Math.floor(first.at / hourMs)}`,
    severity: rest[0]?.severity ?? 'info',
    function: first.function,
    title: `and ${rest.length} more notices of the same run`,
    lines: [`They are in the log and in the report of the run. The next one: ${rest[0]?.title ?? ''}`],
    at: first.at,
    dedupeMs: hourMs,
  }
  return [...sorted.slice(0, mostNotices), more]
}

interface Known {
  has(name: string, now: number): boolean
  add(name: string, until: number): void
}

/** Names, each until a time; the oldest are forgotten first. */
function createKnown(): Known {
  const names = new Map<string, number>()
  return {
    has: (name, now) => (names.get(name) ?? 0) > now,
    add: (name, until) => {
      names.delete(name)
      names.set(name, until)
      const oldest = names.size > mostRemembered ? names.keys().next().value : undefined
      if (oldest !== undefined) names.delete(oldest)
    },
  }
}
