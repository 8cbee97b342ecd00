import type { Paragraph } from './message.ts'

/**
 * A text that chat bots show as it is. Their markdown has no escapes that are documented, so what would begin a link, a picture, a
 * mention, a tag or emphasis is replaced by what looks like it: a stranger's name for a thing cannot become a link in our message.
 */
export function plainInMarkdown(text: string): string {
  return text
    .replaceAll('<', '‹')
    .replaceAll('>', '›')
    .replaceAll('*', '∗')
    .replaceAll('`', 'ˋ')
    .replaceAll('](', '] (')
    .replace(/^([#\-+]|\d+\.)(?=\s)/, '\u2060$1')
}

/** A paragraph in the markdown of chat bots. */
export function markdownOf(paragraph: Paragraph): string {
  return paragraph.kind === 'text'
    ? plainInMarkdown(paragraph.text)
    : `[${plainInMarkdown(paragraph.text).replaceAll('[', '(').replaceAll(']', ')')}](${paragraph.url})`
}
