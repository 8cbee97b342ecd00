import type { CheckName } from '../check/checks.ts'
import type { Sabotage } from '../sabotage.ts'
import type { SimWorld } from '../sim-world.ts'

/** A mistake that somebody might make in the product, put into it to see that it is noticed. */
export interface PlantedBug {
  readonly name: string
  readonly function: SimWorld
  /** The checks that all have to notice it in one world. */
  readonly noticedBy: readonly CheckName[]
  /** Of one in a week: how many days that has; seven when absent. */
  readonly days?: number
  /** Made anew for each world. */
  readonly sabotage: () => Sabotage
}
