import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { NotifierKind } from '#shared/runtime/notify/notifier-settings.ts'
import { verifyStandardWebhook } from '#shared/runtime/standard-webhooks.ts'
import { awsDoubt } from './bot-aws.ts'
import { sandboxAwsKeys } from './bot-keys.ts'

export interface BotReply {
  readonly status: number
  readonly body: string
}

export interface BotAnswer extends BotReply {
  /** What was taken; absent when it was turned away. */
  readonly message?: { readonly title: string; readonly text: string } | undefined
}

export interface BotQuestion {
  readonly asked: URL
  readonly body: string
  readonly headers: IncomingHttpHeaders
  readonly host: string
  /** Epoch milliseconds. */
  readonly at: number
  /** Of the bot. */
  readonly secret: string
}

/** What a bot knows about the messages before. */
export interface BotState {
  times: number[]
  silentUntil: number
}

export function freshState(): BotState {
  return { times: [], silentUntil: 0 }
}

const hourMs = 3_600_000
const minuteMs = 60_000

/** What a bot of this kind says to a request, by its public manual. Written without a look at the code that sends. */
export function answerAs(kind: NotifierKind, question: BotQuestion, state: BotState): BotAnswer {
  switch (kind) {
    case 'wecom':
      return asWecom(question, state)
    case 'dingtalk':
      return asDingtalk(question, state)
    case 'feishu':
      return asFeishu(question, state)
    case 'slack':
      return asSlack(question)
    case 'webhook':
      return asWebhook(question)
    case 'sns':
      return asSns(question, state)
  }
}

/** Counts a message; false when there were too many within the time before it. */
function mayTake(state: BotState, at: number, most: number, windowMs: number): boolean {
  state.times = state.times.filter((time) => time > at - hourMs)
  if (state.times.filter((time) => time > at - windowMs).length >= most) return false
  return true
}

function asWecom({ body, at }: BotQuestion, state: BotState): BotAnswer {
  const say = (errcode: number, errmsg: string): BotAnswer => ({ status: 200, body: JSON.stringify({ errcode, errmsg }) })
  const content = memberOf(memberOf(json(body), 'markdown'), 'content')
  if (memberOf(json(body), 'msgtype') !== 'markdown' || typeof content !== 'string') return say(40008, 'invalid message type')
  if (Buffer.byteLength(content) > 4096) return say(40058, 'markdown.content exceed max length 4096')
  if (!mayTake(state, at, 20, minuteMs)) return say(45009, 'api freq out of limit')
  state.times.push(at)
  const [title = '', ...rest] = content.replace(/<\/?font[^>]*>|\*\*/g, '').split('\n')
  return { ...say(0, 'ok'), message: { title, text: rest.map((line) => line.replace(/^> ?/, '')).join('\n') } }
}

function asDingtalk({ asked, body, at, secret }: BotQuestion, state: BotState): BotAnswer {
  const say = (errcode: number, errmsg: string): BotAnswer => ({ status: 200, body: JSON.stringify({ errcode, errmsg }) })
  const timestamp = asked.searchParams.get('timestamp') ?? ''
  const expected = createHmac('sha256', secret).update(timestamp).update('\n').update(secret).digest('base64')
  if (Math.abs(Number(timestamp) - at) > hourMs) return say(310000, 'invalid timestamp, more detail at https://open.dingtalk.com')
  if (asked.searchParams.get('sign') !== expected) return say(310000, 'sign not match, more detail at https://open.dingtalk.com')
  if (Buffer.byteLength(body) > 20_000) return say(460101, 'the body is too large, keep it within 20000 bytes')
  const markdown = memberOf(json(body), 'markdown')
  const [title, text] = [memberOf(markdown, 'title'), memberOf(markdown, 'text')]
  if (memberOf(json(body), 'msgtype') !== 'markdown' || typeof title !== 'string' || typeof text !== 'string')
    return say(400402, 'missing parameter')
  if (at < state.silentUntil) return say(130101, 'send too fast, exceed 20 times per minute')
  if (!mayTake(state, at, 20, minuteMs)) {
    state.silentUntil = at + 10 * minuteMs
    return say(130101, 'send too fast, exceed 20 times per minute')
  }
  state.times.push(at)
  return { ...say(0, 'ok'), message: { title, text: text.split('\n\n').slice(1).join('\n') } }
}

function asFeishu({ body, at, secret }: BotQuestion, state: BotState): BotAnswer {
  const say = (code: number, msg: string): BotAnswer => ({ status: 200, body: JSON.stringify({ code, data: {}, msg }) })
  if (Buffer.byteLength(body) > 20 * 1024) return say(9499, 'Bad Request')
  const content = json(body)
  const timestamp = memberOf(content, 'timestamp')
  const isInTime = typeof timestamp === 'string' && /^[0-9]{10}$/.test(timestamp) && Math.abs(Number(timestamp) * 1000 - at) <= hourMs
  const expected = createHmac('sha256', `${String(timestamp)}\n${secret}`)
    .update('')
    .digest('base64')
  if (!isInTime || memberOf(content, 'sign') !== expected)
    return say(19021, 'sign match fail or timestamp is not within one hour from current time')
  const post = memberOf(memberOf(memberOf(content, 'content'), 'post'), 'en_us')
  const [title, lines] = [memberOf(post, 'title'), memberOf(post, 'content')]
  if (memberOf(content, 'msg_type') !== 'post' || typeof title !== 'string' || !Array.isArray(lines)) return say(9499, 'Bad Request')
  if (!mayTake(state, at, 100, minuteMs) || !mayTake(state, at, 5, 1000)) return say(11232, 'frequency limited')
  state.times.push(at)
  const text = lines.map((line: unknown) =>
    Array.isArray(line) ? line.map((part: unknown) => linkText(memberOf(part, 'text'), memberOf(part, 'href'))).join('') : '',
  )
  return {
    status: 200,
    body: JSON.stringify({ StatusCode: 0, StatusMessage: 'success', code: 0, data: {}, msg: 'success' }),
    message: { title, text: text.join('\n') },
  }
}

function linkText(text: unknown, href: unknown): string {
  return href === undefined ? String(text) : `${String(text)} (${String(href)})`
}

function asSlack({ body }: BotQuestion): BotAnswer {
  const refuse = (what: string): BotAnswer => ({ status: 400, body: what })
  const content = json(body)
  const blocks = memberOf(content, 'blocks')
  const title = memberOf(content, 'text')
  if (typeof title !== 'string' || !Array.isArray(blocks)) return refuse('invalid_payload')
  if (blocks.length > 50) return refuse('invalid_blocks')
  const texts: string[] = []
  for (const block of blocks) {
    const text = memberOf(memberOf(block, 'text'), 'text')
    if (typeof text !== 'string' || text === '') return refuse('invalid_blocks')
    if (text.length > (memberOf(block, 'type') === 'header' ? 150 : 3000)) return refuse('invalid_blocks')
    texts.push(text)
  }
  return { status: 200, body: 'ok', message: { title: unescaped(title), text: texts.slice(1).map(unescaped).join('\n') } }
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

function asWebhook({ body, headers, at, secret }: BotQuestion): BotAnswer {
  const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : value]))
  const genuine = verifyStandardWebhook({ body: Buffer.from(body), headers: flat }, { secrets: [secret], now: at })
  if (!genuine.ok) return { status: 401, body: JSON.stringify({ error: 'denied' }) }
  if (Buffer.byteLength(body) > 20_000) return { status: 413, body: JSON.stringify({ error: 'too large' }) }
  const data = memberOf(json(body), 'data')
  const title = memberOf(data, 'title')
  const notices = memberOf(data, 'notices')
  if (typeof title !== 'string' || !Array.isArray(notices)) return { status: 400, body: JSON.stringify({ error: 'unreadable' }) }
  const lines = notices.flatMap((notice: unknown) => [memberOf(notice, 'title'), ...[memberOf(notice, 'lines')].flat()]).map(String)
  return { status: 204, body: '', message: { title, text: lines.join('\n') } }
}

function asSns({ asked, body, headers, host, at }: BotQuestion, state: BotState): BotAnswer {
  const fail = (status: number, code: string, text: string): BotAnswer => ({
    status,
    body: `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${text}</Message></Error></ErrorResponse>`,
  })
  const doubt = awsDoubt(
    { method: 'POST', path: asked.pathname, host, headers, body, at, service: 'sns', region: 'eu-central-1' },
    sandboxAwsKeys,
  )
  if (doubt !== undefined) return fail(403, doubt, 'The request signature we calculated does not match the signature you provided.')
  const form = new URLSearchParams(body)
  const [subject, text] = [form.get('Subject') ?? '', form.get('Message') ?? '']
  if (form.get('Action') !== 'Publish' || form.get('Version') !== '2010-03-31') return fail(400, 'InvalidAction', 'no such action')
  if (!/^[!-~][ -~]{0,98}$/.test(subject)) return fail(400, 'InvalidParameter', 'Invalid parameter: Subject')
  if (text === '' || Buffer.byteLength(text) > 262_144) return fail(400, 'InvalidParameter', 'Invalid parameter: Message too long')
  const sent = `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>${String(at)}-${state.times.length}</MessageId></PublishResult></PublishResponse>`
  state.times.push(at)
  return { status: 200, body: sent, message: { title: subject, text } }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}
