import type { DefinitionFacts, FunctionConfig } from '../definition.ts'
import type { Log } from '../log.ts'
import type { RunReport } from '../report.ts'
import type { Notice } from './notice.ts'
import type { Notified, NotifyOptions, NotifyPort } from './notify-port.ts'
import { noticesOfReport } from './report-notices.ts'

/** A run that has ended. */
export interface EndedRun<Settings, Observed> {
  readonly report: RunReport
  readonly config: FunctionConfig<Settings>
  readonly seen?: { readonly observed: Observed } | undefined
}

/** Tells people about runs as they end, one after the other, and never lets a run know what became of that. */
export interface Teller<Settings, Observed> {
  tell(run: EndedRun<Settings, Observed>): void
  /** Waits for what is under way. Undefined when nothing could even be tried. */
  end(): Promise<Notified | undefined>
}

/** Makes what tells of the runs of one invocation. */
export function createTeller<Settings, Observed, Change>(
  definition: Pick<DefinitionFacts<Settings, Observed, Change>, 'name'> & {
    readonly notices?: DefinitionFacts<Settings, Observed, Change>['notices'] | undefined
  },
  { notify, remainingMs, signal, log }: NotifyOptions & { readonly notify: NotifyPort; readonly log: Log },
): Teller<Settings, Observed> {
  let told: Promise<Notified | undefined> = Promise.resolve(undefined)
  const noticesOf = async ({ report, config, seen }: EndedRun<Settings, Observed>): Promise<readonly Notice[]> =>
    definition.notices === undefined
      ? noticesOfReport(report)
      : await definition.notices({ report, config, now: report.now, secret: notify.secret, ...seen })
  return {
    tell: (run) => {
      told = told.then(async (before) => {
        try {
          return sumOf(before, await notify.notify(await noticesOf(run), { remainingMs, signal }))
        } catch (error) {
          const isError = error instanceof Error
          const code = isError && 'kind' in error && typeof error.kind === 'string' ? error.kind : 'notify.error'
          const text = isError ? (error.stack ?? error.message) : String(error)
          log.write('error', 'notify-failed', { function: definition.name, code, error: text })
          return before
        }
      })
    },
    end: async () => await told,
  }
}

/** What waits is not added up: the later one says it. */
function sumOf(earlier: Notified | undefined, later: Notified): Notified {
  if (earlier === undefined) return later
  return {
    sent: earlier.sent + later.sent,
    digested: earlier.digested + later.digested,
    failed: earlier.failed + later.failed,
    waiting: later.waiting,
  }
}
