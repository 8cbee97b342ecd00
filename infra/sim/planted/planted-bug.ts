import type { CheckName } from '../check/checks.ts'
import type { Sabotage } from '../sabotage.ts'
import type { SimFunction } from '../scenario.ts'

/** A mistake that somebody might make in the product, put into it to see that it is noticed. */
export interface PlantedBug {
  readonly name: string
  readonly function: SimFunction
  /** The checks that all have to notice it in one world. */
  readonly noticedBy: readonly CheckName[]
  /** Made anew for each world. */
  readonly sabotage: () => Sabotage
}
