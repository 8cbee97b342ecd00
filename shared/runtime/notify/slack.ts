import { saying, verdictOfStatus } from './answers.ts'
import { type Channel, delivered, jsonHeaders } from './channel.ts'
import { fitMessage } from './fit.ts'
import type { Message, Paragraph } from './message.ts'

/** Slack counts characters. */
const mostInSection = 3000
const mostInHeader = 150
const mostSections = 8

const signs = { info: 'ℹ️', warning: '⚠️', critical: '🚨' } as const

/**
 * An incoming webhook of Slack. Its key is in the URL. Takes blocks of at most 3,000 characters each; answers with a proper status,
 * and `ok` as the body of a success.
 */
export const slack: Channel = {
  request: (message, { url }) => ({
    path: `${url.pathname}${url.search}`,
    headers: { ...jsonHeaders, accept: '*/*' },
    body: JSON.stringify(payloadOf(message)),
  }),
  read: (answer) => {
    const verdict = verdictOfStatus(answer)
    if (verdict.kind !== 'delivered' || answer.text.trim() === 'ok') return verdict.kind === 'delivered' ? delivered : verdict
    return { kind: 'failed', code: 'notify.no-code', text: `the answer does not say "ok"${saying(answer.text)}` }
  },
}

function payloadOf(message: Message): object {
  const sections = sectionsOf(fitMessage(message, (paragraphs) => sectionsOf(paragraphs).length <= mostSections))
  const title = `${signs[message.severity]} ${message.title}`
  return {
    // What a phone shows, and who cannot show blocks.
    text: escaped(title),
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: cut(title, mostInHeader), emoji: false } },
      ...sections.map((text) => ({ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } })),
    ],
  }
}

/** The paragraphs, as many to a section as it takes. */
function sectionsOf(paragraphs: readonly Paragraph[]): readonly string[] {
  const sections: string[] = []
  for (const paragraph of paragraphs) {
    const text = mrkdwnOf(paragraph)
    const last = sections.at(-1)
    if (last !== undefined && last.length + 1 + text.length <= mostInSection) sections[sections.length - 1] = `${last}\n${text}`
    else sections.push(text)
  }
  return sections
}

/** A line has at most 600 characters, so that it fits into a section however much of it is escaped; a URL may not. */
function mrkdwnOf(paragraph: Paragraph): string {
  const text = escaped(paragraph.text)
  if (paragraph.kind === 'text') return text
  const link = `<${escaped(paragraph.url.replaceAll('|', '%7C'))}|${text.replaceAll('|', '/')}>`
  return link.length <= mostInSection ? link : `${text} (its address is too long for Slack)`
}

/** All that Slack asks to be escaped; then nothing in it is a link or a mention. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
