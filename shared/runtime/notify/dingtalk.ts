import { createHmac } from 'node:crypto'
import { verdictOfCode } from './answers.ts'
import { markdownOf, plainInMarkdown } from './bot-markdown.ts'
import { type Channel, jsonHeaders } from './channel.ts'
import { bytesOf, fitMessage } from './fit.ts'
import type { Message, Paragraph } from './message.ts'

/** Of the whole body. A larger one is answered with 460101, which names this number. */
const mostBytes = 20_000
/** After more than 20 messages in a minute a bot is kept silent for so long. */
const penaltyMs = 10 * 60_000

/**
 * A custom robot of DingTalk, with signatures. Takes markdown in a body of at most 20,000 bytes, and 20 messages a minute, else it
 * is silent for ten; answers 200 with an `errcode`.
 */
export const dingtalk: Channel = {
  request: (message, { url, secret = '' }, now) => {
    const signed = new URL(url)
    signed.searchParams.set('timestamp', String(now))
    signed.searchParams.set('sign', dingtalkSignature(secret, now))
    return { path: `${signed.pathname}${signed.search}`, headers: jsonHeaders, body: bodyOf(message) }
  },
  read: (answer) =>
    verdictOfCode(answer, {
      codeNames: ['errcode'],
      textName: 'errmsg',
      throttled: { 130101: penaltyMs },
      refused: [460101, 400402, 40035],
      advice: {
        310000:
          'The bot’s safety settings turn it away: compare the secret of its signature, the clock of this machine, its keywords (every message holds "Longshore") and its addresses',
        300001: 'Its URL is no robot’s (any more): copy it again from the settings of the group',
      },
    }),
}

/**
 * The signature of a custom robot: the secret is the key, and what is signed are the time in milliseconds, a line break and the
 * secret again. Base64; in the URL it is encoded. Source: "custom robot access" of the DingTalk open platform.
 *
 * @example dingtalkSignature('this is secret', 1577262236757) // 'hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM='
 */
export function dingtalkSignature(secret: string, timestampMs: number): string {
  return createHmac('sha256', secret).update(`${timestampMs}\n${secret}`).digest('base64')
}

function bodyOf(message: Message): string {
  const title = plainInMarkdown(message.title)
  const render = (paragraphs: readonly Paragraph[]): string => {
    const text = [`#### ${title}`, ...paragraphs.map(markdownOf)].join('\n\n')
    return JSON.stringify({ msgtype: 'markdown', markdown: { title, text } })
  }
  return render(fitMessage(message, (paragraphs) => bytesOf(render(paragraphs)) <= mostBytes))
}
