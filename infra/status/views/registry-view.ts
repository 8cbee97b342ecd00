import { compareTexts } from '#shared/pure/compare-texts.ts'
import type { RegistryView } from '../api-schemas.ts'
import type { StatusSources } from '../status-sources.ts'

/** How much the registry keeps, and how much removals have given back. A content counts once, in all repositories together, too. */
export async function registryView({ registry }: Pick<StatusSources, 'registry'>): Promise<RegistryView> {
  const { listing, freed, problem } = await registry.look()
  const repositories = listing?.repositories ?? new Map()
  const names = [...new Set([...repositories.keys(), ...freed.keys()])].sort(compareTexts)
  const rows = names.map((repository) => {
    const kept = listing?.repositories.get(repository)
    const gone = freed.get(repository)
    return {
      repository,
      keptTags: kept?.tags ?? 0,
      keptBytes: kept?.bytes ?? 0,
      freedTags: gone?.tags ?? 0,
      freedBytes: gone?.bytes ?? 0,
      quarantinedTags: listing?.quarantined.get(repository) ?? 0,
    }
  })
  const contents = new Map([...(listing?.repositories.values() ?? [])].flatMap((space) => [...space.contents]))
  return {
    ...(listing === undefined ? {} : { at: new Date(listing.atMs).toISOString() }),
    keptBytes: total([...contents.values()]),
    keptTags: total(rows.map(({ keptTags }) => keptTags)),
    freedBytes: total(rows.map(({ freedBytes }) => freedBytes)),
    freedTags: total(rows.map(({ freedTags }) => freedTags)),
    repositories: rows,
    ...(problem === undefined ? {} : { problem }),
  }
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
