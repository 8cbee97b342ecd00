import { TransportError } from '#cloud/transport-error.ts'
import type { Transport } from '#cloud/wire.ts'
import { SecretUnavailableError } from '../reference.ts'
import { WebhookSecretError } from '../standard-webhooks.ts'
import type { Destination, Verdict } from './channel.ts'
import { channels } from './channels.ts'
import { DestinationError } from './destination.ts'
import type { Message } from './message.ts'
import type { NotifierSetting } from './notifier-settings.ts'

export interface SendPorts {
  readonly transport: Transport
  /** Where the notifier's messages go. May throw what `resolveDestination` throws. */
  readonly destination: () => Promise<Destination>
  /** The time at this moment, epoch milliseconds. */
  readonly now: () => number
  /** For one message, from connecting to the last byte of the answer. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly redact: (text: string) => string
}

/** `stopped`: it was told to stop; nobody knows whether the message arrived. */
export type SendVerdict = Verdict | { readonly kind: 'stopped' }

/** Of an answer that is looked at. */
const mostAnswer = 16_384

/** Sends a message and says what became of it. What can go wrong with it is a verdict, whose text holds no secret; throws bugs only. */
export async function sendMessage(setting: NotifierSetting, message: Message, ports: SendPorts): Promise<SendVerdict> {
  const { transport, now, timeoutMs, signal, redact } = ports
  try {
    const channel = channels[setting.kind]
    const destination = await ports.destination()
    const { path, headers, body } = channel.request(message, destination, now())
    const { origin, host } = destination.url
    const answer = await transport.send({
      origin,
      method: 'POST',
      path,
      headers: { host, 'user-agent': 'longshore', ...headers },
      body,
      deadline: now() + timeoutMs,
      signal,
    })
    const text = answer.body.subarray(0, mostAnswer).toString('utf8')
    const verdict = channel.read({ status: answer.status, headers: answer.headers, text })
    return verdict.kind === 'delivered' ? verdict : { ...verdict, text: redact(verdict.text) }
  } catch (error) {
    if (error instanceof TransportError) return error.kind === 'aborted' ? { kind: 'stopped' } : failedOnTheWay(error)
    if (error instanceof DestinationError || error instanceof SecretUnavailableError || error instanceof WebhookSecretError) {
      return { kind: 'failed', code: error.kind, text: redact(error.message) }
    }
    throw error
  }
}

/** The message of the error is about settings of the platform, which have no part in this. */
function failedOnTheWay({ kind, host, code }: TransportError): Verdict {
  const fail = (what: string): Verdict => ({ kind: 'failed', code: `notify.${kind}`, text: `${host}: ${what}` })
  switch (kind) {
    case 'redirect':
      return fail('the server redirects, and redirects are not followed. Give the address that it leads to')
    case 'not-allowed':
      return code === 'closed'
        ? fail('this process is ending, so nothing is sent any more')
        : fail('plain HTTP to another machine would show the key to anybody on the way. Use https')
    case 'timeout':
      return fail('no whole answer came in time; the message may have arrived')
    case 'untrusted':
      return fail(`its certificate is not trusted (${code}). Correct it there, or name its authority in platform.caFile`)
    case 'too-large':
      return fail('the answer is larger than such an answer can be')
    case 'aborted':
    case 'network':
    case 'not-sent':
      return fail(`the connection failed (${code}). Look whether the host is reachable from here`)
  }
}
