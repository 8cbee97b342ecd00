import * as z from 'zod/mini'
import { isOneOf } from '#shared/runtime/constant-time.ts'
import { verifyStandardWebhook } from '#shared/runtime/standard-webhooks.ts'
import type { WebhookContent, WebhookDefinition, WebhookRequest } from '#shared/runtime/webhook-definition.ts'

export const HookSettings = z.strictObject({
  header: z.optional(z.array(z.string())),
  signed: z.optional(z.array(z.string())),
  path: z.optional(z.array(z.string())),
})
export type HookSettings = z.infer<typeof HookSettings>

const Body = z.strictObject({
  events: z.array(z.strictObject({ id: z.string(), group: z.optional(z.string()), payload: z.optional(z.unknown()) })),
})

/** The smallest function with webhooks: a fixed header, a signed source, and one whose secret stands in its path. */
export function hookDefinition(seen: { parsed: number } = { parsed: 0 }): WebhookDefinition<HookSettings> {
  const parse = ({ body }: WebhookRequest): WebhookContent => {
    seen.parsed += 1
    let value: unknown
    try {
      value = JSON.parse(body.toString())
    } catch {
      return { ok: false, why: 'the body must be JSON' }
    }
    const parsed = z.safeParse(Body, value)
    if (!parsed.success) return { ok: false, why: 'the body must hold events' }
    return {
      ok: true,
      events: parsed.data.events.map(({ id, group, payload }) => ({ id, group: group ?? id, payload: payload ?? { id } })),
    }
  }
  return {
    name: 'redeploy-hook',
    settings: HookSettings,
    sources: ({ settings }) => [
      {
        name: 'header',
        path: '/hooks/redeploy-hook/header',
        secrets: settings.header ?? [],
        authenticate: ({ headers }, { secrets }) => (isOneOf(headers['x-token'] ?? '', secrets) ? 'ok' : 'denied'),
        parse,
      },
      {
        name: 'signed',
        path: '/hooks/redeploy-hook/signed',
        secrets: settings.signed ?? [],
        authenticate: (request, { secrets, now }) => (verifyStandardWebhook(request, { secrets, now }).ok ? 'ok' : 'denied'),
        parse,
      },
      {
        name: 'path',
        path: '/hooks/redeploy-hook/path/{token}',
        secrets: settings.path ?? [],
        authenticate: ({ params }, { secrets }) => (isOneOf(params.token ?? '', secrets) ? 'ok' : 'denied'),
        parse,
      },
    ],
  }
}
