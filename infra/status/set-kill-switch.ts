import { type FunctionName, functionNames } from '#shared/runtime/definition.ts'
import { createJournal } from '#shared/safety/journal.ts'
import { KillSwitchError } from '#shared/safety/kill-switch.ts'
import { readSwitch, type SwitchState, setSwitch } from '#shared/safety/kill-switch-store.ts'
import type { Store } from '#shared/safety/store.ts'

/** Seals journals, and takes secrets out of what is written there. */
export interface NoteSeals {
  readonly key: string | undefined
  readonly redact: (text: string) => string
}

/** Who sets the switch through what: `longshore switch`. */
export interface SwitchOrder extends SwitchState {
  readonly through: string
}

/**
 * Sets the kill switch in the store and says so in the journal of every function. Answers what could not be noted, one sentence for each
 * journal: it is set all the same, for nothing may keep anybody from stopping. Throws StoreError when it was not set.
 */
export async function setKillSwitch(store: Store, order: SwitchOrder, seals: () => Promise<NoteSeals>): Promise<readonly string[]> {
  const before = await stateBefore(store, order.at)
  await setSwitch(store, { state: order.state, by: order.by, reason: order.reason, now: order.at })
  let own: NoteSeals
  try {
    own = await seals()
  } catch (error) {
    return [`It is set, but noted in no journal: the journals' key cannot be read. ${messageOf(error)}`]
  }
  const unnoted: string[] = []
  for (const name of functionNames) {
    try {
      await note(store, name, { ...order, before }, own)
    } catch (error) {
      unnoted.push(`It is set, but that could not be noted in the journal of ${name}: ${own.redact(messageOf(error))}`)
    }
  }
  return unnoted
}

async function note(
  store: Store,
  name: FunctionName,
  { state, by, reason, at, before, through }: SwitchOrder & { readonly before: string },
  { key, redact }: NoteSeals,
): Promise<void> {
  await createJournal(store, { chain: name, key, redact }).append({
    kind: 'note',
    at,
    runId: `${through} ${new Date(at).toISOString()}`,
    function: name,
    stepKey: 'kill-switch',
    target: 'kill switch',
    before,
    after: state,
    reason: { code: 'kill-switch', text: `set to ${state} by ${by}: ${reason}` },
  })
}

/** What it says so far, for the note. */
async function stateBefore(store: Store, now: number): Promise<string> {
  try {
    return (await readSwitch(store, { now }))?.state ?? 'run'
  } catch (error) {
    if (error instanceof KillSwitchError) return 'damaged'
    throw error
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
