import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import type { FunctionKernel, Kernel } from '#shared/runtime/kernel.ts'
import { type CarryOutPorts, carryOut } from '#shared/safety/carry-out.ts'
import type { Guard } from '#shared/safety/guard.ts'
import type { Journal } from '#shared/safety/journal.ts'
import type { Ledger } from '#shared/safety/ledger.ts'
import { settleOpen } from '#shared/safety/settle-open.ts'
import type { Store } from '#shared/safety/store.ts'
import type { Sabotage } from '../sabotage.ts'

interface Parts {
  readonly ledger: Ledger
  readonly guard: Guard
  readonly journal: Journal
}

/** A part of which some methods are others. */
export function replaced<Part extends object>(part: Part, changes: Partial<Part>): Part {
  return new Proxy(part, {
    get: (target, name): unknown => {
      const own: unknown = Reflect.get(changes, name)
      if (own !== undefined) return own
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** A kernel with other parts in it; what they work together stays the product's own. */
export function withParts(
  change: (
    parts: Parts,
    facts: { readonly kernel: Kernel; readonly name: Parameters<Kernel['of']>[0]; readonly owner: string },
  ) => Partial<Parts>,
  ports: Partial<Pick<CarryOutPorts<never>, 'remainingMs'>> = {},
): Sabotage {
  return withKernel((plain, facts) => {
    const { ledger, guard, journal } = { ...plain, ...change(plain, facts) }
    const { name, owner, kernel } = facts
    const own = { function: name, owner, ledger, guard, journal, now: kernel.now }
    return {
      ledger,
      guard,
      journal,
      carryOut: (step, given) => carryOut(step, { ...given, ...own, ...ports }),
      settleOpen: (given) => settleOpen({ ...given, ...own }),
    }
  })
}

/** A kernel of which a function gets something else. */
export function withKernel(
  change: (
    plain: FunctionKernel,
    facts: { readonly kernel: Kernel; readonly name: Parameters<Kernel['of']>[0]; readonly owner: string },
  ) => FunctionKernel,
): Sabotage {
  return { kernel: (kernel) => ({ ...kernel, of: (name, owner) => change(kernel.of(name, owner), { kernel, name, owner }) }) }
}

export function withGuard(change: (guard: Guard) => Partial<Guard>): Sabotage {
  return withParts(({ guard }) => ({ guard: { ...guard, ...change(guard) } }))
}

export function withLedger(change: (ledger: Ledger) => Partial<Ledger>): Sabotage {
  return withParts(({ ledger }) => ({ ledger: replaced(ledger, change(ledger)) }))
}

export function withJournal(change: (journal: Journal) => Partial<Journal>): Sabotage {
  return withParts(({ journal }) => ({ journal: replaced(journal, change(journal)) }))
}

export function withStore(change: (store: Store) => Partial<Store>): Sabotage {
  return { store: (store) => ({ ...store, ...change(store) }) }
}

/** Makes one call, in another way. */
export type OtherCall = <A extends Action>(
  cloud: CloudWriter,
  action: A,
  request: RequestOf<A>,
  options: SendOptions | undefined,
) => Promise<ResponseOf<A>>

/** A client that makes its writing calls, its reading ones or both in another way. */
export function withCalls(cloud: CloudWriter, other: { readonly read?: OtherCall; readonly write?: OtherCall }): CloudWriter {
  return {
    send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
      const call = action.effect === 'read' ? other.read : other.write
      return call === undefined ? await cloud.send(action, request, options) : await call(cloud, action, request, options)
    },
  }
}

/** A text of a request or an answer changed, in a copy. */
export function rewritten<Message>(message: Message, field: string, rewrite: (text: string) => string): Message {
  const copy = structuredClone(message)
  if (typeof copy !== 'object' || copy === null) return copy
  const text: unknown = Reflect.get(copy, field)
  if (typeof text === 'string') Reflect.set(copy, field, rewrite(text))
  return copy
}

/** What is said in a request for a cluster: its method and path; undefined for any other request. */
export function forwardedIn(request: unknown): { readonly method: string; readonly path: string } | undefined {
  if (typeof request !== 'object' || request === null) return undefined
  const [method, path]: readonly unknown[] = [Reflect.get(request, 'Method'), Reflect.get(request, 'Path')]
  return typeof method === 'string' && typeof path === 'string' ? { method, path } : undefined
}
