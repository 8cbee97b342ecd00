import * as z from 'zod/mini'
import { putForCertain } from './certain-put.ts'
import { type KillSwitch, KillSwitchError, unreachable } from './kill-switch.ts'
import { type ItemKey, type Store, StoreError } from './store.ts'
import { wrongFields } from './wrong-fields.ts'

const key: ItemKey = { partition: 'guard/kill-switch', sort: 'switch' }
const maxTries = 5

const SwitchData = z.strictObject({
  format: z.literal(1),
  state: z.enum(['run', 'stop']),
  by: z.string(),
  reason: z.string(),
  at: z.int(),
})

/** What the switch was last set to, by whom, when (epoch milliseconds) and why. */
export interface SwitchState {
  readonly state: 'run' | 'stop'
  readonly by: string
  readonly reason: string
  readonly at: number
}

/** The switch as an item of the store. An item that is not there says `run`: a new store is not stopped. */
export function storeKillSwitch(store: Store): KillSwitch {
  const name = `the kill switch in ${store.name}`
  const read = async (now: number): Promise<SwitchState | undefined> => {
    try {
      return await readSwitch(store, { now })
    } catch (error) {
      if (error instanceof StoreError) throw unreachable(name, error.message, error)
      throw error
    }
  }
  return {
    name,
    read: async (now) => (await read(now))?.state ?? 'run',
    why: async (now) => {
      const current = await read(now)
      if (current?.state !== 'stop') return undefined
      return `stopped by ${current.by} at ${new Date(current.at).toISOString()}: ${current.reason}`
    },
  }
}

/**
 * What the switch in the store was last set to; undefined when it never was. Throws StoreError, and KillSwitchError of kind
 * `kill-switch.unknown-value` when the item is damaged.
 */
export async function readSwitch(store: Store, options: { readonly now: number }): Promise<SwitchState | undefined> {
  const item = await store.get(key, options)
  if (item === undefined) return undefined
  const parsed = z.safeParse(SwitchData, item.data)
  if (parsed.success) {
    const { format: _, ...state } = parsed.data
    return state
  }
  throw new KillSwitchError(
    'kill-switch.unknown-value',
    `the kill switch in ${store.name} is damaged (${wrongFields(parsed.error)}), which counts as stop; set it again.`,
  )
}

/**
 * Sets the switch in the store. The last one to set it wins, and a setting whose answer was lost cannot arrive late and undo a
 * newer one. A damaged switch is replaced. Throws StoreError; with `store.unknown-outcome` read what it says now.
 */
export async function setSwitch(
  store: Store,
  { state, by, reason, now }: { readonly state: 'run' | 'stop'; readonly by: string; readonly reason: string; readonly now: number },
): Promise<void> {
  const data = { format: 1, state, by, reason, at: now }
  let current = await store.get(key, { now })
  for (let tries = 0; tries < maxTries; tries += 1) {
    const when = current === undefined ? 'absent' : { version: current.version }
    const result = await putForCertain(store, key, data, { when, now })
    if (result.ok) return
    current = result.current
  }
  throw new StoreError(
    'store.unavailable',
    `The kill switch in ${store.name} was set by others ${maxTries} times meanwhile. It was not set to ${state}; read what it says and try again.`,
  )
}
