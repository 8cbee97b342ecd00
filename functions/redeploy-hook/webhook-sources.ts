import { isOneOf } from '#shared/runtime/constant-time.ts'
import { carriesSecret } from '#shared/runtime/header-secret.ts'
import { verifyStandardWebhook } from '#shared/runtime/standard-webhooks.ts'
import type { WebhookContent, WebhookRequest, WebhookSource } from '#shared/runtime/webhook-definition.ts'
import { deployApprovals } from './approval-source.ts'
import { contentOf, type ReadSource } from './source-reading.ts'
import type { SourceKind, SourceSettings, Sources } from './source-settings.ts'
import { readDistribution } from './sources/distribution.ts'
import { readDockerHub } from './sources/docker-hub.ts'
import { readHarbor } from './sources/harbor.ts'
import { readSigned } from './sources/signed.ts'
import { readTcrEnterprise } from './sources/tcr-enterprise.ts'

/** What reads the bodies of each kind of source. */
export const readers: Readonly<Record<SourceKind, ReadSource>> = {
  distribution: readDistribution,
  harbor: readHarbor,
  'tcr-enterprise': readTcrEnterprise,
  'docker-hub': readDockerHub,
  signed: readSigned,
}

/** The part of the settings that says who may send what. */
export interface SenderSettings {
  readonly sources: Sources
  /** Without it nobody can approve by a link. */
  readonly approval?: { readonly secret: string } | undefined
}

/** Every configured source at its own address, and the page for approvals where links can be signed. */
export function sourcesOf({ sources, approval }: SenderSettings): readonly WebhookSource[] {
  const pages = approval === undefined ? [] : [deployApprovals(approval.secret)]
  return [...Object.entries(sources).map(([name, source]) => sourceOf(name, source)), ...pages]
}

/**
 * What a request would come to if it were genuine: for trying out an event without a secret. Undefined when no configured source has the
 * address; links for approvals are none, for they are nothing without their seal.
 */
export function contentOfRequest(
  { sources }: SenderSettings,
  { path, body, headers }: { readonly path: string } & Pick<WebhookRequest, 'body' | 'headers'>,
): { readonly source: string; readonly content: WebhookContent } | undefined {
  const name = /^\/hooks\/redeploy-hook\/([a-z0-9-]+)(?:\/[^/]+)?$/.exec(path)?.[1] ?? ''
  const settings = Object.hasOwn(sources, name) ? sources[name] : undefined
  if (settings === undefined) return undefined
  return { source: name, content: sourceOf(name, settings).parse({ body, headers, params: {}, query: '' }, { now: 0 }) }
}

/** A source of the settings as the runtime opens it. */
function sourceOf(name: string, settings: SourceSettings): WebhookSource {
  const read = readers[settings.kind]
  return {
    name,
    path: `/hooks/redeploy-hook/${name}${settings.kind === 'docker-hub' ? '/{secret}' : ''}`,
    secrets: settings.secrets,
    authenticate: authenticatorOf(settings),
    parse: ({ body, headers }) => {
      const reading = read(body, headers)
      return reading.ok ? contentOf(name, reading.value) : { ok: false, why: reading.error }
    },
  }
}

function authenticatorOf(settings: SourceSettings): WebhookSource['authenticate'] {
  switch (settings.kind) {
    case 'signed':
      return (request, { secrets, now }) => (verifyStandardWebhook(request, { secrets, now }).ok ? 'ok' : 'denied')
    case 'docker-hub':
      return ({ params }, { secrets }) => (isOneOf(params.secret ?? '', secrets) ? 'ok' : 'denied')
    case 'distribution':
    case 'harbor':
    case 'tcr-enterprise':
      return (request, { secrets }) => (carriesSecret(request, settings.header, secrets) ? 'ok' : 'denied')
  }
}
