import { describe, expect, test } from 'vitest'
import { type Ask, createPolling, problemOf, readAnswer } from '../../../../infra/status/page/polling.ts'

/** A polling whose time and answers are given by the test. */
function pollingWith(answers: Record<string, Awaited<ReturnType<Ask>>>) {
  const asked: string[] = []
  const timers = new Set<() => void>()
  let nowMs = 1000
  const polling = createPolling({
    ask: async (path) => {
      asked.push(path)
      return answers[path]
    },
    everyMs: 2000,
    later: (then) => {
      timers.add(then)
      return () => timers.delete(then)
    },
    now: () => nowMs,
  })
  const settle = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))
  const tick = async (): Promise<void> => {
    nowMs += 2000
    for (const then of [...timers]) {
      timers.delete(then)
      then()
    }
    await settle()
  }
  return { polling, asked, tick, settle, timers }
}

const leases = { status: 200, text: '{"leases":[]}' }

describe('polling', () => {
  test('asks for what is shown at once and every time, and no more when it is shown no more', async () => {
    const { polling, asked, tick, settle, timers } = pollingWith({ '/api/leases': leases })
    const entry = polling.entryOf('leases', '')
    const first = polling.watch(entry)
    const second = polling.watch(entry)
    await settle()
    // Two that show the same ask once.
    expect(asked).toEqual(['/api/leases'])
    expect(entry.state.value).toEqual({ data: { leases: [] } })
    await tick()
    first()
    await tick()
    expect(asked).toHaveLength(3)
    second()
    await tick()
    await tick()
    expect([asked.length, timers.size]).toEqual([3, 0])
    // Whoever comes back sees the last answer at once.
    expect(polling.entryOf('leases', '').state.value).toEqual({ data: { leases: [] } })
    polling.watch(entry)
    await settle()
    expect([asked.length, timers.size]).toEqual([4, 1])
  })

  test('changes nothing when the answer is the same', async () => {
    const answers = { '/api/leases': leases }
    const { polling, tick } = pollingWith(answers)
    const entry = polling.entryOf('leases', '')
    polling.watch(entry)
    await tick()
    const before = entry.state.value
    await tick()
    expect(entry.state.value).toBe(before)
    answers['/api/leases'] = { status: 200, text: '{"leases":[],"problem":"no store"}' }
    await tick()
    expect(entry.state.value).toEqual({ data: { leases: [], problem: 'no store' } })
  })

  test('keeps what was known while nobody answers, says since when, and forgets that when somebody does', async () => {
    const answers: Record<string, Awaited<ReturnType<Ask>>> = { '/api/leases': leases }
    const { polling, tick } = pollingWith(answers)
    const entry = polling.entryOf('leases', '')
    polling.watch(entry)
    await tick()
    answers['/api/leases'] = undefined
    await tick()
    const since = polling.silentSince.value
    await tick()
    expect([since, polling.silentSince.value]).toEqual([5000, 5000])
    expect(entry.state.value).toEqual({ data: { leases: [] } })
    answers['/api/leases'] = leases
    await tick()
    expect(polling.silentSince.value).toBeUndefined()
  })

  test('does not ask again while an answer is awaited', async () => {
    let answer: (value: typeof leases) => void = () => undefined
    let count = 0
    const timers: (() => void)[] = []
    const polling = createPolling({
      ask: async () => {
        count += 1
        return await new Promise((resolve) => {
          answer = resolve
        })
      },
      everyMs: 2000,
      later: (then) => {
        timers.push(then)
        return () => undefined
      },
      now: () => 0,
    })
    polling.watch(polling.entryOf('leases', ''))
    timers.shift()?.()
    timers.shift()?.()
    expect(count).toBe(1)
    answer(leases)
    await new Promise((resolve) => setImmediate(resolve))
    timers.shift()?.()
    expect(count).toBe(2)
  })

  test('rests while the page is hidden, and asks at once when it is seen again', async () => {
    const { polling, asked, tick, settle, timers } = pollingWith({
      '/api/leases': leases,
      '/api/approvals': { status: 200, text: '{"approvals":[]}' },
    })
    polling.watch(polling.entryOf('leases', ''))
    await settle()
    polling.run(false)
    await tick()
    expect([asked.length, timers.size]).toEqual([1, 0])
    // What is opened meanwhile is asked for once, so that there is something to see.
    const approvals = polling.entryOf('approvals', '')
    polling.watch(approvals)()
    await settle()
    polling.watch(approvals)
    await tick()
    expect(asked.slice(1)).toEqual(['/api/approvals'])
    polling.run(true)
    await settle()
    expect(asked.slice(2).sort()).toEqual(['/api/approvals', '/api/leases'])
    expect(timers.size).toBe(1)
  })

  test('remembers a limited number of questions of each view, and none that is shown is forgotten', () => {
    const { polling } = pollingWith({})
    const shown = polling.entryOf('decisions', '?target=first')
    polling.watch(shown)
    for (let index = 0; index < 100; index += 1) polling.entryOf('decisions', `?target=${index}`)
    expect(polling.entryOf('decisions', '?target=first')).toBe(shown)
    const again = polling.entryOf('decisions', '?target=0')
    expect(again.state.value).toEqual({})
  })
})

describe('an answer', () => {
  const before = { data: { leases: [1] } }

  test('that is a refusal keeps what was known, with the text of the API', () => {
    const text = '{"error":{"code":"bad-limit","text":"limit is 1 to 500"}}'
    expect(readAnswer({ status: 400, text }, before)).toEqual({ ...before, problem: { code: 'bad-limit', text: 'limit is 1 to 500' } })
  })

  test('that is no JSON, or a refusal of another form, is told with its status', () => {
    expect(readAnswer({ status: 502, text: '<html>bad gateway' }, {})).toEqual({
      problem: { code: 'http-502', text: 'the answer is no JSON: <html>bad gateway' },
    })
    expect(readAnswer({ status: 500, text: '{"oops":true}' }, {})).toEqual({ problem: { code: 'http-500', text: '{"oops":true}' } })
  })

  test('that is good takes the problem away', () => {
    expect(readAnswer({ status: 200, text: '{"leases":[]}' }, { ...before, problem: { code: 'a', text: 'b' } })).toEqual({
      data: { leases: [] },
    })
  })

  test.each([null, 'error', [], {}, { error: 'text' }, { error: { code: 'a' } }])('of the form %j has no problem to tell', (body) => {
    expect(problemOf(body)).toBeUndefined()
  })
})
