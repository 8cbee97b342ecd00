import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { NotifierKind, NotifierSetting } from '#shared/runtime/notify/notifier-settings.ts'
import { answerAs, type BotReply, type BotState, freshState } from './bot-answers.ts'
import { sandboxAwsKeys } from './bot-keys.ts'

/** What a bot does instead of answering as it should. */
export type BotFault =
  /** Answers with this status and an empty page. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds?: number | undefined }
  /** Answers 200 with this body. */
  | { readonly kind: 'body'; readonly body: string }
  /** Does not want a message in which this stands, and says so with status 400. */
  | { readonly kind: 'refuse'; readonly text: string }
  /** Takes the request and never answers. */
  | { readonly kind: 'silence' }
  /** Takes the message, and the connection ends before the answer. */
  | { readonly kind: 'lost-answer' }
  | { readonly kind: 'redirect'; readonly location: string }

/** A message that a bot took. */
export interface BotMessage {
  readonly kind: NotifierKind
  readonly bot: string
  /** As people would read it: the title, then the rest. */
  readonly title: string
  readonly text: string
  /** The body as it came. */
  readonly body: string
  readonly headers: IncomingMessage['headers']
  /** Epoch milliseconds. */
  readonly at: number
}

/** One bot of the sandbox. */
export interface SandboxBot {
  readonly kind: NotifierKind
  readonly name: string
  /** With its key in it. Of a topic the endpoint. */
  readonly url: string
  /** What its messages are to be signed with; empty where they are not. */
  readonly secret: string
  /** Of a topic. */
  readonly topic: string
  /** The messages that were taken, oldest first. */
  readonly messages: readonly BotMessage[]
  /** Everything that was asked of it, also what it turned away. */
  readonly requestCount: number
  /** The next `count` requests meet the fault; all of them when absent. Undefined ends it. */
  fail(fault: BotFault | undefined, count?: number): void
}

/** Stand-ins for the bots and the topics that notices go to, on loopback. */
export interface SandboxBots {
  readonly url: string
  add(kind: NotifierKind, name: string): SandboxBot
  close(): Promise<void>
}

export interface SandboxBotsOptions {
  readonly port?: number
  /** Epoch milliseconds: what signatures and limits are judged by. */
  readonly now: () => number
  readonly onMessage?: ((message: BotMessage) => void) | undefined
}

const longestBody = 1024 * 1024

/** Starts them. They check what the real ones check: keys, signatures, the time in them, sizes, and how many come in a minute. */
export async function startBots(options: SandboxBotsOptions): Promise<SandboxBots> {
  const bots = new Map<string, Bot>()
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    void serve(request, response)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`

  /** What the bot says to it; a message that it takes is kept. */
  const take = (bot: Bot, { headers }: IncomingMessage, body: string, asked: URL): BotReply => {
    const at = options.now()
    const answer = answerAs(bot.kind, { asked, body, headers, host: headers.host ?? '', at, secret: bot.secret }, bot.state)
    if (answer.message !== undefined) {
      const message = { kind: bot.kind, bot: bot.name, ...answer.message, body, headers, at }
      bot.messages.push(message)
      options.onMessage?.(message)
    }
    return answer
  }
  const answerSoundly = (bot: Bot, request: IncomingMessage, response: ServerResponse, body: string, asked: URL): void =>
    reply(response, take(bot, request, body, asked))

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request)
    const asked = new URL(request.url ?? '/', url)
    const bot = [...bots.values()].find((one) => one.isAskedBy(asked, body ?? ''))
    if (bot === undefined || body === undefined) {
      reply(response, { status: body === undefined ? 413 : 404, body: 'no such bot' })
      return
    }
    bot.requestCount += 1
    const fault = bot.nextFault()
    switch (fault?.kind) {
      case 'silence':
        return
      case 'status': {
        const { status, retryAfterSeconds } = fault
        reply(response, { status, body: '' }, retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) })
        return
      }
      case 'body':
        reply(response, { status: 200, body: fault.body })
        return
      case 'refuse':
        if (body.includes(fault.text)) reply(response, { status: 400, body: 'not wanted' })
        else answerSoundly(bot, request, response, body, asked)
        return
      case 'redirect':
        reply(response, { status: 302, body: '' }, { location: fault.location })
        return
      case 'lost-answer':
        take(bot, request, body, asked)
        request.socket.destroy()
        return
      case undefined:
        answerSoundly(bot, request, response, body, asked)
    }
  }

  return {
    url,
    add: (kind, name) => {
      const bot = new Bot(kind, name, url)
      bots.set(`${kind}/${name}`, bot)
      return bot
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

class Bot implements SandboxBot {
  readonly kind: NotifierKind
  readonly name: string
  readonly url: string
  readonly secret: string
  readonly topic: string
  readonly messages: BotMessage[] = []
  readonly state: BotState = freshState()
  requestCount = 0
  #fault: BotFault | undefined
  #faultsLeft = 0

  constructor(kind: NotifierKind, name: string, base: string) {
    const key = randomBytes(16).toString('hex')
    this.kind = kind
    this.name = name
    this.url = `${base}${pathOf(kind, name, key)}`
    this.topic = kind === 'sns' ? `arn:aws:sns:eu-central-1:000000000000:${name}` : ''
    this.secret = secretOf(kind, randomBytes(24))
  }

  isAskedBy(asked: URL, body: string): boolean {
    if (this.kind === 'sns') return asked.pathname === '/' && new URLSearchParams(body).get('TopicArn') === this.topic
    const own = new URL(this.url)
    return asked.pathname === own.pathname && [...own.searchParams].every(([name, value]) => asked.searchParams.get(name) === value)
  }

  fail(fault: BotFault | undefined, count = Number.POSITIVE_INFINITY): void {
    this.#fault = fault
    this.#faultsLeft = count
  }

  nextFault(): BotFault | undefined {
    if (this.#faultsLeft <= 0) return undefined
    this.#faultsLeft -= 1
    return this.#fault
  }
}

function pathOf(kind: NotifierKind, name: string, key: string): string {
  switch (kind) {
    case 'wecom':
      return `/cgi-bin/webhook/send?key=${key}`
    case 'dingtalk':
      return `/robot/send?access_token=${key}`
    case 'feishu':
      return `/open-apis/bot/v2/hook/${key}`
    case 'slack':
      return `/services/T0SANDBOX/B0SANDBOX/${key}`
    case 'webhook':
      return `/hooks/${name}/${key}`
    case 'sns':
      return ''
  }
}

function secretOf(kind: NotifierKind, bytes: Buffer): string {
  if (kind === 'dingtalk') return `SEC${bytes.toString('hex')}`
  if (kind === 'feishu') return bytes.toString('hex').slice(0, 22)
  return kind === 'webhook' ? `whsec_${bytes.toString('base64')}` : ''
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of request) {
      const piece = Buffer.from(chunk)
      length += piece.length
      if (length <= longestBody) chunks.push(piece)
    }
  } catch (error) {
    if (!request.destroyed) throw error
    // The sender has gone.
    return undefined
  }
  return length <= longestBody ? Buffer.concat(chunks).toString('utf8') : undefined
}

function reply(response: ServerResponse, { status, body }: BotReply, headers: Readonly<Record<string, string>> = {}): void {
  const isJson = body.startsWith('{')
  response.writeHead(status, { 'content-type': isJson ? 'application/json' : 'text/plain; charset=utf-8', ...headers })
  response.end(body)
}

/** The same notifiers, each with a bot of the sandbox in place of the real one, and what their references lead to then. */
export function sandboxNotifiers(
  notifiers: readonly NotifierSetting[],
  bots: SandboxBots,
): { readonly notifiers: readonly NotifierSetting[]; readonly env: Readonly<Record<string, string>> } {
  const env: Record<string, string> = {
    LONGSHORE_SANDBOX_AWS_ID: sandboxAwsKeys.accessKeyId,
    LONGSHORE_SANDBOX_AWS_KEY: sandboxAwsKeys.secretAccessKey,
  }
  const local = notifiers.map((setting, index): NotifierSetting => {
    const bot = bots.add(setting.kind, setting.name)
    if (setting.kind === 'sns') {
      const credentials = { accessKeyId: 'env:LONGSHORE_SANDBOX_AWS_ID', secretAccessKey: 'env:LONGSHORE_SANDBOX_AWS_KEY' }
      return { ...setting, topic: bot.topic, endpoint: bots.url, credentials }
    }
    env[`LONGSHORE_SANDBOX_BOT_${index}`] = bot.url
    env[`LONGSHORE_SANDBOX_BOT_${index}_SECRET`] = bot.secret
    const where = { url: `env:LONGSHORE_SANDBOX_BOT_${index}`, host: new URL(bots.url).host }
    const secret = `env:LONGSHORE_SANDBOX_BOT_${index}_SECRET`
    if (setting.kind === 'wecom' || setting.kind === 'slack') return { ...setting, ...where }
    return { ...setting, ...where, secret }
  })
  return { notifiers: local, env }
}
