import { parseArgs } from 'node:util'
import { systemClock } from '#cloud/clock.ts'
import { readConfig } from '#infra/local/platform.ts'
import { nearest } from '#shared/pure/nearest.ts'
import type { Config } from '#shared/runtime/config.ts'
import { loadTransport } from '#shared/runtime/event-surroundings.ts'
import { openStore } from '#shared/runtime/kernel.ts'
import { resolveDestination } from '#shared/runtime/notify/destination.ts'
import { messageOf } from '#shared/runtime/notify/message.ts'
import type { NotifierSetting } from '#shared/runtime/notify/notifier-settings.ts'
import { transportFor } from '#shared/runtime/notify/notify.ts'
import { createOutbox } from '#shared/runtime/notify/outbox.ts'
import { sendMessage } from '#shared/runtime/notify/send.ts'
import { createRedactor, type Redactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { configPathOf, counted } from './words.ts'

/** A person waits for it, so it may take longer than within a run. */
const timeoutMs = 10_000

export const notify: Command = {
  summary: 'send a test message through the notifiers, or show what still waits to be sent',
  help: `Usage: longshore notify test [NAME] [--config FILE]
       longshore notify status [NAME] [--json] [--config FILE]

The notifiers are those under \`notifiers\` in FILE (longshore.yaml when absent), all of them when none is named.

  test     sends one message at once, which says that it is a test, and shows what became of it. Needs the secrets that the
           notifier refers to, and no store; what waits stays as it is.
  status   for each notifier: how many notices wait, what became of the last try, until when it keeps still after a failure, and
           the notices that were given up, with the reason. Needs the store only.

Exit code 1 when a message did not arrive; status: when notices were given up.

Example: longshore notify test operations`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { config: { type: 'string' }, json: { type: 'boolean' } },
    })
    const [verb, name, ...more] = positionals
    if (verb !== 'test' && verb !== 'status') throw new UsageError('say what to do: test or status')
    if (more.length > 0) throw new UsageError(`${verb} takes one name`)
    if (verb === 'test' && values.json === true) throw new UsageError('--json goes with status')
    const config = await readConfig({ env: io.env, path: configPathOf(values.config, io.env), folder: io.cwd })
    const chosen = chosenOf(config, name)
    const redactor = createRedactor()
    return verb === 'test' ? await test(chosen, { config, io, redactor }) : await status(chosen, { config, io, json: values.json === true })
  },
}

function chosenOf({ notifiers = [], path }: Config, name: string | undefined): readonly NotifierSetting[] {
  if (notifiers.length === 0) throw new UsageError(`${path ?? 'the configuration'} has no \`notifiers\`; there is nobody to tell`)
  if (name === undefined) return notifiers
  const found = notifiers.filter((notifier) => notifier.name === name)
  if (found.length > 0) return found
  const names = notifiers.map((notifier) => notifier.name)
  const near = nearest(name, names)
  throw new UsageError(`there is no notifier "${name}"; ${near === undefined ? `known: ${names.join(', ')}` : `did you mean "${near}"?`}`)
}

async function test(
  notifiers: readonly NotifierSetting[],
  { config, io, redactor }: { readonly config: Config; readonly io: CommandIo; readonly redactor: Redactor },
): Promise<number> {
  const { env } = io
  const transport = transportFor(notifiers, { config, clock: systemClock, env, loadTransport })
  let code = 0
  try {
    const open = await transport.open()
    for (const setting of notifiers) {
      const now = systemClock.now()
      const notice = {
        key: `test/${now}`,
        severity: 'info',
        function: 'longshore',
        title: `test message for ${setting.name}`,
        lines: ['Somebody called `longshore notify test`. Whoever reads this hears of what needs somebody.'],
        at: now,
      } as const
      const begunAt = systemClock.monotonic()
      const verdict = await sendMessage(setting, messageOf(notice, `msg_test_${now.toString(36)}`), {
        transport: open,
        destination: () => resolveDestination(setting, { resolve: createResolver({ env }), redactor, env }),
        now: systemClock.now,
        timeoutMs,
        signal: io.signal,
        redact: (text) => redactor.text(text),
      })
      const label = `${setting.name}  ${setting.kind}`
      const tookMs = Math.round(systemClock.monotonic() - begunAt)
      if (verdict.kind === 'delivered') io.out(`${label}  delivered in ${tookMs} ms`)
      else {
        code = 1
        const why = verdict.kind === 'stopped' ? 'stopped' : `${verdict.kind}  ${verdict.code}: ${verdict.text}`
        io.err(redactor.text(`${label}  ${why}`))
      }
    }
  } finally {
    await transport.close()
  }
  return code
}

async function status(
  notifiers: readonly NotifierSetting[],
  { config, io, json }: { readonly config: Config; readonly io: CommandIo; readonly json: boolean },
): Promise<number> {
  const store = await openStore(config.store, { clock: systemClock, random: Math.random })
  try {
    let code = 0
    for (const { name, kind } of notifiers) {
      const outbox = createOutbox(store, name)
      const now = systemClock.now()
      const [waiting, { data: lane }, dead] = [await outbox.count(now), await outbox.lane(now), await outbox.dead(now)]
      if (dead.length > 0) code = 1
      const last = lane.last === undefined ? undefined : { at: instant(lane.last.at), code: lane.last.code, text: lane.last.text }
      const still = lane.notBefore > now ? instant(lane.notBefore) : undefined
      const givenUp = dead.map(({ notice, diedAt, code: why, text }) => ({
        at: instant(diedAt),
        title: notice.title,
        function: notice.function,
        code: why,
        text,
      }))
      if (json) {
        io.out(JSON.stringify({ name, kind, waiting, last, failures: lane.failures, keepsStillUntil: still, givenUp }))
        continue
      }
      const lastText =
        last === undefined ? 'nothing was sent yet' : `last try ${last.at}: ${last.code}${last.text === '' ? '' : `: ${last.text}`}`
      io.out(
        [
          `${name}  ${kind}`,
          `${counted(waiting, 'notice')} waiting`,
          lastText,
          ...(still === undefined ? [] : [`keeps still until ${still}`]),
        ].join('  '),
      )
      for (const { at, title, function: fn, code: why, text } of givenUp) io.out(`  given up ${at}  ${fn}: ${title}  ${why}: ${text}`)
    }
    return code
  } finally {
    await store.close()
  }
}

function instant(ms: number): string {
  return new Date(ms).toISOString()
}
