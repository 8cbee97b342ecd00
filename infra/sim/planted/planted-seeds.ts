import { readFileSync, writeFileSync } from 'node:fs'
import * as z from 'zod/mini'

const file = new URL('./planted-seeds.json', import.meta.url)
const PlantedSeeds = z.record(z.string(), z.int().check(z.minimum(1)))

/** The first seed at which each planted bug was noticed, by its name: what `npm run sim -- --planted --write` found last. */
export function readPlantedSeeds(): ReadonlyMap<string, number> {
  return new Map(Object.entries(z.parse(PlantedSeeds, JSON.parse(readFileSync(file, 'utf8')))))
}

export function keepPlantedSeeds(seeds: ReadonlyMap<string, number>): void {
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(seeds), undefined, 2)}\n`)
}
