/** The facts of the platform's API manual, as `catalog.json` holds them: names, types, flags and numbers, no prose. */
export interface Catalog {
  readonly [service: string]: CatalogService
}

export interface CatalogService {
  readonly version: string
  readonly actions: { readonly [name: string]: CatalogAction }
  readonly structures: { readonly [name: string]: { readonly fields: readonly CatalogField[] } }
  readonly errorCodes: readonly string[]
}

export interface CatalogAction {
  readonly host: string
  readonly rateLimitPerSecond: number
  readonly camAuthorized: boolean
  readonly regionUsed: boolean
  readonly input: readonly CatalogField[]
  readonly output: readonly CatalogField[]
  readonly errors: readonly string[]
}

export interface CatalogField {
  readonly name: string
  readonly type: string
  readonly required?: boolean
  readonly nullable?: boolean
  readonly hidden?: boolean
}

/** Spells a catalog name the way its file is named: `DescribeClusterAsGroups` -> `describe-cluster-as-groups`, `CheckClusterCIDR` -> `check-cluster-cidr`. */
export function kebab(name: string): string {
  return name
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
}
