import { createHash, createHmac } from 'node:crypto'
import type { AwsKeys } from './channel.ts'

export interface AwsRequest {
  readonly method: 'GET' | 'POST'
  /** With its port, where that is not the protocol's own. */
  readonly host: string
  /** Without a query; every segment encoded already. */
  readonly path: string
  /** Names in lower case; all of them are signed. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly service: string
  readonly region: string
  readonly keys: AwsKeys
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * The headers that sign a request to AWS: Signature Version 4, for requests without a query. Sources: the rules and the test suite
 * that AWS publishes. Node has no client of AWS, and that of the Lambda runtime takes longer to load than this takes to send.
 */
export function signAws(request: AwsRequest): Readonly<Record<string, string>> {
  const { method, host, path, body, service, region, keys, now } = request
  const time = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const date = time.slice(0, 8)
  const own = { 'x-amz-date': time, ...(keys.sessionToken === undefined ? {} : { 'x-amz-security-token': keys.sessionToken }) }
  const signed = Object.entries({ ...request.headers, ...own, host }).toSorted(([left], [right]) => (left < right ? -1 : 1))
  const names = signed.map(([name]) => name).join(';')
  const canonical = [
    method,
    path,
    '',
    ...signed.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, ' ')}`),
    '',
    names,
    sha256(body),
  ].join('\n')
  const scope = `${date}/${region}/${service}/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = [date, region, service, 'aws4_request'].reduce<Buffer | string>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${keys.secretAccessKey}`,
  )
  const signature = createHmac('sha256', key).update(toSign).digest('hex')
  return {
    ...own,
    authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
