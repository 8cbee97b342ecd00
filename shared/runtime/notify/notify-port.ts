import type { Clock } from '#cloud/clock.ts'
import type { TransportFactory } from '#cloud/wire.ts'
import type { Store } from '#shared/safety/store.ts'
import type { Config, Environment } from '../config.ts'
import type { FunctionName } from '../definition.ts'
import type { Log } from '../log.ts'
import type { Redactor } from '../redact.ts'
import type { ResolveReference } from '../reference.ts'
import type { Notice } from './notice.ts'

/** What became of notices at one trigger, over all notifiers. */
export interface Notified {
  /** Messages that arrived. */
  readonly sent: number
  /** Notices that arrived in a message together with others. */
  readonly digested: number
  /** Tries that did not deliver, and notices that could not be written down. */
  readonly failed: number
  /** Notices that wait for the next trigger. */
  readonly waiting: number
}

/** The same while it is counted. */
export type Tally = { -readonly [Name in keyof Notified]: number }

export interface NotifyOptions {
  /** Until the platform kills the process; unlimited when absent. */
  readonly remainingMs?: (() => number) | undefined
  /** Nothing new is sent once it is aborted. */
  readonly signal?: AbortSignal | undefined
}

/** Tells people, through the configured notifiers. */
export interface NotifyPort {
  /**
   * Writes notices down, each for the notifiers that it concerns, and sends what waits: also what earlier triggers left. Without
   * any notice it only does the latter. Takes a few seconds at most, and none that the run does not have. Never throws: whatever
   * goes wrong is in the log, and counted. Calls of one process follow one another.
   */
  notify(notices: readonly Notice[], options?: NotifyOptions): Promise<Notified>
  /**
   * Reads a secret that a notice is made with, such as the one that its links are signed with. From then on it is shown nowhere; it is
   * read again after a few minutes. Waits for a few seconds at most. Throws SecretUnavailableError.
   */
  secret(reference: string): Promise<string>
  /** Ends the connections. */
  close(): Promise<void>
}

export interface NotifyPorts {
  /** Whose process it is: it deals with the notifiers that send for this function, whose secrets it may read. All of them when absent. */
  readonly function?: FunctionName | undefined
  readonly config: Pick<Config, 'notifiers'> & { readonly platform: Pick<Config['platform'], 'caFile'> }
  readonly store: Store
  readonly env: Environment
  readonly resolve: ResolveReference
  readonly redactor: Redactor
  readonly clock: Clock
  readonly random: () => number
  readonly loadTransport: () => Promise<TransportFactory>
  readonly log: Log
}

/**
 * What sends notices; undefined where no notifier is configured. What it needs is loaded at the first call, so that the start of a
 * process is as fast as without.
 */
export function openNotify(ports: NotifyPorts): NotifyPort | undefined {
  const name = ports.function
  const notifiers = (ports.config.notifiers ?? []).filter(({ functions }) => name === undefined || functions?.includes(name) !== false)
  if (notifiers.length === 0) return undefined
  let opened: Promise<NotifyPort> | undefined
  const open = async (): Promise<NotifyPort> => {
    const { createNotify } = await import('./notify.ts')
    return createNotify(notifiers, ports)
  }
  return {
    notify: async (notices, options) => {
      opened ??= open()
      return await (await opened).notify(notices, options)
    },
    secret: async (reference) => {
      opened ??= open()
      return await (await opened).secret(reference)
    },
    close: async () => {
      await (await opened)?.close()
    },
  }
}
