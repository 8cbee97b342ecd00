import { verdictOfStatus } from './answers.ts'
import { type Channel, jsonHeaders } from './channel.ts'
import { bytesOf } from './fit.ts'
import type { Message } from './message.ts'
import type { Notice } from './notice.ts'
import { signStandardWebhook } from './sign-webhook.ts'

/** Standard Webhooks asks senders to stay below 20 kB. */
const mostBytes = 20_000

/**
 * Any server that takes JSON by POST. Signed as Standard Webhooks (v1) when there is a secret, and with its id in any case, so that
 * the receiver can tell a message that comes twice. Any status from 200 to 299 is a success.
 */
export const webhook: Channel = {
  request: (message, { url, secret }, now) => {
    const body = bodyOf(message, now)
    const seconds = Math.floor(now / 1000)
    const seal = { 'webhook-id': message.id, 'webhook-timestamp': String(seconds) }
    const signature =
      secret === undefined ? {} : { 'webhook-signature': signStandardWebhook({ id: message.id, timestampSeconds: seconds, body, secret }) }
    return { path: `${url.pathname}${url.search}`, headers: { ...jsonHeaders, ...seal, ...signature }, body }
  },
  read: verdictOfStatus,
}

/** The whole; else without the lines beyond the first of each notice, else as many notices as there is room for. */
function bodyOf(message: Message, now: number): string {
  const { notices } = message
  const render = (some: readonly object[]): string =>
    JSON.stringify({
      type: notices.length === 1 ? 'longshore.notice' : 'longshore.digest',
      timestamp: new Date(now).toISOString(),
      data: { title: message.title, severity: message.severity, notices: some, leftOut: notices.length - some.length },
    })
  const whole = render(notices.map((notice) => plainOf(notice)))
  if (bytesOf(whole) <= mostBytes) return whole
  const short = notices.map((notice) => plainOf({ ...notice, lines: notice.lines.slice(0, 1) }))
  let count = short.length
  while (count > 0 && bytesOf(render(short.slice(0, count))) > mostBytes) count -= Math.max(1, Math.floor(count / 10))
  return render(short.slice(0, count))
}

function plainOf({ key, severity, function: name, title, lines, at, links = [], facts = {} }: Notice): object {
  return { key, severity, function: name, title, lines, at: new Date(at).toISOString(), links, facts }
}
