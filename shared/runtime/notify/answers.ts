import * as z from 'zod/mini'
import { headerOf } from '#cloud/wire.ts'
import { clip } from '#shared/pure/clip.ts'
import { type ChannelAnswer, delivered, type Verdict } from './channel.ts'

const minuteMs = 60_000
/** No answer makes us wait for longer. */
const longestWaitMs = 60 * minuteMs

/** What a status says by itself, for those that say it properly; `delivered` for one of 200 to 299. */
export function verdictOfStatus(answer: ChannelAnswer): Verdict {
  const { status } = answer
  if (status >= 200 && status < 300) return delivered
  const code = `notify.http-${status}`
  const text = `the server answered with status ${status}${saying(answer.text)}`
  if (status === 429 || (status === 503 && retryAfterMs(answer) !== undefined)) {
    return { kind: 'throttled', waitMs: retryAfterMs(answer) ?? minuteMs, code, text }
  }
  // The message itself: malformed, too large, not understood.
  if (status === 400 || status === 413 || status === 415 || status === 422) return { kind: 'refused', code, text }
  return { kind: 'failed', code, text }
}

/** What the numbers in an answer mean. */
export interface Codes {
  /** Names of the member that holds the code, the first that is there counts. */
  readonly codeNames: readonly string[]
  readonly textName: string
  /** Too many messages, and how long to keep still. */
  readonly throttled: Readonly<Record<number, number>>
  /** The message is not wanted as it is. */
  readonly refused: readonly number[]
  /** What a person is to do about it, by code. */
  readonly advice: Readonly<Record<number, string>>
}

const Answer = z.record(z.string(), z.unknown())

/**
 * The verdict of those who answer 200 whatever happened, and say in the body what: only the code 0 is a success. An answer without
 * a code, such as the page of a proxy, is none.
 */
export function verdictOfCode(answer: ChannelAnswer, codes: Codes): Verdict {
  const content = jsonOf(answer.text)
  const number = codes.codeNames.map((name) => content?.[name]).find((value) => typeof value === 'number')
  if (typeof number !== 'number') {
    const byStatus = verdictOfStatus(answer)
    if (byStatus.kind !== 'delivered') return byStatus
    return { kind: 'failed', code: 'notify.no-code', text: `the answer says nothing about success${saying(answer.text)}` }
  }
  if (number === 0) {
    const byStatus = verdictOfStatus(answer)
    return byStatus.kind === 'delivered' ? delivered : byStatus
  }
  const said = content?.[codes.textName]
  const advice = codes.advice[number]
  const text = `the server answered ${number}${typeof said === 'string' ? saying(said) : ''}${advice === undefined ? '' : `. ${advice}`}`
  const code = `notify.code-${number}`
  const waitMs = codes.throttled[number]
  if (waitMs !== undefined) return { kind: 'throttled', waitMs, code, text }
  return { kind: codes.refused.includes(number) ? 'refused' : 'failed', code, text }
}

function jsonOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed = z.safeParse(Answer, JSON.parse(text))
    return parsed.success ? parsed.data : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function retryAfterMs({ headers }: ChannelAnswer): number | undefined {
  const value = headerOf(headers, 'retry-after')
  if (value === undefined || !/^[0-9]{1,6}$/.test(value)) return undefined
  return Math.min(longestWaitMs, Number(value) * 1000)
}

/** What a server said, as far as a log line should show it. */
export function saying(text: string): string {
  const shown = clip(text.trim().replace(/\s+/g, ' '), 160)
  return shown === '' ? '' : `: ${shown}`
}
