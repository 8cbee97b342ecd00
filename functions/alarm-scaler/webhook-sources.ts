import type { Result } from '#shared/pure/result.ts'
import { isOneOf } from '#shared/runtime/constant-time.ts'
import { carriesBasic, carriesSecret } from '#shared/runtime/header-secret.ts'
import { verifyStandardWebhook } from '#shared/runtime/standard-webhooks.ts'
import type { AuthenticateContext, WebhookContent, WebhookRequest, WebhookSource } from '#shared/runtime/webhook-definition.ts'
import { suggestionApprovals } from './approval-source.ts'
import { type AlarmReading, contentOf } from './source-reading.ts'
import type { SourceSettings, Sources } from './source-settings.ts'
import { readAlertmanager } from './sources/alertmanager.ts'
import { readCloudWatch } from './sources/cloudwatch.ts'
import { isSigned, readGrafana } from './sources/grafana.ts'
import { readSigned } from './sources/signed.ts'
import { answerTo, codeAnswer, readTencentMonitor } from './sources/tencent-monitor.ts'

/** The part of the settings that says who may send what. */
export interface SenderSettings {
  readonly sources: Sources
  /** Zone of times without one, of sources that have none of their own. */
  readonly timeZone: string
  /** Without it nobody can approve by a link. */
  readonly approval?: { readonly secret: string } | undefined
}

type Request = Pick<WebhookRequest, 'body' | 'headers'>

/** Every configured source at its own address, and the page for approvals where links can be signed. */
export function sourcesOf({ sources, timeZone, approval }: SenderSettings): readonly WebhookSource[] {
  const pages = approval === undefined ? [] : [suggestionApprovals(approval.secret)]
  return [...Object.entries(sources).map(([name, source]) => sourceOf(name, source, timeZone)), ...pages]
}

/**
 * What a request would come to if it were genuine: for trying out an event without a secret. Undefined when no configured source has the
 * address; links for approvals are none, for they are nothing without their seal. `now` is when it is received.
 */
export function contentOfRequest(
  { sources, timeZone }: SenderSettings,
  { path, body, headers }: { readonly path: string } & Request,
  now: number,
): { readonly source: string; readonly content: WebhookContent } | undefined {
  const name = /^\/hooks\/alarm-scaler\/([a-z0-9-]+)(?:\/[^/]+)?$/.exec(path)?.[1] ?? ''
  const settings = Object.hasOwn(sources, name) ? sources[name] : undefined
  if (settings === undefined) return undefined
  return { source: name, content: sourceOf(name, settings, timeZone).parse({ body, headers, params: {}, query: '' }, { now }) }
}

/** A source of the settings as the runtime opens it. */
function sourceOf(name: string, settings: SourceSettings, timeZone: string): WebhookSource {
  const common = {
    name,
    path: `/hooks/alarm-scaler/${name}${settings.kind === 'tencent-monitor' ? '/{secret}' : ''}`,
    secrets: referencesOf(settings),
    authenticate: (request: WebhookRequest, context: AuthenticateContext) => (isGenuine(settings, request, context) ? 'ok' : 'denied'),
    parse: (request: WebhookRequest, { now }: { readonly now: number }): WebhookContent => {
      const reading = readFrom(settings, request, name, timeZone)
      return reading.ok ? contentOf(name, reading.value, request.body, now) : { ok: false, why: reading.error }
    },
  } as const
  if (settings.kind !== 'tencent-monitor') return common
  const codeIn = ({ secrets }: AuthenticateContext): string | undefined =>
    settings.verification === undefined ? undefined : secrets.at(-1)
  return {
    ...common,
    answers: {
      taken: (request, context) => answerTo(request, codeIn(context)),
      check: (_request, context) => {
        const code = codeIn(context)
        return code === undefined ? undefined : codeAnswer(code)
      },
    },
  }
}

function readFrom(settings: SourceSettings, request: Request, name: string, timeZone: string): Result<AlarmReading, string> {
  switch (settings.kind) {
    case 'tencent-monitor':
      return readTencentMonitor(request, { name, settings, timeZone: settings.timeZone ?? timeZone })
    case 'alertmanager':
      return readAlertmanager(request, { name, settings, timeZone })
    case 'grafana':
      return readGrafana(request, { name, settings, timeZone })
    case 'cloudwatch':
      return readCloudWatch(request, { name, settings, timeZone })
    case 'signed':
      return readSigned(request, { name, settings, timeZone })
  }
}

/** All that a source is told by, in the order in which `isGenuine` takes it apart again. Without what lets anybody in there is no route. */
function referencesOf(settings: SourceSettings): readonly string[] {
  switch (settings.kind) {
    case 'tencent-monitor': {
      const { secrets, basic, verification } = settings
      return secrets.length === 0 ? [] : [...secrets, ...basic, ...(verification === undefined ? [] : [verification])]
    }
    case 'grafana':
      return [...settings.secrets, ...(settings.hmac?.secrets ?? [])]
    case 'alertmanager':
    case 'cloudwatch':
    case 'signed':
      return settings.secrets
  }
}

function isGenuine(settings: SourceSettings, request: WebhookRequest, { secrets, now }: AuthenticateContext): boolean {
  switch (settings.kind) {
    case 'tencent-monitor': {
      const { length } = settings.secrets
      const isPath = isOneOf(request.params.secret ?? '', secrets.slice(0, length))
      const isBasic = settings.basic.length === 0 || carriesBasic(request, secrets.slice(length, length + settings.basic.length))
      return isPath && isBasic
    }
    case 'alertmanager':
    case 'cloudwatch':
      return isInHeader(settings.header, request, secrets)
    case 'grafana': {
      const { secrets: own, header, hmac } = settings
      const isNamed = own.length === 0 || isInHeader(header, request, secrets.slice(0, own.length))
      return isNamed && (hmac === undefined || isSigned(request, hmac, secrets.slice(own.length), now))
    }
    case 'signed':
      return verifyStandardWebhook(request, { secrets, now }).ok
  }
}

/** A secret in a header, or one that is `user:password` as HTTP Basic has it: what senders can be given. */
function isInHeader(header: string, request: WebhookRequest, secrets: readonly string[]): boolean {
  return carriesSecret(request, header, secrets) || (header.toLowerCase() === 'authorization' && carriesBasic(request, secrets))
}
