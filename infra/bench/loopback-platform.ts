import { createServer } from 'node:net'

/**
 * The bench's platform: a process of its own that answers every HTTP request on a loopback port with the same small response,
 * as fast as a single thread can. Started by start-platform.ts; tells its parent the port, ends with it.
 *
 * It reads requests by hand: with Node's HTTP server it would be the slower end and the clients would all look alike.
 */
const body = JSON.stringify({ Response: { TotalCount: 0, Clusters: [], RequestId: 'b5b41468-520d-4192-b42f-595cc34b6c1c' } })
const headEnd = Buffer.from('\r\n\r\n')

let dateSecond = 0
let answer = Buffer.alloc(0)

/** With the Date that a platform sends, renewed each second. */
function currentAnswer(): Buffer {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    const head = [
      'HTTP/1.1 200 OK',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      `Date: ${new Date(second * 1000).toUTCString()}`,
    ]
    answer = Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
  }
  return answer
}

const server = createServer({ noDelay: true }, (socket) => {
  let pending: Buffer | undefined
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    let data = pending === undefined ? chunk : Buffer.concat([pending, chunk])
    for (;;) {
      const end = data.indexOf(headEnd)
      if (end === -1) break
      const length = Number(/\r\ncontent-length: *([0-9]+)/i.exec(data.toString('latin1', 0, end))?.[1] ?? 0)
      const whole = end + 4 + length
      if (data.length < whole) break
      socket.write(currentAnswer())
      data = data.subarray(whole)
    }
    pending = data.length === 0 ? undefined : data
  })
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.({ port: typeof address === 'object' ? address?.port : undefined })
})
process.on('disconnect', () => process.exit())
