import { describe, expect, it } from 'vitest'
import { Kept } from '#functions/alarm-scaler/kept.ts'

const down = new Error('the cluster does not answer')

describe('a reading that is kept', () => {
  it('stands for reading again, until its time is over', async () => {
    const kept = new Kept<number>(5_000)
    expect(await kept.get(0, () => Promise.resolve(1))).toBe(1)
    expect(await kept.get(4_999, () => Promise.resolve(2))).toBe(1)
    expect(await kept.get(5_000, () => Promise.resolve(3))).toBe(3)
  })

  it('that failed is read again, also when somebody has changed it while it was being read', async () => {
    const kept = new Kept<number>(5_000)
    const { promise, reject } = Promise.withResolvers<number>()
    const first = kept.get(0, () => promise)
    kept.change((value) => value + 1)
    const second = kept.get(1, () => Promise.resolve(2))
    reject(down)
    await expect(first).rejects.toBe(down)
    await expect(second).rejects.toBe(down)
    expect(await kept.get(2, () => Promise.resolve(3))).toBe(3)
  })
})
