import * as z from 'zod/mini'
import { EventError } from './schedule-event.ts'

/** An HTTP request as API Gateway (HTTP API) or a function URL hands it over, payload format 2.0. */
const HttpEvent = z.looseObject({
  version: z.literal('2.0'),
  rawPath: z.string(),
  rawQueryString: z.optional(z.string()),
  headers: z.optional(z.record(z.string(), z.optional(z.string()))),
  body: z.optional(z.string()),
  isBase64Encoded: z.optional(z.boolean()),
  requestContext: z.looseObject({
    http: z.looseObject({ method: z.string() }),
    stage: z.optional(z.string()),
  }),
})

/** A request as it came in. */
export interface HttpRequest {
  readonly method: string
  /** Without the stage of the API. */
  readonly path: string
  readonly query: string
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** How large the body is, at least; known before it is decoded. */
  readonly sizeBytes: number
  readonly body: () => Buffer
}

/** Reads the event of an HTTP trigger. Throws EventError; the message shows nothing of the event. */
export function parseHttpEvent(event: unknown): HttpRequest {
  const parsed = z.safeParse(HttpEvent, event)
  if (!parsed.success) {
    throw new EventError(
      `The event is no HTTP request of API Gateway in payload format 2.0 (${parsed.error.issues[0]?.path.join('.') || 'as a whole'} does not fit). Nothing was done; check the trigger.`,
    )
  }
  const { rawPath, rawQueryString, headers, body = '', isBase64Encoded = false, requestContext } = parsed.data
  const { stage, http } = requestContext
  const prefix = stage === undefined || stage === '$default' ? '' : `/${stage}`
  return {
    method: http.method.toUpperCase(),
    path: prefix !== '' && rawPath.startsWith(`${prefix}/`) ? rawPath.slice(prefix.length) : rawPath,
    query: rawQueryString ?? '',
    headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])),
    sizeBytes: isBase64Encoded ? Math.floor((body.length * 3) / 4) - 2 : Buffer.byteLength(body),
    body: () => Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'),
  }
}
