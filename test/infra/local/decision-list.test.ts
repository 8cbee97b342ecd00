import { describe, expect, it } from 'vitest'
import { decisionList, hiddenText } from '#infra/local/decision-list.ts'
import type { Decision, Outcome } from '#shared/pure/step.ts'

function decision(target: string, outcome: Outcome, text = 'because of a reason that is rather long'): Decision {
  return { function: 'cron-scaler', key: target, target, before: 'replicas 2', after: 'replicas 5', outcome, reason: { code: 'due', text } }
}

describe('a list of decisions', () => {
  it('has one line for each, in columns, what was done first', () => {
    const outcomes: Outcome[] = ['Skipped', 'NoChange', 'Invalid', 'Missed', 'Held', 'Failed', 'Planned', 'Applied']
    const { lines, isCut } = decisionList(outcomes.map((outcome, place) => decision('x'.repeat(place + 1), outcome)))
    expect(lines.map((line) => line.split(/ +/)[1])).toEqual(outcomes.toReversed())
    expect(new Set(lines.map((line) => line.indexOf('replicas 2'))).size).toBe(1)
    expect(new Set(lines.map((line) => line.indexOf('because'))).size).toBe(1)
    expect(isCut).toBe(false)
  })

  it('cuts reasons at the width of a terminal, and nothing else', () => {
    const decisions = [decision('web', 'Applied'), decision('web', 'Held', 'short')]
    const whole = decisionList(decisions).lines
    for (let columns = 1; columns < 120; columns += 1) {
      const { lines, isCut } = decisionList(decisions, { columns })
      expect(lines).toHaveLength(2)
      expect(isCut).toBe(whole.some((line) => line.length > columns))
      for (const [row, line] of lines.entries()) {
        expect(line).toMatch(/^cron-scaler {2}(Applied|Held) +web {2}replicas 2 -> replicas 5/)
        if (line === whole[row]) continue
        expect(line.endsWith('…')).toBe(true)
        if (columns >= 65) expect(line.length).toBeLessThanOrEqual(columns)
      }
    }
  })

  it('leaves room for the reason why an image is deployed', () => {
    const host = 'ccr.ccs.tencentyun.com'
    const shown = (before: string, after: string, columns?: number) => {
      const { lines, isCut } = decisionList([{ ...decision('web', 'Applied', 'it is the newest'), before, after }], { columns })
      return [lines[0]?.replace(/^cron-scaler {2}Applied {2}web {2}/, ''), isCut]
    }
    const [before, after] = [`${host}/shop/web:v1`, `${host}/shop/web:v2`]
    expect(shown(before, after)).toEqual([`${before} -> ${after}  it is the newest`, false])
    expect(shown(before, after, 160)).toEqual([`${before} -> ${after}  it is the newest`, false])
    expect(shown(before, after, 90)).toEqual(['shop/web:v1 -> v2  it is the newest', true])
    expect(shown(before, `127.0.0.1:5000/shop/api:v2`, 90)).toEqual(['shop/web:v1 -> shop/api:v2  it is the newest', true])
    const pinned = `${host}/shop/web@sha256:${'a'.repeat(64)}`
    expect(shown(before, pinned, 100)).toEqual([`shop/web:v1 -> shop/web@sha256:${'a'.repeat(12)}…  it is the newest`, true])
    expect(shown(`app=${before}`, `app=${after}`, 80)).toEqual(['app=shop/web:v1 -> app=shop/web:v2  it is the newest', true])
  })

  it('is not broken by a reason of two lines, nor thrown off by what it removes from it', () => {
    const { lines } = decisionList([decision('web', 'Held', `a\n\n\nb ${'c'.repeat(100)}`)], { columns: 80 })
    expect(lines[0]).toMatch(/ {2}a b c+…$/)
    expect(lines[0]).toHaveLength(80)
  })

  it('says what is hidden and how to see it', () => {
    const superseded = { ...decision('web', 'Skipped'), reason: { code: 'superseded', text: 'x' } }
    expect(hiddenText(decisionList([superseded, superseded]))).toBe('+2 superseded, --all shows them')
    expect(hiddenText(decisionList([superseded], { all: true, columns: 20 }))).toBe('reasons are cut, --wide shows them whole')
    expect(hiddenText(decisionList([]))).toBe('')
  })
})
