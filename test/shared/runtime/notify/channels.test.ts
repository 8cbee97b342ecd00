import { describe, expect, it } from 'vitest'
import type { NotifierKind } from '#shared/runtime/notify/notifier-settings.ts'
import { kinds, noticeOf, notifyStage, settingOf } from './notify-stage.ts'

const long = '扩容失败 & <b>*重试*</b> [x](https://evil.example) '.repeat(12)
const full = (key: string) =>
  noticeOf(key, {
    severity: 'critical',
    title: 'cls-1/shop/Deployment/<web> & co failed',
    lines: ['<@everyone> [click](https://evil.example)', ...Array.from({ length: 59 }, (_, index) => `${index} ${long}`)],
    links: [{ text: 'Approve', url: 'https://longshore.example.com/approve?a=1&b=2' }],
    facts: { mode: 'enforce' },
  })

describe.each(kinds)('a notifier of kind %s', (kind) => {
  it('gets a message that its bot takes: signed, within every limit', async () => {
    const { port, bot } = await notifyStage([settingOf(kind)])
    expect(await port.notify([noticeOf('one')])).toEqual({ sent: 1, digested: 0, failed: 0, waiting: 0 })
    const [message] = bot.messages
    // The bot checks the key in its URL, the signature and the sizes itself.
    expect(bot.messages).toHaveLength(1)
    expect(message?.title).toContain('title of one')
    expect(message?.text).toContain('what happened to one')
  })

  it('is sent a notice with more text than it takes, cut, in one message, with its link', async () => {
    const { port, bot, logged } = await notifyStage([settingOf(kind)])
    expect(await port.notify([full('big')])).toEqual({ sent: 1, digested: 0, failed: 0, waiting: 0 })
    expect(logged.filter(({ event }) => event === 'notice-not-sent')).toEqual([])
    const [message] = bot.messages
    expect(message?.body.isWellFormed()).toBe(true)
    expect(decoded(kind, message?.body ?? '')).toContain('longshore.example.com/approve?a=1')
  })

  it('is sent two hundred of them in one digest that fits', async () => {
    const { port, bot } = await notifyStage([settingOf(kind)])
    const notices = Array.from({ length: 200 }, (_, index) => full(`big ${index}`))
    expect(await port.notify(notices)).toEqual({ sent: 1, digested: 200, failed: 0, waiting: 0 })
    expect(bot.messages).toHaveLength(1)
    expect(bot.messages[0]?.title).toContain('200 notices (200 critical)')
  })

  it('tries again later when the server has an error, and says so in the log', async () => {
    const { port, bot, logged, move } = await notifyStage([settingOf(kind)])
    bot.fail({ kind: 'status', status: 500 }, 1)
    expect(await port.notify([noticeOf('one')])).toEqual({ sent: 0, digested: 0, failed: 1, waiting: 1 })
    expect(logged.find(({ event }) => event === 'notice-not-sent')).toMatchObject({ target: `${kind}-1`, code: 'notify.http-500' })
    // It keeps still for half a minute.
    expect(await port.notify([])).toEqual({ sent: 0, digested: 0, failed: 0, waiting: 1 })
    expect(bot.requestCount).toBe(1)
    move(31_000)
    expect(await port.notify([])).toEqual({ sent: 1, digested: 0, failed: 0, waiting: 0 })
    expect(bot.messages).toHaveLength(1)
  })

  it('is not believed when a proxy answers 200 in its place', async () => {
    const { port, bot } = await notifyStage([settingOf(kind)])
    bot.fail({ kind: 'body', body: '<html>Welcome to the captive portal</html>' })
    const { sent, failed } = await port.notify([noticeOf('one')])
    // A generic webhook has nothing but its status to go by.
    expect([sent, failed]).toEqual(kind === 'webhook' ? [1, 0] : [0, 1])
  })

  it('is not followed when it redirects, and the other host is never called', async () => {
    const elsewhere = await notifyStage([settingOf(kind)])
    const { port, bot, logged } = await notifyStage([settingOf(kind)])
    bot.fail({ kind: 'redirect', location: elsewhere.bot.url || elsewhere.bots.url })
    expect(await port.notify([noticeOf('one')])).toMatchObject({ sent: 0, failed: 1, waiting: 1 })
    expect(elsewhere.bot.requestCount).toBe(0)
    expect(logged.find(({ event }) => event === 'notice-not-sent')).toMatchObject({ code: 'notify.redirect' })
  })
})

/** HTTP 200 with a code in the body that is not zero is a failure: nobody has seen the message. */
const refusals: readonly (readonly [NotifierKind, string, string])[] = [
  ['wecom', '{"errcode":93000,"errmsg":"invalid webhook url"}', 'notify.code-93000'],
  ['dingtalk', '{"errcode":310000,"errmsg":"keywords not in content"}', 'notify.code-310000'],
  ['feishu', '{"code":19024,"msg":"Key Words Not Found"}', 'notify.code-19024'],
  ['feishu', '{"StatusCode":1,"StatusMessage":"no"}', 'notify.code-1'],
  ['slack', 'invalid_token', 'notify.no-code'],
  ['sns', '<PublishResponse></PublishResponse>', 'notify.no-code'],
]

describe('HTTP 200 with a non-zero errcode is a failure', () => {
  it.each(refusals)('of %s: %s', async (kind, body, code) => {
    const { port, bot, logged, move } = await notifyStage([settingOf(kind)])
    bot.fail({ kind: 'body', body }, 1)
    expect(await port.notify([noticeOf('one')])).toEqual({ sent: 0, digested: 0, failed: 1, waiting: 1 })
    expect(logged.find(({ event }) => event === 'notice-not-sent')).toMatchObject({ level: 'warn', code })
    move(31_000)
    expect(await port.notify([])).toMatchObject({ sent: 1, waiting: 0 })
  })

  it.each([
    ['wecom', '{"errcode":45009,"errmsg":"api freq out of limit"}', 61_000],
    ['dingtalk', '{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}', 601_000],
    ['feishu', '{"code":11232,"msg":"frequency limited"}', 61_000],
  ] as const)('of %s, which says that it is too much: it keeps still for as long as the bot does', async (kind, body, stillMs) => {
    const { port, bot, move } = await notifyStage([settingOf(kind)])
    bot.fail({ kind: 'body', body }, 1)
    expect(await port.notify([noticeOf('one')])).toMatchObject({ sent: 0, failed: 1 })
    move(stillMs - 3_000)
    expect(await port.notify([])).toMatchObject({ sent: 0, failed: 0, waiting: 1 })
    expect(bot.requestCount).toBe(1)
    move(4_000)
    expect(await port.notify([])).toMatchObject({ sent: 1, waiting: 0 })
  })
})

it('a server that says when to come again is not asked before', async () => {
  const { port, bot, move } = await notifyStage([settingOf('slack')])
  bot.fail({ kind: 'status', status: 429, retryAfterSeconds: 120 }, 1)
  expect(await port.notify([noticeOf('one')])).toMatchObject({ failed: 1, waiting: 1 })
  move(115_000)
  expect(await port.notify([])).toMatchObject({ sent: 0, waiting: 1 })
  move(6_000)
  expect(await port.notify([])).toMatchObject({ sent: 1 })
})

it('what a stranger named is no link, no mention and no tag in any message', async () => {
  const name = '<!channel> <@all> [free](https://evil.example) **bold**'
  for (const kind of kinds) {
    const { port, bot } = await notifyStage([settingOf(kind)])
    await port.notify([noticeOf('one', { title: name, lines: [name] })])
    const body = decoded(kind, bot.messages[0]?.body ?? '')
    if (kind === 'wecom' || kind === 'dingtalk') expect(body).not.toMatch(/\]\(https|<@|<!/)
    // Slack reads only what is in brackets; rich text, JSON and plain mail read nothing.
    if (kind === 'slack') expect(body.replace(/"plain_text","text":"[^"]*"/g, '')).not.toMatch(/<[@!]/)
    expect(bot.messages).toHaveLength(1)
  }
})

it('a mail has a subject in ASCII on one line, and its text as it is', async () => {
  const { port, bot } = await notifyStage([settingOf('sns')])
  await port.notify([noticeOf('one', { title: `扩容失败 ${'x'.repeat(150)}`, lines: ['原因：配额不足'] })])
  const form = new URLSearchParams(bot.messages[0]?.body)
  expect(form.get('Subject')).toMatch(/^Longshore warning - cron-scaler: \? x+$/)
  expect(form.get('Subject')).toHaveLength(99)
  expect(form.get('Message')).toContain('原因：配额不足')
})

it('a program gets the notices of a generic webhook as data, with an id that is the same at each try', async () => {
  const { port, bot, move } = await notifyStage([settingOf('webhook')])
  bot.fail({ kind: 'lost-answer' }, 1)
  const notice = noticeOf('one', { facts: { mode: 'enforce' } })
  expect(await port.notify([notice])).toMatchObject({ failed: 1, waiting: 1 })
  move(31_000)
  expect(await port.notify([])).toMatchObject({ sent: 1, waiting: 0 })
  const [first, second] = bot.messages
  expect(first?.headers['webhook-id']).toMatch(/^msg_[0-9a-f]{40}$/)
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
  expect(JSON.parse(second?.body ?? '')).toMatchObject({
    type: 'longshore.notice',
    data: {
      severity: 'warning',
      leftOut: 0,
      notices: [{ key: 'one', severity: 'warning', function: 'cron-scaler', at: '2026-11-24T08:00:00.000Z', facts: { mode: 'enforce' } }],
    },
  })
})

/** The text of a body, as its receiver reads it. */
function decoded(kind: NotifierKind, body: string): string {
  return kind === 'sns' ? (new URLSearchParams(body).get('Message') ?? '') : body.replaceAll('&amp;', '&')
}
