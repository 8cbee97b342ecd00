import { describe, expect, it } from 'vitest'
import { parseCron } from '#shared/pure/cron.ts'
import type { FreezeWindow } from '#shared/safety/freeze-window.ts'
import { addNode, runIn, start, World } from './carry-out-stage.ts'

const overrides = [{ window: 'holidays', until: start + 86_400_000, by: 'on-call', reason: 'incident 42' }]

/** A window that begins some 10 seconds after `start`. */
function windowSoon(): { readonly window: FreezeWindow; readonly inMs: number } {
  const beginsAt = Math.floor(start / 1000) * 1000 + 10_000
  const seconds = new Date(beginsAt).getUTCSeconds()
  const schedule = parseCron(`${seconds} ${new Date(beginsAt).getUTCMinutes()} * * * *`)
  if (!schedule.ok) throw new Error(schedule.error.message)
  return {
    window: { name: 'holidays', kind: 'deny', schedule: schedule.value, durationMs: 300_000, timeZone: 'UTC' },
    inMs: beginsAt - start,
  }
}

async function entries(world: World): Promise<string[]> {
  const found = await world.journal().list({ now: world.now })
  return found.map(({ kind, reason }) => `${kind} ${reason.code}`)
}

/** A switch that lets time pass when it is read for the nth time. */
function switchThat(onRead: (index: number) => void) {
  let reads = 0
  return {
    name: 'the switch of this test',
    read: async (): Promise<'run'> => {
      reads += 1
      onRead(reads)
      return 'run'
    },
  }
}

const silent =
  'the state of the window "holidays" has changed meanwhile; on-call has set it aside, which must be written down before anything is changed, so the next run takes it up'

describe('17: an override that is first needed between the guard and the write', () => {
  it.each(['before the last question', 'while it is asked'])('%s, lets nothing through before it is in the journal', async (when) => {
    const { window, inMs } = windowSoon()
    const world = new World()
    const settings = { freeze: [window], overrides }
    // The first read of the switch is the guard's, the second comes right before the write.
    const killSwitch = switchThat((index) => (index === 2 && when === 'while it is asked' ? world.elapse(inMs) : undefined))
    const apply: typeof addNode = async (step, cloud) => {
      if (when === 'before the last question' && world.effects.length === 0 && world.now === start) world.elapse(inMs)
      return await addNode(step, cloud)
    }
    expect(await runIn(world, { owner: 'a', settings, killSwitch, apply })).toEqual({
      outcome: 'Held',
      reason: { code: 'guard.freeze-window', text: silent },
    })
    expect(world.effects).toEqual([])
    // The next run writes it down and goes on.
    expect(await runIn(world, { owner: 'b', settings, killSwitch, apply })).toMatchObject({ outcome: 'Applied' })
    expect(world.effects).toHaveLength(1)
    expect((await entries(world)).slice(-3)).toEqual(['note override', 'intent breach', 'outcome breach'])
  })

  it('changes nothing where it was noted before', async () => {
    const { window, inMs } = windowSoon()
    const world = new World()
    world.elapse(inMs)
    const killSwitch = switchThat(() => world.elapse(1))
    expect(await runIn(world, { owner: 'a', settings: { freeze: [window], overrides }, killSwitch })).toMatchObject({ outcome: 'Applied' })
    expect(await entries(world)).toEqual(['note override', 'intent breach', 'outcome breach'])
  })
})
