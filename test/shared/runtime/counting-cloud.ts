import { createServer } from 'node:http'
import { allActions } from '#cloud/generated/all-actions.ts'

export interface CountingCloud {
  readonly url: string
  /** Every call in its order. What is not known to read counts as a write, and so does what the body of a forward may do. */
  readonly calls: { readonly action: string; readonly effect: 'read' | 'write'; readonly authorization: string }[]
  /** Answers to send instead of the usual ones, by action; taken from the front. */
  readonly failures: Map<string, { readonly Code: string; readonly Message: string }[]>
  close(): Promise<void>
}

/** A platform on a socket that answers two actions and counts everything. It checks no signatures: the sandbox does. */
export async function startCountingCloud(): Promise<CountingCloud> {
  const calls: CountingCloud['calls'] = []
  const failures: CountingCloud['failures'] = new Map()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const action = String(request.headers['x-tc-action'])
      const body = JSON.parse(Buffer.concat(chunks).toString() || '{}') as { Method?: string }
      const known: { effect: string } | undefined = Object.values(allActions)
        .flatMap((service) => Object.values(service))
        .find(({ name }) => name === action)
      const reads = known?.effect === 'read' || (action === 'ForwardRequest' && body.Method === 'GET')
      calls.push({ action, effect: reads ? 'read' : 'write', authorization: String(request.headers.authorization) })
      const failure = failures.get(action)?.shift()
      const RequestId = `request-${calls.length}`
      const answer =
        failure !== undefined
          ? { Error: failure }
          : action === 'DescribeClusters'
            ? { TotalCount: 1, Clusters: [{ ClusterId: 'cls-1' }] }
            : { ResponseBody: '{}' }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ Response: { ...answer, RequestId } }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    calls,
    failures,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
