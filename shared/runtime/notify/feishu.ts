import { createHmac } from 'node:crypto'
import { verdictOfCode } from './answers.ts'
import { type Channel, jsonHeaders } from './channel.ts'
import { bytesOf, fitMessage } from './fit.ts'
import type { Message, Paragraph } from './message.ts'

/** Of the whole body: the manual says 20 KB, and not which kind of them. */
const mostBytes = 20_000
const minuteMs = 60_000

/**
 * A custom bot of Feishu or Lark, with signatures. Takes a rich text, in which nothing is markup, in a body of at most 20 KB, and
 * 100 messages a minute; answers 200 with a `code`.
 */
export const feishu: Channel = {
  request: (message, { url, secret = '' }, now) => {
    const timestamp = Math.floor(now / 1000)
    const seal = { timestamp: String(timestamp), sign: feishuSignature(secret, timestamp) }
    return { path: `${url.pathname}${url.search}`, headers: jsonHeaders, body: bodyOf(message, seal) }
  },
  read: (answer) =>
    verdictOfCode(answer, {
      // The second one is what the older bots answer.
      codeNames: ['code', 'StatusCode'],
      textName: 'msg',
      throttled: { 11232: minuteMs, 99991400: minuteMs },
      refused: [9499, 11246, 230025],
      advice: {
        19001: 'Its URL is no bot’s (any more): copy it again from the settings of the group',
        19021: 'Compare the secret of its signature and the clock of this machine, which may be an hour off at most',
        19022: 'Its safety settings list addresses, and this machine’s is not among them',
        19024: 'Its safety settings ask for a keyword: make it "Longshore", which every message holds',
      },
    }),
}

/**
 * The signature of a custom bot: time in seconds, a line break and the secret are the key, and nothing is signed with it. Base64.
 * Source: "custom bot guide" of the Feishu open platform.
 *
 * @example feishuSignature('xxx', 1661860880) // 'QnWVTSBe6FmQDE0bG6X0mURbI+DnvVyu1h+j5dHOjrU='
 */
export function feishuSignature(secret: string, timestampSeconds: number): string {
  return createHmac('sha256', `${timestampSeconds}\n${secret}`).digest('base64')
}

function bodyOf(message: Message, seal: { readonly timestamp: string; readonly sign: string }): string {
  const render = (paragraphs: readonly Paragraph[]): string => {
    const content = paragraphs.map((paragraph) => [
      paragraph.kind === 'text'
        ? { tag: 'text', text: paragraph.text }
        : { tag: 'a', text: paragraph.text === '' ? paragraph.url : paragraph.text, href: paragraph.url },
    ])
    return JSON.stringify({ ...seal, msg_type: 'post', content: { post: { en_us: { title: message.title, content } } } })
  }
  return render(fitMessage(message, (paragraphs) => bytesOf(render(paragraphs)) <= mostBytes))
}
