import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export interface AwsQuestion {
  readonly method: string
  readonly path: string
  readonly host: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly service: string
  readonly region: string
}

const toleranceMs = 15 * 60_000

/** Why a request is not signed by the holder of these keys, in AWS's own codes; undefined when it is. Signature Version 4, without a query. */
export function awsDoubt(
  question: AwsQuestion,
  keys: { readonly accessKeyId: string; readonly secretAccessKey: string },
): 'MissingAuthenticationToken' | 'IncompleteSignature' | 'InvalidClientTokenId' | 'RequestExpired' | 'SignatureDoesNotMatch' | undefined {
  const { headers, service, region } = question
  const { authorization } = headers
  if (authorization === undefined) return 'MissingAuthenticationToken'
  const [, id = '', date = '', itsRegion = '', itsService = '', names = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? []
  if (signature === '') return 'IncompleteSignature'
  if (id !== keys.accessKeyId) return 'InvalidClientTokenId'
  const stamp = String(headers['x-amz-date'] ?? '')
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp) ?? []
  const sentAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (!(Math.abs(sentAt - question.at) <= toleranceMs)) return 'RequestExpired'
  const signed = names.split(';')
  if (
    date !== stamp.slice(0, 8) ||
    itsRegion !== region ||
    itsService !== service ||
    !signed.includes('host') ||
    !signed.includes('x-amz-date')
  ) {
    return 'SignatureDoesNotMatch'
  }
  let canonical = `${question.method}\n${question.path}\n\n`
  for (const name of signed) canonical += `${name}:${String(headers[name] ?? '').trim()}\n`
  canonical += `\n${names}\n${createHash('sha256').update(question.body, 'utf8').digest('hex')}`
  const text = `AWS4-HMAC-SHA256\n${stamp}\n${date}/${region}/${service}/aws4_request\n${createHash('sha256').update(canonical, 'utf8').digest('hex')}`
  let key = Buffer.from(`AWS4${keys.secretAccessKey}`, 'utf8')
  for (const part of [date, region, service, 'aws4_request']) key = createHmac('sha256', key).update(part, 'utf8').digest()
  const expected = createHmac('sha256', key).update(text, 'utf8').digest()
  return timingSafeEqual(expected, Buffer.from(signature, 'hex')) ? undefined : 'SignatureDoesNotMatch'
}
