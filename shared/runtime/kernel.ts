import type { Clock } from '#cloud/clock.ts'
import type { CloudReader } from '#cloud/cloud.ts'
import { kubeReader } from '#cloud/kube.ts'
import type { StepResult } from '#shared/pure/step.ts'
import { type CarryOutPorts, type ChangeStep, carryOut } from '#shared/safety/carry-out.ts'
import { createGuard, type Guard } from '#shared/safety/guard.ts'
import { defaultGuardSettings } from '#shared/safety/guard-settings.ts'
import { createJournal, type Journal } from '#shared/safety/journal.ts'
import type { KillSwitch } from '#shared/safety/kill-switch.ts'
import { killSwitchOf } from '#shared/safety/kill-switch-of.ts'
import { createLedger, type Ledger } from '#shared/safety/ledger.ts'
import { type SettledStep, type SettleOpenPorts, settleOpen } from '#shared/safety/settle-open.ts'
import type { Store } from '#shared/safety/store.ts'
import type { Config, StoreSetting } from './config.ts'
import type { FunctionName } from './definition.ts'
import { type ResolveReference, readLambdaParameter, SecretUnavailableError } from './reference.ts'

/**
 * What every write goes through: the store, and made on it the ledger (nothing twice), the guard (not now, not this, not so
 * many) and the journal (what was done and why). One per process; `of` gives a function's own part for one run.
 */
export interface Kernel {
  readonly store: Store
  /** Secret of the seals of journal and plans. */
  readonly key: string | undefined
  readonly redact: (text: string) => string
  /** Where it is written whether all is to stop. */
  readonly killSwitch: KillSwitch
  /** The time at this moment, epoch milliseconds. */
  readonly now: () => number
  /** `owner` is unique to one run of one process. */
  of(name: FunctionName, owner: string): FunctionKernel
}

/** What a kernel adds to the ports of a run by itself. */
type Own = 'function' | 'owner' | 'ledger' | 'guard' | 'journal' | 'now'

export interface FunctionKernel {
  /** Carries out one step, at most once: see `carryOut` in shared/safety. */
  carryOut<Change>(step: ChangeStep<Change>, ports: Omit<CarryOutPorts<Change>, Own>): Promise<StepResult>
  /** Settles what earlier runs left open. Throws StoreError and JournalError. */
  settleOpen<Change>(ports: Omit<SettleOpenPorts<Change>, Own>): Promise<readonly SettledStep[]>
  readonly ledger: Ledger
  readonly guard: Guard
  readonly journal: Journal
}

export interface KernelOptions {
  readonly config: Pick<Config, 'clusters' | 'guard' | 'journalKey'>
  readonly store: Store
  /** For a kill switch in a cluster. */
  readonly cloud: CloudReader
  readonly now: () => number
  readonly redact: (text: string) => string
  readonly resolveReference: ResolveReference
  /** The longest that one call may take; 10 s when absent. */
  readonly callTimeoutMs?: number | undefined
}

/** Makes the kernel. Throws SecretUnavailableError when the journal's key leads nowhere. */
export async function createKernel(options: KernelOptions): Promise<Kernel> {
  const { config, store, cloud, now, redact, callTimeoutMs } = options
  const key = config.journalKey === undefined ? undefined : await journalKeyOf(config.journalKey, options.resolveReference)
  const settings = config.guard ?? defaultGuardSettings
  const killSwitch = killSwitchOf(settings.killSwitch, {
    store,
    readParameter: readLambdaParameter,
    kubeReader: (wanted) => {
      const cluster = config.clusters.find(({ id, name }) => id === wanted || name === wanted)
      return kubeReader(cloud, cluster?.id ?? wanted, cluster?.region === undefined ? {} : { region: cluster.region })
    },
  })
  return {
    store,
    key,
    redact,
    killSwitch,
    now,
    of: (name, owner) => {
      const ledger = createLedger(store, { function: name })
      const guard = createGuard({ settings, store, killSwitch, function: name, owner, callTimeoutMs })
      const journal = createJournal(store, { chain: name, key, redact })
      const own = { function: name, owner, ledger, guard, journal, now }
      return {
        ledger,
        guard,
        journal,
        carryOut: (step, ports) => carryOut(step, { ...ports, ...own }),
        settleOpen: (ports) => settleOpen({ ...ports, ...own }),
      }
    },
  }
}

async function journalKeyOf(reference: string, resolve: ResolveReference): Promise<string> {
  try {
    return await resolve(reference)
  } catch (error) {
    if (!(error instanceof SecretUnavailableError)) throw error
    throw new SecretUnavailableError(`journal.key: ${error.message}`, { cause: error })
  }
}

/**
 * Opens the configured store. Only the one that is configured is loaded. Throws StoreError, which names the store and what
 * to do about it.
 */
export async function openStore(setting: StoreSetting, options: { readonly clock: Clock; readonly random: () => number }): Promise<Store> {
  switch (setting.kind) {
    case 'memory': {
      const { MemoryDisk, openMemoryStore } = await import('#shared/safety/store-memory.ts')
      return openMemoryStore(new MemoryDisk())
    }
    case 'sqlite': {
      const { openSqliteStore } = await import('#shared/safety/store-sqlite.ts')
      return await openSqliteStore({ path: setting.path })
    }
    case 'dynamodb': {
      const { openDynamoStore } = await import('#shared/safety/store-dynamodb.ts')
      const { table, region } = setting
      return await openDynamoStore({ table, region, random: options.random, sleep: (ms) => options.clock.sleep(ms) })
    }
  }
}
