import { verdictOfCode } from './answers.ts'
import { markdownOf, plainInMarkdown } from './bot-markdown.ts'
import { type Channel, jsonHeaders } from './channel.ts'
import { bytesOf, fitMessage } from './fit.ts'
import type { Message, Paragraph } from './message.ts'

/** Of the content in UTF-8, by the manual of group bots. */
const mostBytes = 4096

const colours = { info: 'info', warning: 'warning', critical: 'warning' } as const

/**
 * A group bot of WeCom. Its key is in the URL and nothing is signed. Takes markdown of at most 4,096 bytes, and 20 messages a
 * minute; answers 200 with an `errcode`.
 */
export const wecom: Channel = {
  request: (message, { url }) => ({
    path: `${url.pathname}${url.search}`,
    headers: jsonHeaders,
    body: JSON.stringify({ msgtype: 'markdown', markdown: { content: contentOf(message) } }),
  }),
  read: (answer) =>
    verdictOfCode(answer, {
      codeNames: ['errcode'],
      textName: 'errmsg',
      throttled: { 45009: 60_000, 45033: 60_000 },
      refused: [40058, 44004, 45002],
      advice: { 93000: 'Its URL is no bot’s (any more): copy it again from the settings of the group' },
    }),
}

function contentOf(message: Message): string {
  const head = `**<font color="${colours[message.severity]}">${plainInMarkdown(message.title)}</font>**`
  const render = (paragraphs: readonly Paragraph[]): string =>
    [head, ...paragraphs.map((paragraph) => `> ${markdownOf(paragraph)}`)].join('\n')
  return render(fitMessage(message, (paragraphs) => bytesOf(render(paragraphs)) <= mostBytes))
}
