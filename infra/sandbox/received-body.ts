import type { IncomingMessage } from 'node:http'

/**
 * The body of a request, or `too-large` as soon as it is longer than allowed; the rest is then not read. Throws when the
 * client goes away in the middle.
 */
export function receiveBody(request: IncomingMessage, limitBytes: number): Promise<Buffer | 'too-large'> {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) {
    return Promise.resolve('too-large')
  }
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let size = 0
    request.on('data', (part: Buffer) => {
      size += part.length
      if (size > limitBytes) {
        request.pause()
        resolve('too-large')
        return
      }
      parts.push(part)
    })
    request.on('end', () => resolve(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)))
    request.on('error', reject)
    request.on('close', () => reject(new Error('the client went away before its request was complete')))
  })
}
