import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Decision } from '#shared/pure/step.ts'
import { createLog, decisionLine, type LogFields } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'

const decision: Decision = {
  function: 'cron-scaler',
  key: 'k',
  target: 'cls-1/default/Deployment/web',
  before: 'replicas 2',
  after: 'replicas 5',
  outcome: 'Planned',
  reason: { code: 'due', text: 'morning at 08:00' },
}

function collect(level?: 'debug' | 'warn') {
  const lines: string[] = []
  const redactor = createRedactor()
  return { lines, redactor, log: createLog({ write: (line) => lines.push(line), redactor, ...(level === undefined ? {} : { level }) }) }
}

describe('a log line', () => {
  it('is JSON on one line, level and event first, then the fields that have a value', () => {
    const { lines, log } = collect()
    log.with({ function: 'cron-scaler', mode: undefined }).write('warn', 'decision', { target: 'a\nb', lateMs: 5, reason: undefined })
    expect(lines).toEqual(['{"level":"warn","event":"decision","function":"cron-scaler","target":"a\\nb","lateMs":5}'])
  })

  it('holds nothing that is not on the list, and no value that is no text or number', () => {
    const { lines, log } = collect()
    const payload = {
      target: 'a',
      body: { password: 'x' },
      headers: 'authorization',
      reason: { nested: true },
      __proto__: { code: 'x' },
    } as unknown as LogFields
    log.write('error', 'decision', payload)
    expect(lines).toEqual(['{"level":"error","event":"decision","target":"a"}'])
  })

  it('is left out below the level', () => {
    const { lines, log } = collect('warn')
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log.write(level, 'decision')
    expect(lines).toHaveLength(2)
  })

  it('is cut where a text has no end', () => {
    const { lines, log } = collect()
    log.write('info', 'decision', { reason: `${'x'.repeat(3999)}😀tail` })
    const [line] = lines
    expect(JSON.parse(line ?? '').reason).toHaveLength(4001)
    expect(line).toMatch(/x\uFFFD…"}$/)
  })

  it('19: shows no part of a secret that lies across the cut, and looks at no more than it shows', () => {
    const { lines, redactor, log } = collect()
    const secret = 'SandboxKey/ForLocal+UseOnly'
    redactor.add(secret)
    const startedAt = performance.now()
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
      for (let cutInside = 1; cutInside < form.length; cutInside += 1) {
        log.write('info', 'decision', { reason: `${'-'.repeat(4000 - cutInside)}${form}${'%5c'.repeat(200_000)}` })
      }
    }
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    for (const line of lines) expect(JSON.parse(line).reason).toMatch(/^-{3900,}(\[redacted\]|\[[a-z]{0,8})[%5cw=]{0,60}…$/)
  })

  it('19: shows no secret that is known, in any field', () => {
    const names = ['function', 'runId', 'target', 'before', 'after', 'code', 'reason', 'action', 'requestId', 'counts', 'error'] as const
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9+/"\\%]{16,40}$/), fc.constantFrom(...names), fc.string(), (secret, name, around) => {
        const { lines, redactor, log } = collect()
        redactor.add(secret)
        for (const form of [
          secret,
          encodeURIComponent(secret),
          Buffer.from(`${around}${secret}`).toString('base64'),
          JSON.stringify(secret),
        ]) {
          log.write('info', 'decision', { [name]: `${around}${form}${around}` })
        }
        for (const line of lines) {
          expect(line).toContain('[redacted]')
          expect(line).not.toContain(JSON.stringify(secret).slice(1, -1))
        }
      }),
      { seed: 19, numRuns: 100 },
    )
  })
})

describe('decisionLine', () => {
  it('says function, target, change, outcome and reason', () => {
    expect(decisionLine(decision)).toBe('cron-scaler  Planned  cls-1/default/Deployment/web  replicas 2 -> replicas 5  morning at 08:00')
  })

  it('leaves out an arrow where nothing changes, and what there is nothing to say about', () => {
    expect(decisionLine({ ...decision, after: 'replicas 2', outcome: 'NoChange' })).toContain('  replicas 2  morning')
    expect(decisionLine({ ...decision, before: '', after: '' })).toBe(
      'cron-scaler  Planned  cls-1/default/Deployment/web  morning at 08:00',
    )
    expect(decisionLine({ ...decision, before: '' })).toContain('(nothing) -> replicas 5')
  })

  it('begins each part in its column, and moves only what a wider one leaves no room', () => {
    expect(decisionLine({ ...decision, after: '' }, [11, 8, 30, 14])).toBe(
      'cron-scaler  Planned   cls-1/default/Deployment/web    replicas 2      morning at 08:00',
    )
    expect(decisionLine(decision, [11, 8, 30, 14])).toContain('  replicas 2 -> replicas 5  morning')
  })

  it('cannot be broken, forged or turned around by what it shows', () => {
    const forged = decisionLine({
      ...decision,
      target: 'a\r\ncron-scaler  b  Applied',
      reason: { code: 'x', text: '\u001b[2J\u202Eevil\u2028\u0000' },
    })
    expect(forged).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u)
    expect(forged.split('\n')).toHaveLength(1)
  })
})
