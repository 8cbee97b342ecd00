import { expect, it } from 'vitest'
import { type Contest, contest, type End } from './cross-moments.ts'

async function endsOf(of: Omit<Contest, 'nth'>): Promise<ReadonlySet<End>> {
  const ends = new Set<End>()
  const { moments } = await contest({ ...of, nth: 0 })
  expect(moments).toBeGreaterThan(10)
  // The first half is the reading of what is remembered: some of it will do.
  for (let nth = 1; nth <= moments; nth += nth < moments / 2 ? 4 : 1) ends.add((await contest({ ...of, nth })).end)
  return ends
}

it('whatever redeploy-hook does at any moment of a run of image-cleaner, no image ends up deployed and gone', async () => {
  // Where each sees the other, both leave it alone.
  expect([...(await endsOf({ first: 'image-cleaner' }))].toSorted()).toEqual(['deployed there', 'left gone', 'left there'])
})

it('whatever image-cleaner does at any moment of a run of redeploy-hook, no image ends up deployed and gone', async () => {
  expect([...(await endsOf({ first: 'redeploy-hook' }))].toSorted()).toEqual(['deployed there', 'left gone'])
})

it('with stores of their own they know nothing of each other, and there is a moment at which it does', async () => {
  const { moments } = await contest({ first: 'image-cleaner', nth: 0, apart: true })
  let end: End | undefined
  // From the end on: it is between the last look and the removal.
  for (let nth = moments; nth > 0 && end !== 'deployed gone'; nth -= 1)
    end = (await contest({ first: 'image-cleaner', nth, apart: true })).end
  expect(end).toBe('deployed gone')
})
