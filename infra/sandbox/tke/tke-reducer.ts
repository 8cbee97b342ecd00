import type { Actions } from '#cloud/generated/actions.ts'
import type { Reducer } from '../reducer.ts'

/** The reducer of one TKE action, by the action's name. */
export type TkeReducer<Name extends keyof Actions['tke']> = Reducer<Actions['tke'][Name]>
