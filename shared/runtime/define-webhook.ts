import middy from '@middy/core'
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import { createInbox } from '#shared/safety/inbox.ts'
import { type EventSurroundings, realSurroundings } from './event-surroundings.ts'
import { createLog } from './log.ts'
import { loadOwnConfig } from './own-config.ts'
import { lambdaContext, type PlatformContext } from './platform-context.ts'
import { createRedactor } from './redact.ts'
import { once } from './surroundings.ts'
import type { WebhookDefinition } from './webhook-definition.ts'
import { answerFailure, createWebhookDesk, unavailable } from './webhook-desk.ts'
import { parseHttpEvent } from './webhook-event.ts'

/** A handler for HTTP triggers, with the definition it was made from. */
export interface WebhookHandler<Settings> {
  (event: unknown, context?: PlatformContext): Promise<APIGatewayProxyStructuredResultV2>
  readonly definition: WebhookDefinition<Settings>
}

/** Time before the platform's own limit at which the request is turned away, so that the sender tries again. */
const timeoutEarlyMs = 500

/**
 * Makes a handler that takes in webhooks. In this order:
 *
 * - no such route, or a source without a secret: 404. Routes take POST only, but for those of a source with pages or with answers of its
 *   own, which take GET.
 * - a body of more than 256 KiB, or an event of more than that: 413
 * - the source denies that it is the sender's: 401, always the same one. Nothing has been parsed.
 * - a GET: the source's page, or what its sender checks the address by, and that is all. What follows is for POST.
 * - the source cannot read it: 400; it came too late: 410
 * - the events are written to the inbox: 202 with their ids, once all of them are durable. A repeated delivery gets the answer of the
 *   first, byte for byte, as long as the inbox remembers it. A source may answer in its sender's own form, with 200.
 * - the store, the configuration or a secret cannot be reached, or all of this has taken a second: 503, so that the sender sends
 *   it again. The first request of a process also waits for the store to be opened, which comes before that second.
 *
 * Whoever works on the events is nudged before the answer; that may fail without harm. Nothing is done about them here.
 */
export function defineWebhook<Settings>(
  definition: WebhookDefinition<Settings>,
  surroundings: Partial<EventSurroundings> = {},
): WebhookHandler<Settings> {
  const around: EventSurroundings = { ...realSurroundings, ...surroundings }
  const redactor = createRedactor()
  const log = createLog({ write: around.writeLine, redactor }).with({ function: definition.name })
  const start = once(async () => {
    const env = around.environment()
    const { whole: config, own } = await loadOwnConfig(definition, { env, beside: around.compiledConfig })
    const sources = definition.sources(own)
    const store = await around.openStore(config)
    return createWebhookDesk({
      function: definition.name,
      sources,
      inbox: createInbox(store, { function: definition.name }),
      resolve: around.resolver(env),
      redactor,
      nudge: around.createNudge(env),
      clock: around.clock,
      log,
    })
  })
  const chain = middy<unknown, APIGatewayProxyStructuredResultV2>({
    timeoutEarlyInMillis: timeoutEarlyMs,
    timeoutEarlyResponse: () => {
      log.write('error', 'webhook-failed', { code: 'webhook.out-of-time' })
      return unavailable
    },
  }).handler(async (event) => {
    // What is not even a request is rejected: there is nobody to answer.
    const request = parseHttpEvent(event)
    try {
      const desk = await start()
      return await desk.answer(request)
    } catch (error) {
      return answerFailure(error, log)
    }
  })
  return Object.assign(
    async (event: unknown, context: PlatformContext = {}) => await chain(event, lambdaContext(definition.name, context)),
    { definition },
  )
}
