import { describe, expect, it } from 'vitest'
import { behindText, dayText, guideLines } from '#infra/cli/start-guide.ts'

const facts = { url: 'http://127.0.0.1:8780', webhookCount: 12 }
const sandbox = { url: 'http://127.0.0.1:8781', speed: 600, isAlive: true, nextTag: 'v2.90.0' }

describe('what somebody is told who has just started it', () => {
  it('names the page first, then what happens, what to try, and how it ends, in lines that fit', () => {
    const lines = guideLines({ ...facts, sandbox })
    expect(lines[1]).toMatch(/^Look {4}http:\/\/127\.0\.0\.1:8780\/ /)
    expect(lines.join('\n')).toMatch(/people live on this sandbox.*600 times faster: a day takes 2 min 24 s.*Try/s)
    expect(lines.filter((line) => line.includes('curl '))).toHaveLength(3)
    expect(lines.at(-1)).toMatch(/Ctrl-C ends it\.$/)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120)
  })

  it('says nothing of a sandbox where there is none, nor of people and speed where there are none', () => {
    expect(guideLines({ ...facts, webhookCount: 0 }).join('\n')).not.toMatch(/sandbox|webhook|curl/)
    expect(guideLines({ ...facts, sandbox: { ...sandbox, isAlive: false, speed: 1 } }).join('\n')).not.toMatch(/people|times faster/)
  })

  it.each([
    [1, 'a day takes 24 h 0 min'],
    [60, 'a day takes 24 min'],
    [600, 'a day takes 2 min 24 s'],
    [3600, 'a day takes 24 s'],
  ])('at %d says that %s', (speed, text) => {
    expect(dayText(speed)).toBe(text)
  })

  it('says what was reached where a speed cannot be kept', () => {
    expect(behindText(600, 61.9)).toContain('about 61 times faster')
    expect(behindText(600, 1.2)).toContain('hardly faster than on the wall')
  })
})
