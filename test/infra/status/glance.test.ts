import { describe, expect, it } from 'vitest'
import { createGlance } from '#infra/status/glance.ts'

/** A reading that takes `tookMs` of a clock that stands still otherwise. */
function stage(tookMs: number) {
  let wall = 1_000_000
  let count = 0
  const glance = createGlance(
    async () => {
      count += 1
      wall += tookMs
      await Promise.resolve()
      return count
    },
    { keepMs: 1000, wallNow: () => wall },
  )
  return { glance, pass: (ms: number) => (wall += ms), reads: () => count }
}

describe('a glance', () => {
  it('is read once for all who look within a while, also while it is being read', async () => {
    const { glance, pass, reads } = stage(1)
    expect(await Promise.all([glance.look(), glance.look()])).toEqual([1, 1])
    pass(999)
    expect(await glance.look()).toBe(1)
    pass(2)
    expect([await glance.look(), reads()]).toEqual([2, 2])
  })

  it('that takes long is good for longer: at most a twentieth of the time is spent on it', async () => {
    const { glance, pass } = stage(10_000)
    await glance.look()
    pass(199_000)
    expect(await glance.look()).toBe(1)
    pass(1001)
    expect(await glance.look()).toBe(2)
  })

  it('is read anew once it is known to be different, but not twice at a time', async () => {
    const { glance } = stage(1)
    await glance.look()
    glance.forget()
    const second = glance.look()
    expect(await Promise.all([second, glance.look()])).toEqual([2, 2])
  })

  it('that was being read when it became different is read anew as well, not shown for as long as it is good', async () => {
    const { glance } = stage(1)
    const first = glance.look()
    glance.forget()
    expect(await Promise.all([first, glance.look()])).toEqual([1, 1])
    expect(await glance.look()).toBe(2)
    expect(await glance.look()).toBe(2)
  })

  it('is read anew after the clock was set back', async () => {
    const { glance, pass } = stage(1)
    await glance.look()
    pass(-3_600_000)
    expect(await glance.look()).toBe(2)
  })

  it('fails as reading does, and asks again only after a while', async () => {
    let wall = 0
    let count = 0
    const read = async () => {
      count += 1
      throw new Error(`no ${count}`)
    }
    const glance = createGlance(read, { keepMs: 1000, wallNow: () => wall })
    await expect(glance.look()).rejects.toThrow('no 1')
    await expect(glance.look()).rejects.toThrow('no 1')
    wall = 1001
    await expect(glance.look()).rejects.toThrow('no 2')
  })
})
