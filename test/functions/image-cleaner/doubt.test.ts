import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Fault } from '#infra/sandbox/faults.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { dropTags } from '#infra/sandbox/tcr/images.ts'
import { interfering } from './interfering.ts'
import { clusterA, freely, hourMs, image, openStage, placeNode, type Stage, saying } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage()
  for (let index = 1; index <= 4; index += 1) stage.push('shop/web', `v${index}`, 100 - index)
})

afterEach(async () => {
  await stage.close()
})

const quarantined = freely({ tags: ['v4'] }, { quarantine: { repository: 'quarantine/bin', days: 7 } })

/** Calls of an action that the platform has carried out. */
function applied(action: string): number {
  return stage.journal.filter((call) => call.action === action && call.applied).length
}

/** Whatever may be lost around a call that was carried out, and around one that was not. */
const after: readonly Fault[] = [
  { kind: 'drop-after' },
  { kind: 'truncated-body' },
  { kind: 'internal-error', when: 'after' },
  { kind: '5xx', status: 504, when: 'after' },
]
const before: readonly Fault[] = [
  { kind: 'drop-before' },
  { kind: 'internal-error', when: 'before' },
  { kind: '5xx', status: 502, when: 'before' },
]

const named = (faults: readonly Fault[]) =>
  faults.map((fault) => [`${fault.kind}${'when' in fault ? ` ${fault.when}` : ''}`, fault] as const)

describe('a removal whose answer is lost', () => {
  it.for(named(after))('after it was carried out (%s) is settled by reading, and happens once', async ([, fault]) => {
    stage.faults.add({ fault, match: { action: 'BatchDeleteImagePersonal' }, count: 1 })
    expect(saying(await stage.run(freely({ last: 1 })), 'Applied', 'Failed', 'Held')).toEqual(['Applied settled-applied'])
    expect(stage.tags('shop/web')).toEqual(['v4'])
    stage.pass(24 * hourMs)
    await stage.run(freely({ last: 1 }))
    expect(applied('BatchDeleteImagePersonal')).toBe(1)
  })

  it.for(named(before))(
    'before it was carried out (%s) is never blindly repeated: a later run looks, and does it once',
    async ([, fault]) => {
      stage.faults.add({ fault, match: { action: 'BatchDeleteImagePersonal' }, count: 1 })
      expect(saying(await stage.run(freely({ last: 1 })), 'Applied', 'Failed', 'Held')).toEqual(['Held unknown-outcome'])
      expect(stage.tags('shop/web')).toHaveLength(4)
      expect(stage.journal.filter(({ action }) => action === 'BatchDeleteImagePersonal')).toHaveLength(1)
      stage.pass(24 * hourMs)
      expect(saying(await stage.run(freely({ last: 1 })), 'Applied')).toEqual(['Applied expired'])
      expect(stage.tags('shop/web')).toEqual(['v4'])
      expect(applied('BatchDeleteImagePersonal')).toBe(1)
    },
  )

  it('counts against the caps of its day, though nobody knows whether it was carried out', async () => {
    stage.push('shop/xyz', 'old', 90)
    stage.push('shop/xyz', 'new', 1)
    stage.faults.add({ fault: { kind: 'drop-before' }, match: { action: 'BatchDeleteImagePersonal' }, count: 1 })
    const settings = { ...freely({ last: 1 }), caps: { perRepository: { amount: 100, percent: 100 }, perRun: 100, perDay: 3 } }
    await stage.run(settings)
    expect(stage.tags('shop/xyz')).toEqual(['new', 'old'])
    stage.pass(hourMs)
    await stage.run(settings, { fresh: true })
    expect(stage.tags('shop/xyz')).toEqual(['new', 'old'])
  })

  it('of which some tags are gone and some are not stays in doubt for a person, and is not done again', async () => {
    stage.faults.add({ fault: { kind: 'drop-before' }, match: { action: 'BatchDeleteImagePersonal' }, count: 1 })
    await stage.run(freely({ last: 1 }))
    dropTags(stage.repository('shop/web'), ['v2'], stage.now())
    stage.pass(24 * hourMs)
    const report = await stage.run(freely({ last: 4 }))
    expect(saying(report, 'Held')).toEqual(['Held unknown-outcome'])
    expect(stage.tags('shop/web')).toEqual(['v1', 'v3', 'v4'])
  })
})

describe('a copy to the quarantine whose answer is lost', () => {
  it.for([...named(after), ...named(before)])('(%s): nothing is removed without a copy, and a later run does both', async ([, fault]) => {
    stage.faults.add({ fault, match: { action: 'DuplicateImagePersonal' }, count: 1 })
    await stage.run(quarantined)
    expect(stage.tags('shop/web')).toHaveLength(4)
    expect(applied('BatchDeleteImagePersonal')).toBe(0)
    stage.pass(24 * hourMs)
    expect(saying(await stage.run(quarantined), 'Applied')).toEqual(['Applied expired'])
    expect(stage.tags('shop/web')).toEqual(['v4'])
    expect(stage.tags('quarantine/bin').map((tag) => tag.replace(/^[0-9a-f]{16}-/, ''))).toHaveLength(3)
    expect(applied('BatchDeleteImagePersonal')).toBe(1)
  })

  it('a registry that says it copied and did not: nothing is removed', async () => {
    const cloud = interfering(stage.cloud, {
      answer: ({ action }, answer) => {
        if (action === 'DuplicateImagePersonal') dropTags(stage.repository('quarantine/bin'), stage.tags('quarantine/bin'), stage.now())
        return answer
      },
    })
    expect(saying(await stage.run(quarantined, { cloud }), 'Failed')).toEqual(['Failed not-copied'])
    expect(stage.tags('shop/web')).toHaveLength(4)
  })
})

describe('a restoration whose answer is lost', () => {
  /** Removed yesterday, asked for today. */
  async function missing(): Promise<void> {
    placeNode(stage)
    await stage.run(quarantined)
    stage.put(deployment({ namespace: 'prod', name: 'web', image: image('shop/web', 'v2') }))
    stage.pass(24 * hourMs)
  }

  it.for(named(after))('after it was carried out (%s) is settled by reading, and happens once', async ([, fault]) => {
    await missing()
    const copies = applied('DuplicateImagePersonal')
    stage.faults.add({ fault, match: { action: 'DuplicateImagePersonal' }, count: 1 })
    expect(saying(await stage.run(quarantined), 'Applied')).toContain('Applied settled-applied')
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
    stage.pass(24 * hourMs)
    await stage.run(quarantined)
    expect(applied('DuplicateImagePersonal')).toBe(copies + 1)
  })

  it.for(named(before))('before it was carried out (%s) comes with a later run', async ([, fault]) => {
    await missing()
    stage.faults.add({ fault, match: { action: 'DuplicateImagePersonal' }, count: 1 })
    await stage.run(quarantined)
    expect(stage.tags('shop/web')).toEqual(['v4'])
    stage.pass(24 * hourMs)
    await stage.run(quarantined)
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
    expect(stage.world.kubernetes[clusterA]).toBeDefined()
  })
})
