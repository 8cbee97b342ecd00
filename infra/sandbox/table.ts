import type { Action } from '#cloud/action.ts'
import type { Actions } from '#cloud/generated/actions.ts'
import type { NotModelled, Reducer, ReducerContext } from './reducer.ts'
import { tcrTable } from './tcr/table.ts'
import { tkeTable } from './tke/table.ts'

/** Every action of both services. One that is missing fails the type check; one left out on purpose says why. */
export const table = { tcr: tcrTable, tke: tkeTable } satisfies {
  [Service in keyof Actions]: { [Name in keyof Actions[Service]]: Reducer<Extract<Actions[Service][Name], Action>> | NotModelled }
}

/**
 * A reducer whose request type is not known. Declared as a method, whose parameters the compiler compares both ways, so
 * that every reducer is one: `checkRequest` has checked the request against the literal that the type was made from.
 */
interface AnyReducer {
  reduce(request: object, context: ReducerContext): object | Promise<object>
}

const reducers: { readonly [service: string]: { readonly [name: string]: AnyReducer['reduce'] | NotModelled } } = table

/** What carries an action out, or why nothing does. */
export function reducerOf(service: string, name: string): AnyReducer['reduce'] | NotModelled {
  return reducers[service]?.[name] ?? { notModelled: `The sandbox has no entry for ${service}.${name}.` }
}
