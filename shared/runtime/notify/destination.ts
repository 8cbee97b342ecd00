import type { Environment } from '../config.ts'
import type { Redactor } from '../redact.ts'
import type { ResolveReference } from '../reference.ts'
import { keyOf } from '../standard-webhooks.ts'
import type { Destination } from './channel.ts'
import type { NotifierSetting } from './notifier-settings.ts'

/** A notifier whose URL or secret cannot be used. The message shows neither. */
export class DestinationError extends Error {
  override readonly name = 'DestinationError'
  readonly kind = 'notify.bad-destination'
}

export interface DestinationPorts {
  readonly resolve: ResolveReference
  /** Learns every secret before it is used. */
  readonly redactor: Redactor
  readonly env: Environment
}

/** Where each kind of bot is at home. */
const publicHosts = {
  wecom: ['qyapi.weixin.qq.com'],
  dingtalk: ['oapi.dingtalk.com', 'api.dingtalk.com'],
  feishu: ['open.feishu.cn', 'open.larksuite.com', 'open.larkoffice.com'],
  slack: ['hooks.slack.com', 'hooks.slack-gov.com'],
} as const

/** Hosts that a notifier may call, `host` or `host:port`: what its setting says, whatever its URL turns out to be. */
export function hostsOf(setting: NotifierSetting): readonly string[] {
  if (setting.kind === 'sns') return [new URL(snsAddress(setting)).host]
  if (setting.host !== undefined) return [setting.host.toLowerCase()]
  return setting.kind === 'webhook' ? [] : publicHosts[setting.kind]
}

/**
 * Reads the secrets of a notifier and checks them. Everything that lets somebody else send in our name becomes known to the redactor
 * first: the whole URL, its path, and each part of it that may be a key. Throws DestinationError and SecretUnavailableError.
 */
export async function resolveDestination(setting: NotifierSetting, ports: DestinationPorts): Promise<Destination> {
  const refuse = (what: string): DestinationError => new DestinationError(`notifiers.${setting.name}: ${what}`)
  const read = async (reference: string): Promise<string> => {
    const value = (await ports.resolve(reference)).trim()
    ports.redactor.add(value)
    return value
  }
  if (setting.kind === 'sns') {
    const { topic, credentials } = setting
    const { accessKeyId, secretAccessKey } = credentials ?? {
      accessKeyId: 'env:AWS_ACCESS_KEY_ID',
      secretAccessKey: 'env:AWS_SECRET_ACCESS_KEY',
    }
    const hasToken = credentials === undefined && (ports.env.AWS_SESSION_TOKEN ?? '') !== ''
    const token = hasToken ? 'env:AWS_SESSION_TOKEN' : credentials?.sessionToken
    const keys = {
      accessKeyId: await read(accessKeyId),
      secretAccessKey: await read(secretAccessKey),
      ...(token === undefined ? {} : { sessionToken: await read(token) }),
    }
    return { url: checkedUrl(snsAddress(setting), setting, refuse), topic, keys }
  }
  const text = await read(setting.url)
  const url = checkedUrl(text, setting, refuse)
  for (const part of secretParts(url)) ports.redactor.add(part)
  const secret = 'secret' in setting && setting.secret !== undefined ? await read(setting.secret) : undefined
  if (setting.kind === 'webhook' && secret !== undefined) keyOf(secret)
  return { url, secret }
}

function checkedUrl(text: string, setting: NotifierSetting, refuse: (what: string) => DestinationError): URL {
  const url = URL.parse(text)
  const where = setting.kind === 'sns' ? 'its endpoint' : `the URL that its \`url\` leads to`
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw refuse(`${where} is no https:// URL. Copy it again, whole; it is not shown, as it holds a key.`)
  }
  if (url.username !== '' || url.password !== '')
    throw refuse(`${where} holds a user name or a password, which are not sent. Leave them out.`)
  const hosts = hostsOf(setting)
  if (!hosts.some((host) => host === url.hostname || host === url.host || host === `${url.hostname}:${portOf(url)}`)) {
    throw refuse(
      `${where} leads to another host than ${hosts.join(' or ')}, so nothing is sent there. Copy the URL again, or name its host with \`host\`.`,
    )
  }
  return url
}

function snsAddress({ topic, endpoint }: NotifierSetting & { readonly kind: 'sns' }): string {
  if (endpoint !== undefined) return endpoint
  const [, partition, , region] = topic.split(':')
  return `https://sns.${region}.amazonaws.com${partition === 'aws-cn' ? '.cn' : ''}`
}

function portOf(url: URL): string {
  return url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
}

/** Path and query whole, each value of the query, and what of the path is no word: those may be a key. */
function secretParts(url: URL): readonly string[] {
  const whole = `${url.pathname}${url.search}`
  const values = [...url.searchParams.values()].filter((value) => value.length >= 8)
  const segments = url.pathname.split('/').filter((part) => part.length >= 20 || (part.length >= 16 && /[0-9]/.test(part)))
  return [...(whole.length > 8 ? [whole] : []), ...values, ...segments]
}
