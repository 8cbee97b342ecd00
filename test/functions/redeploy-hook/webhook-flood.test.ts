import { createHmac } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { createRandom } from '#infra/sandbox/random.ts'
import { type HookStage, openHookStage, type Sent, secrets, senders, start } from './hook-stage.ts'

const key = Buffer.from(secrets.CI_KEY.slice('whsec_'.length), 'base64')
const genuineCount = 120

let stage: HookStage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

function signed(index: number, { by = key, tag = `1.0.${index}`, atMs = start } = {}): Sent {
  const body = Buffer.from(JSON.stringify({ repository: `team/app-${index % 7}`, tag }))
  const [id, timestamp] = [`msg-${index}`, String(atMs / 1000)]
  const signature = createHmac('sha256', by).update(`${id}.${timestamp}.`).update(body).digest('base64')
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
  return { method: 'POST', path: '/hooks/redeploy-hook/ci', headers, body }
}

function notified(index: number, { tag = `1.0.${index}`, token = String(secrets.REGISTRY_TOKEN), source = 'registry' } = {}): Sent {
  const digest = `sha256:${createHmac('sha256', 'x').update(tag).digest('hex')}`
  const target = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, repository: `team/app-${index % 7}`, tag }
  const event = { id: `event-${index}`, timestamp: new Date(start + index * 1000).toISOString(), action: 'push', target }
  const body = Buffer.from(JSON.stringify({ events: [event] }))
  return { method: 'POST', path: `/hooks/redeploy-hook/${source}`, headers: { authorization: `Bearer ${token}` }, body }
}

const genuine = (index: number): Sent => (index % 2 === 0 ? signed(index) : notified(index))

/** A message that nobody sent who may, and what it has to be answered. */
function forged(kind: number, index: number): { readonly sent: Sent; readonly status: number } {
  const evil = `evil-${index}`
  switch (kind) {
    case 0:
      return { sent: signed(index, { by: Buffer.alloc(32, 1), tag: evil }), status: 401 }
    case 1: {
      const sent = signed(index)
      return { sent: { ...sent, body: Buffer.from(sent.body.toString().replace('1.0.', '9.0.')) }, status: 401 }
    }
    case 2: {
      const sent = signed(index)
      return { sent: { ...sent, headers: { ...sent.headers, 'webhook-id': evil } }, status: 401 }
    }
    case 3:
      return { sent: signed(index, { tag: evil, atMs: start - 600_000 }), status: 401 }
    case 4:
      return { sent: notified(index, { tag: evil, token: 'somebody-else' }), status: 401 }
    case 5:
      return { sent: notified(index, { tag: evil, source: 'ci' }), status: 401 }
    case 6:
      return { sent: { ...signed(index, { tag: evil }), path: '/hooks/redeploy-hook/registry' }, status: 401 }
    default:
      return { sent: notified(index, { tag: evil, source: 'nobody' }), status: 404 }
  }
}

async function flood(seed: number, count: number): Promise<string[]> {
  stage = await openHookStage({ settings: senders })
  const { send } = stage
  const random = createRandom(seed)
  const messages = Array.from({ length: genuineCount }, (_, index) => ({ sent: genuine(index), status: 202 }))
  while (messages.length < count) {
    const index = Math.floor(random() * genuineCount)
    const kind = Math.floor(random() * 10)
    messages.push(kind < 2 ? { sent: genuine(index), status: 202 } : forged(kind - 2, index))
  }
  const shuffled = messages
    .map((message) => ({ message, place: random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ message }) => message)
  const wrong: string[] = []
  const sender = async (): Promise<void> => {
    for (let one = shuffled.pop(); one !== undefined; one = shuffled.pop()) {
      const { status } = await send(one.sent)
      if (status !== one.status)
        wrong.push(`${one.sent.path} ${one.sent.body.toString().slice(0, 100)}: ${status} instead of ${one.status}`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, sender))
  expect(wrong).toEqual([])
  const worked = await stage.worked()
  expect(JSON.stringify(worked)).not.toContain('evil')
  const hints = worked.flatMap(({ payload }) =>
    payload.kind === 'push' ? payload.hints.map(({ repository, tag }) => `${repository}:${tag}`) : [],
  )
  expect(worked).toHaveLength(genuineCount)
  await stage.close()
  stage = undefined
  return hints.toSorted()
}

it('forged, replayed and reordered webhooks come to the events of the genuine pushes, each once, in whatever order they came', async () => {
  const expected = Array.from({ length: genuineCount }, (_, index) => `team/app-${index % 7}:1.0.${index}`).toSorted()
  expect(await flood(1, 1000)).toEqual(expected)
  expect(await flood(2, 1000)).toEqual(expected)
})
