import { simFunctions } from './scenario.ts'

/** The worlds that there are: of each function by itself, and a week of all five in one. */
export const simWorlds = [...simFunctions, 'week'] as const
export type SimWorld = (typeof simWorlds)[number]
