import type { ServerResponse } from 'node:http'
import type { Reply } from './core.ts'
import type { Fault } from './faults.ts'

/** How a reply goes over the wire. */
export interface SendOptions {
  /** Epoch milliseconds that the Date header shows. */
  readonly dateMs: number
  readonly headers?: Readonly<Record<string, string>>
  /** The fault that ends this call; those that are none of the wire's are ignored. */
  readonly ending?: Fault
  /** Waits; ended by the sandbox's closing. */
  readonly sleep: (ms: number) => Promise<void>
}

/**
 * Writes a reply, or what a fault of the wire leaves of it. A connection that a fault or the client has ended is left
 * alone.
 */
export async function sendReply(response: ServerResponse, reply: Reply, options: SendOptions): Promise<void> {
  const { ending } = options
  if (response.destroyed) {
    return
  }
  if (ending?.kind === 'drop-before' || ending?.kind === 'drop-after') {
    response.socket?.destroy()
    return
  }
  const body = Buffer.from(reply.body, 'utf8')
  response.sendDate = false
  response.writeHead(reply.status, {
    date: new Date(options.dateMs).toUTCString(),
    'content-type': reply.contentType,
    'content-length': body.length,
    ...options.headers,
  })
  const half = Math.floor(body.length / 2)
  if (ending?.kind === 'truncated-body') {
    await written(response, body.subarray(0, half))
    response.socket?.destroy()
    return
  }
  if (ending?.kind === 'slow-body') {
    await written(response, body.subarray(0, half))
    await options.sleep(ending.pauseMs)
    response.end(body.subarray(half))
    return
  }
  response.end(body)
}

/** Writes and waits until the bytes are with the machine, so that destroying the socket does not take them back. */
function written(response: ServerResponse, part: Buffer): Promise<void> {
  return new Promise((resolve) => {
    response.write(part, () => resolve())
  })
}

/** A gateway's page, as stands before every API: HTML, no envelope. */
export function gatewayPage(status: number): Reply {
  const title = `${status} ${status === 502 ? 'Bad Gateway' : status === 503 ? 'Service Unavailable' : status === 504 ? 'Gateway Timeout' : 'Internal Server Error'}`
  return {
    status,
    contentType: 'text/html',
    body: `<html><head><title>${title}</title></head><body><center><h1>${title}</h1></center></body></html>`,
  }
}
