import { problemOf } from './polling.ts'

/** What can be ordered from the page, with what the API wants to know. */
export type Order =
  | { readonly path: '/api/switch'; readonly body: { readonly state: 'run' | 'stop' } }
  | { readonly path: '/api/dead-letters/order'; readonly body: { readonly id: string; readonly do: 'retry' | 'discard' } }
  | { readonly path: '/api/leases/release'; readonly body: { readonly id: string } }

export type OrderAnswer =
  | { readonly kind: 'done'; readonly text: string }
  /** It was not done, and why. `isTokenWrong`: with another token it might be. */
  | { readonly kind: 'refused'; readonly text: string; readonly isTokenWrong: boolean }
  /** Nobody answered: it may have been done. */
  | { readonly kind: 'unanswered' }

/** Sends an order with the token of whoever gives it. It is sent once: what becomes of a lost answer is for a person to look at. */
export async function sendOrder(
  order: Order,
  who: { readonly by: string; readonly reason: string; readonly token: string },
  send: (path: string, init: RequestInit) => Promise<Response>,
): Promise<OrderAnswer> {
  const body = { ...order.body, by: who.by, ...(order.path === '/api/switch' ? { reason: who.reason } : {}) }
  let status: number
  let text: string
  try {
    const response = await send(order.path, {
      method: 'POST',
      headers: { authorization: `Bearer ${who.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    })
    status = response.status
    text = await response.text()
  } catch {
    // Refused, cut off or too late: nothing is known.
    return { kind: 'unanswered' }
  }
  const answer = parsed(text)
  if (status === 200 && typeof answer === 'object' && answer !== null && 'done' in answer && 'text' in answer) {
    const said = String(answer.text)
    return answer.done === true ? { kind: 'done', text: said } : { kind: 'refused', text: said, isTokenWrong: false }
  }
  return { kind: 'refused', text: problemOf(answer)?.text ?? `HTTP ${status}`, isTokenWrong: status === 401 || status === 403 }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
