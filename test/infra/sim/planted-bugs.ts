import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import type { SimFunction } from '#infra/sim/scenario.ts'
import type { Sabotage } from '#infra/sim/simulation.ts'
import type { FunctionKernel, Kernel } from '#shared/runtime/kernel.ts'
import { type CarryOutPorts, carryOut } from '#shared/safety/carry-out.ts'
import type { Guard } from '#shared/safety/guard.ts'
import type { Journal } from '#shared/safety/journal.ts'
import type { JournalEntry, NewJournalEntry } from '#shared/safety/journal-entry.ts'
import { createLedger, type Ledger } from '#shared/safety/ledger.ts'
import { settleOpen } from '#shared/safety/settle-open.ts'
import type { Store } from '#shared/safety/store.ts'

export interface PlantedBug {
  readonly name: string
  readonly function: SimFunction
  /** Numbers of the promises that are broken; one of them has to be noticed. */
  readonly breaks: readonly string[]
  readonly sabotage: Sabotage
}

interface Parts {
  readonly ledger: Ledger
  readonly guard: Guard
  readonly journal: Journal
}

type SomePorts = Pick<CarryOutPorts<never>, 'remainingMs'>

/** A kernel with other parts in it; what they work together stays the product's own. */
export function withParts(
  change: (
    parts: Parts,
    facts: { readonly kernel: Kernel; readonly name: Parameters<Kernel['of']>[0]; readonly owner: string },
  ) => Partial<Parts>,
  ports: Partial<SomePorts> = {},
): Sabotage {
  return {
    kernel: (kernel) => ({
      ...kernel,
      of: (name, owner): FunctionKernel => {
        const plain = kernel.of(name, owner)
        const parts = { ...plain, ...change(plain, { kernel, name, owner }) }
        const { ledger, guard, journal } = parts
        const own = { function: name, owner, ledger, guard, journal, now: kernel.now }
        return {
          ledger,
          guard,
          journal,
          carryOut: (step, given) => carryOut(step, { ...given, ...own, ...ports }),
          settleOpen: (given) => settleOpen({ ...given, ...own }),
        }
      },
    }),
  }
}

/** A client whose writing calls are made in another way. */
function withWrites(
  write: (cloud: CloudWriter, action: Action, request: object, options: SendOptions | undefined) => Promise<unknown>,
): Sabotage {
  return {
    cloud: (cloud) => ({
      send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
        if (action.effect === 'read') return await cloud.send(action, request, options)
        // What comes back is what the client gave.
        return (await write(cloud, action, request as object, options)) as ResponseOf<A>
      },
    }),
  }
}

function withStore(change: (store: Store) => Partial<Store>): Sabotage {
  return { store: (store) => ({ ...store, ...change(store) }) }
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'finish without a fence',
    function: 'cron-scaler',
    breaks: ['5'],
    sabotage: withParts(({ ledger }) => ({
      ledger: {
        ...bound(ledger),
        finish: async (claim, order) => {
          const current = await ledger.get(claim.entry.key, { now: order.now })
          return await ledger.finish(current === undefined ? claim : { ...claim, entry: { ...claim.entry, fence: current.fence } }, order)
        },
      },
    })),
  },
  {
    name: 'a ledger that always lets go on',
    function: 'relative-probe',
    breaks: ['3', '5'],
    sabotage: withParts(({ ledger }) => ({
      ledger: {
        ...bound(ledger),
        acquire: async (order) => {
          const acquired = await ledger.acquire(order)
          if (acquired.kind === 'acquired') return acquired
          return { kind: 'acquired', claim: { id: `${order.owner}#0`, deadline: order.deadline, entry: acquired.entry } }
        },
      },
    })),
  },
  {
    name: 'what is in doubt is done again at once',
    function: 'relative-probe',
    breaks: ['3', '4'],
    sabotage: { definition: (definition) => ({ ...definition, settle: () => Promise.resolve('not-applied') }) },
  },
  {
    name: 'no grace for an owner that is late',
    function: 'relative-probe',
    breaks: ['3', '4', '5'],
    sabotage: withParts((_, { kernel, name }) => ({ ledger: createLedger(kernel.store, { function: name, graceMs: 0 }) })),
  },
  {
    name: 'an ambiguous write is sent again',
    function: 'cron-scaler',
    breaks: ['4'],
    sabotage: withWrites(async (cloud, action, request, options) => {
      try {
        return await cloud.send(action, request as never, options)
      } catch (error) {
        if (!(error instanceof CloudError) || error.kind !== 'cloud.unknown-outcome') throw error
        return await cloud.send(action, request as never, options)
      }
    }),
  },
  {
    name: 'the intent is written after the write',
    function: 'cron-scaler',
    breaks: ['18'],
    sabotage: withParts(({ journal }) => ({ journal: intentLast(journal) })),
  },
  {
    name: 'an outcome that is forgotten',
    function: 'cron-scaler',
    breaks: ['18'],
    sabotage: withParts(({ journal }) => ({
      journal: {
        ...bound(journal),
        append: async (entry) => (entry.kind === 'outcome' ? unwritten(entry) : await journal.append(entry)),
      },
    })),
  },
  {
    name: 'a journal that is written over',
    function: 'cron-scaler',
    breaks: ['18'],
    sabotage: withStore((store) => ({
      put: (key, data, options) => store.put(key, data, key.partition.startsWith('journal/') ? { ...options, when: 'any' } : options),
    })),
  },
  {
    name: 'a cap that is one too high',
    function: 'cron-scaler',
    breaks: ['7'],
    sabotage: {
      config: (config) => {
        const { guard } = config
        if (guard === undefined) return config
        const caps = guard.caps.map(({ amount, ...cap }) => ({ ...cap, ...(amount === undefined ? {} : { amount: amount + 1 }) }))
        return { ...config, guard: { ...guard, caps } }
      },
    },
  },
  {
    name: 'room under a cap that is given back after the change',
    function: 'cron-scaler',
    breaks: ['7'],
    sabotage: withParts(({ guard }) => ({ guard: { ...guard, confirm: (reservation, moment) => guard.release(reservation, moment) } })),
  },
  {
    name: 'a kill switch that nobody looks at before a write',
    function: 'cron-scaler',
    breaks: ['16'],
    sabotage: withParts(({ guard }) => ({ guard: { ...guard, whyNotNow: () => Promise.resolve(undefined) } })),
  },
  {
    name: 'a kill switch that counts as run while it cannot be read',
    function: 'cron-scaler',
    breaks: ['16'],
    sabotage: withParts(({ guard }) => ({
      guard: {
        ...guard,
        whyNotNow: async (moment) => {
          const why = await guard.whyNotNow(moment)
          return why?.code === 'guard.kill-switch-unreachable' ? undefined : why
        },
      },
    })),
  },
  {
    name: 'a mode that is not kept to',
    function: 'cron-scaler',
    breaks: ['1'],
    sabotage: { config: (config) => ({ ...config, mode: 'enforce' }) },
  },
  {
    name: 'a size that nobody planned',
    function: 'cron-scaler',
    breaks: ['2'],
    sabotage: withWrites((cloud, action, request, options) =>
      cloud.send(action, rewritten(request, (text) => text.replace(/("(?:replicas|maxReplicas)":)(\d+)\}\}?$/, '$19}}')) as never, options),
    ),
  },
  {
    name: 'a write that is not bound to what was read',
    function: 'cron-scaler',
    breaks: ['2', '3', '14'],
    sabotage: withWrites((cloud, action, request, options) =>
      cloud.send(action, rewritten(request, (text) => text.replace(/"resourceVersion":"\d+",/, '')) as never, options),
    ),
  },
  {
    name: 'a run that does not see its time run out',
    function: 'cron-scaler',
    breaks: ['12'],
    sabotage: withParts(() => ({}), { remainingMs: () => Number.POSITIVE_INFINITY }),
  },
  {
    name: 'windows that nobody keeps to',
    function: 'cron-scaler',
    breaks: ['17'],
    sabotage: {
      config: (config) => (config.guard === undefined ? config : { ...config, guard: { ...config.guard, freeze: [], overrides: [] } }),
    },
  },
  {
    name: 'a plan for ten minutes ago',
    function: 'cron-scaler',
    breaks: ['14'],
    sabotage: {
      definition: (definition) => ({ ...definition, plan: (observed, config, now) => definition.plan(observed, config, now - 600_000) }),
    },
  },
]

/** An object's methods without its class, so that some can be replaced. */
function bound<Part extends Ledger | Journal>(part: Part): Part {
  const copy: Record<string, unknown> = {}
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(part))) {
    const member: unknown = Reflect.get(part, name)
    if (name !== 'constructor') copy[name] = typeof member === 'function' ? member.bind(part) : member
  }
  return Object.assign(copy, part) as unknown as Part
}

let made = 0

/** What an entry would look like that was never written. */
function unwritten(entry: NewJournalEntry): JournalEntry {
  made += 1
  return { ...entry, seq: made, prev: '', hash: `sha256:${'0'.repeat(64)}` }
}

function intentLast(journal: Journal): Journal {
  const waiting = new Map<string, NewJournalEntry>()
  return {
    ...bound(journal),
    append: async (entry) => {
      if (entry.kind === 'intent') {
        waiting.set(entry.stepKey, entry)
        return unwritten(entry)
      }
      const intent = waiting.get(entry.stepKey)
      waiting.delete(entry.stepKey)
      if (intent !== undefined) await journal.append(intent)
      return await journal.append(entry)
    },
  }
}

function rewritten(request: object, rewrite: (body: string) => string): object {
  const body: unknown = Reflect.get(request, 'RequestBody')
  return typeof body === 'string' ? { ...request, RequestBody: rewrite(body) } : request
}
