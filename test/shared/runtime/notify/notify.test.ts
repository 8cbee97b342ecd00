import { describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { loadTransport } from '#shared/runtime/event-surroundings.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createNotify } from '#shared/runtime/notify/notify.ts'
import { openNotify } from '#shared/runtime/notify/notify-port.ts'
import { createOutbox } from '#shared/runtime/notify/outbox.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { noticeOf, notifyStage, settingOf } from './notify-stage.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const many = (count: number, from = 0) => Array.from({ length: count }, (_, index) => noticeOf(`n${from + index}`))

describe('promise 24: bots get at most 20 messages a minute, digests instead', () => {
  it('a few notices are a message each, more of them are one', async () => {
    const { port, bot, move } = await notifyStage([settingOf('dingtalk')])
    expect(await port.notify(many(5))).toEqual({ sent: 5, digested: 0, failed: 0, waiting: 0 })
    move(1000)
    expect(await port.notify(many(6, 100))).toEqual({ sent: 1, digested: 6, failed: 0, waiting: 0 })
    expect(bot.messages).toHaveLength(6)
  })

  it('20 messages within any minute, whatever comes: what waits then is one digest when the minute is over', async () => {
    const { port, bot, move, now } = await notifyStage([settingOf('dingtalk', { digestAfter: 10 })])
    let told = 0
    for (let second = 0; second < 120; second += 1) {
      await port.notify(many(2, told))
      told += 2
      move(1000)
    }
    move(minuteMs)
    await port.notify([])
    const times = bot.messages.map(({ at }) => at)
    for (const at of times) expect(times.filter((other) => other >= at && other < at + minuteMs).length).toBeLessThanOrEqual(20)
    // The bot itself counts too, and would have gone silent for ten minutes.
    expect(bot.requestCount).toBe(bot.messages.length)
    const text = bot.messages.map(({ title, text: rest }) => `${title}\n${rest}`).join('\n')
    const left = Array.from({ length: told }, (_, index) => `title of n${index}`).filter((title) => !new RegExp(`${title}\\b`).test(text))
    expect(left).toEqual([])
    expect(now()).toBeGreaterThan(0)
  })

  it('a bot that may send less is sent less', async () => {
    const { port, bot, move } = await notifyStage([settingOf('slack', { perMinute: 2 })])
    expect(await port.notify(many(2))).toMatchObject({ sent: 2, waiting: 0 })
    expect(await port.notify(many(2, 10))).toMatchObject({ sent: 0, waiting: 2 })
    move(62_000)
    expect(await port.notify(many(3, 20))).toMatchObject({ sent: 1, digested: 5, waiting: 0 })
    expect(bot.messages).toHaveLength(3)
  })

  it('several processes share the limit, and none sends what another has sent', async () => {
    const stage = await notifyStage([settingOf('feishu', { perMinute: 4 })])
    const others = [stage.port, stage.another(), stage.another(), stage.another()]
    for (let round = 0; round < 3; round += 1) await Promise.all(others.map((port) => port.notify(many(2, round * 2))))
    expect(stage.bot.messages.length).toBeLessThanOrEqual(4)
    stage.move(2 * minuteMs)
    for (const port of others) await port.notify([])
    const titles = stage.bot.messages.flatMap(({ title, text }) => `${title}\n${text}`.match(/title of n\d+/g) ?? [])
    expect(titles.toSorted()).toEqual(Array.from({ length: 6 }, (_, index) => `title of n${index}`))
  })
})

describe('the same notice', () => {
  it('is sent once, however often it is told and by whom, until its time is over', async () => {
    const { port, another, bot, move } = await notifyStage([settingOf('wecom')])
    const notice = noticeOf('same', { dedupeMs: hourMs })
    for (let times = 0; times < 5; times += 1) {
      await port.notify([notice, notice])
      move(minuteMs)
    }
    await another().notify([notice])
    expect(bot.messages).toHaveLength(1)
    move(hourMs)
    await port.notify([notice])
    expect(bot.messages).toHaveLength(2)
  })

  it('goes out again when a process died between sending it and writing that down: at least once, never not at all', async () => {
    const isDying = { now: false }
    const stage = await notifyStage([settingOf('webhook')])
    const dying = stage.another({
      before: ({ operation, sort }) => {
        if (isDying.now && operation !== 'get' && sort?.startsWith('wait') !== true)
          throw new StoreError('store.unavailable', 'the process is gone')
        if (operation === 'put' && sort === 'lane') isDying.now = true
      },
    })
    expect(await dying.notify([noticeOf('one')])).toMatchObject({ failed: 1 })
    expect(stage.bot.messages).toHaveLength(1)
    // The lane is taken until the dead one’s time is over.
    expect(await stage.port.notify([])).toMatchObject({ sent: 0, waiting: 1 })
    stage.move(20_000)
    expect(await stage.port.notify([])).toMatchObject({ sent: 1, waiting: 0 })
    const [first, second] = stage.bot.messages
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
  })

  it('is not sent again when only the last write was lost', async () => {
    const stage = await notifyStage([settingOf('slack')])
    const dying = stage.another({
      before: ({ operation, sort }) => {
        if (operation === 'delete' && sort?.startsWith('wait/') === true) throw new StoreError('store.unavailable', 'the process is gone')
      },
    })
    await dying.notify([noticeOf('one')])
    stage.move(minuteMs)
    expect(await stage.port.notify([])).toEqual({ sent: 0, digested: 0, failed: 0, waiting: 0 })
    expect(stage.bot.messages).toHaveLength(1)
  })
})

describe('a notifier', () => {
  it('sends what concerns it: by function, and from a severity on', async () => {
    const { port, bots, notifiers, bot } = await notifyStage([
      settingOf('slack', { name: 'all' }),
      settingOf('wecom', { name: 'cron-critical', functions: ['cron-scaler'], atLeast: 'critical' }),
    ])
    expect(notifiers.map(({ name }) => name)).toEqual(['all', 'cron-critical'])
    expect(bots.url).toMatch(/^http:\/\/127\.0\.0\.1:/)
    const told = await port.notify([
      noticeOf('a', { severity: 'critical' }),
      noticeOf('b', { severity: 'warning' }),
      noticeOf('c', { severity: 'critical', function: 'image-cleaner' }),
    ])
    expect(told).toMatchObject({ sent: 4, waiting: 0 })
    expect(bot.messages.map(({ title }) => title.match(/title of ./)?.[0])).toEqual(['title of a', 'title of c', 'title of b'])
  })

  it('of another function is left to that one: this one’s role cannot read its secrets', async () => {
    const { notifiers, store, bot, env, redactor } = await notifyStage([settingOf('slack', { functions: ['cron-scaler'] })])
    const ports = { config: { notifiers, platform: {} }, store, env, redactor, resolve: createResolver({ env }), clock: systemClock }
    const more = { ...ports, random: Math.random, loadTransport, log: silentLog }
    expect(openNotify({ ...more, function: 'image-cleaner' })).toBeUndefined()
    const own = openNotify({ ...more, function: 'cron-scaler' })
    expect(await own?.notify([noticeOf('one')])).toMatchObject({ sent: 1 })
    expect(bot.messages).toHaveLength(1)
    await own?.close()
  })

  it('that does not work keeps none of the others waiting', async () => {
    const { port, bots, bot } = await notifyStage([settingOf('dingtalk', { name: 'broken' }), settingOf('slack', { name: 'sound' })])
    expect(bots.url).not.toBe('')
    bot.fail({ kind: 'silence' })
    const begunAt = performance.now()
    expect(await port.notify([noticeOf('one')])).toMatchObject({ sent: 1, failed: 1, waiting: 1 })
    expect(performance.now() - begunAt).toBeLessThan(1_500)
  })

  it('that is never reached is tried at growing intervals, and a notice is given up after a day, to be seen', async () => {
    const { port, bot, move, store, now, logged } = await notifyStage([settingOf('wecom')])
    bot.fail({ kind: 'status', status: 502 })
    await port.notify([noticeOf('lost')])
    for (let minute = 0; minute < 25 * 60; minute += 1) {
      move(minuteMs)
      if ((await port.notify([])).waiting === 0) break
    }
    // 0.5, 1, 2, 4, 8, 16 and then every 30 minutes for a day.
    expect(bot.requestCount).toBeGreaterThan(40)
    expect(bot.requestCount).toBeLessThan(60)
    const dead = await createOutbox(store, 'wecom-1').dead(now())
    expect(dead).toMatchObject([{ notice: { key: 'lost' }, code: 'notify.http-502' }])
    expect(dead[0]?.text).toMatch(/^it could not be sent for 24 hours: the server answered with status 502/)
    expect(logged.filter(({ event }) => event === 'notice-dead')).toHaveLength(1)
    bot.fail(undefined)
    move(hourMs)
    expect(await port.notify([noticeOf('new')])).toMatchObject({ sent: 1, waiting: 0 })
  })

  it('that does not want one of several notices gets the others without it, and does not get that one for ever', async () => {
    const { port, bot, move, store, now } = await notifyStage([settingOf('slack', { digestAfter: 1 })])
    bot.fail({ kind: 'refuse', text: 'poison' })
    const told = [noticeOf('good 1'), noticeOf('poison'), noticeOf('good 2')]
    // All in one message, which is refused; from then on each goes alone.
    expect(await port.notify(told)).toEqual({ sent: 0, digested: 0, failed: 1, waiting: 3 })
    move(5 * minuteMs)
    expect(await port.notify([])).toEqual({ sent: 2, digested: 0, failed: 1, waiting: 1 })
    move(5 * minuteMs)
    expect(await port.notify([])).toEqual({ sent: 0, digested: 0, failed: 1, waiting: 0 })
    expect(bot.messages.map(({ title }) => title.match(/good ./)?.[0]).toSorted()).toEqual(['good 1', 'good 2'])
    expect(await createOutbox(store, 'slack-1').dead(now())).toMatchObject([
      { notice: { key: 'poison' }, code: 'notify.http-400', text: expect.stringContaining('was refused 3 times') as string },
    ])
    move(5 * minuteMs)
    expect(await port.notify([noticeOf('next')])).toMatchObject({ sent: 1, waiting: 0 })
  })
})

describe('what is in the way of telling people', () => {
  it('a store that fails is one failure, in the log, and nothing else', async () => {
    const hooks = {
      before: () => {
        throw new StoreError('store.unavailable', 'Store: the table cannot be reached.')
      },
    }
    const { port, bot, logged } = await notifyStage([settingOf('wecom')], { hooks })
    expect(await port.notify([noticeOf('one')])).toEqual({ sent: 0, digested: 0, failed: 1, waiting: 0 })
    expect(bot.requestCount).toBe(0)
    expect(logged).toMatchObject([{ level: 'warn', event: 'notices-not-kept', code: 'store.unavailable' }])
  })

  it('a store that hangs is waited for no longer than the run has time', async () => {
    const { port } = await notifyStage([settingOf('wecom')], { hooks: { before: () => systemClock.sleep(30_000) } })
    const begunAt = performance.now()
    expect(await port.notify([noticeOf('one')], { remainingMs: () => 2_000 })).toMatchObject({ sent: 0 })
    expect(performance.now() - begunAt).toBeLessThan(1_000)
  })

  it('a run that has no time left tells nobody, and says so', async () => {
    const { port, bot, logged } = await notifyStage([settingOf('wecom')])
    expect(await port.notify([noticeOf('one')], { remainingMs: () => 1_000 })).toMatchObject({ sent: 0, failed: 1 })
    expect(await port.notify([noticeOf('one')], { signal: AbortSignal.abort() })).toMatchObject({ sent: 0, failed: 1 })
    expect(bot.requestCount).toBe(0)
    expect(logged.map(({ code }) => code)).toEqual(['notify.no-time', 'notify.no-time'])
  })

  it('a run that is stopped midway stops waiting at once; the notice goes out later', async () => {
    const stage = await notifyStage([settingOf('wecom')])
    stage.bot.fail({ kind: 'silence' }, 1)
    const stop = new AbortController()
    const begunAt = performance.now()
    setTimeout(() => stop.abort(), 100)
    expect(await stage.port.notify([noticeOf('one')], { signal: stop.signal })).toMatchObject({ sent: 0, waiting: 1 })
    expect(performance.now() - begunAt).toBeLessThan(1_000)
    stage.move(30_000)
    expect(await stage.port.notify([])).toMatchObject({ sent: 1, waiting: 0 })
  })

  it('a secret that is not there is named by its reference, never by a value', async () => {
    const { port, bot, logged } = await notifyStage([settingOf('dingtalk')], { env: { LONGSHORE_SANDBOX_BOT_0_SECRET: '' } })
    expect(await port.notify([noticeOf('one')])).toMatchObject({ failed: 1, waiting: 1 })
    expect(bot.requestCount).toBe(0)
    expect(logged.find(({ event }) => event === 'notice-not-sent')).toMatchObject({
      code: 'config.secret-unavailable',
      reason: expect.stringContaining('env:LONGSHORE_SANDBOX_BOT_0_SECRET') as string,
    })
  })

  it.each([
    ['http://169.254.169.254/latest/meta-data?key=aaaaaaaaaaaaaaaaaaaa', 'leads to another host than'],
    ['https://evil.example/cgi-bin/webhook/send?key=aaaaaaaaaaaaaaaaaaaa', 'leads to another host than'],
    ['https://name:word@127.0.0.1/x', 'holds a user name or a password'],
    ['ftp://127.0.0.1/x', 'is no https:// URL'],
    ['qyapi.weixin.qq.com/cgi-bin/webhook/send?key=aaaaaaaaaaaaaaaaaaaa', 'is no https:// URL'],
  ])('a URL that leads elsewhere is not called: %s', async (url, why) => {
    const { port, bot, logged } = await notifyStage([settingOf('wecom')], { env: { LONGSHORE_SANDBOX_BOT_0: url } })
    expect(await port.notify([noticeOf('one')])).toMatchObject({ sent: 0, failed: 1, waiting: 1 })
    expect(bot.requestCount).toBe(0)
    const line = logged.find(({ event }) => event === 'notice-not-sent')
    expect(line).toMatchObject({ code: 'notify.bad-destination', reason: expect.stringContaining(why) as string })
    expect(JSON.stringify(line)).not.toContain('aaaa')
  })

  it('of a thousand notices of one run two hundred are told, and how many more there are', async () => {
    const { port, bot } = await notifyStage([settingOf('slack')])
    const notices = Array.from({ length: 1000 }, (_, index) => noticeOf(`n${index}`, { severity: index === 999 ? 'critical' : 'warning' }))
    expect(await port.notify(notices)).toMatchObject({ sent: 1, failed: 0 })
    expect(bot.messages[0]?.title).toContain('1 critical')
    await port.notify([])
    expect(bot.messages.map(({ title, text }) => title + text).join('\n')).toContain('and 800 more notices of the same run')
  })
})

describe('a secret that notices are made with', () => {
  const reading = (resolve: (reference: string) => Promise<string>, sleep: Clock['sleep'] = systemClock.sleep) => {
    let nowMs = 0
    const redactor = createRedactor()
    const port = createNotify([], {
      config: { notifiers: [], platform: {} },
      store: openMemoryStore(new MemoryDisk()),
      env: {},
      resolve,
      redactor,
      clock: { ...systemClock, now: () => nowMs, sleep },
      random: Math.random,
      loadTransport: () => Promise.reject(new Error('nothing is sent here')),
      log: silentLog,
    })
    return { port, redactor, pass: (ms: number) => (nowMs += ms) }
  }

  it('is shown nowhere from then on, and is read again after five minutes', async () => {
    const secrets = ['the-secret-of-links-1', 'the-secret-of-links-2'].values()
    const { port, redactor, pass } = reading(() => Promise.resolve(secrets.next().value ?? ''))
    expect(await port.secret('env:LINKS')).toBe('the-secret-of-links-1')
    expect(redactor.text('it is the-secret-of-links-1!')).not.toContain('the-secret')
    pass(299_999)
    expect(await port.secret('env:LINKS')).toBe('the-secret-of-links-1')
    pass(1)
    expect(await port.secret('env:LINKS')).toBe('the-secret-of-links-2')
  })

  it('that does not come is not waited for', async () => {
    const { port } = reading(
      () => new Promise(() => undefined),
      (ms) => (ms === 3000 ? Promise.resolve() : new Promise(() => undefined)),
    )
    await expect(port.secret('ssm:/longshore/links')).rejects.toThrow('ssm:/longshore/links: nothing came within 3000 ms')
  })
})
