import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { allActions } from '#cloud/generated/all-actions.ts'
import { table } from '#infra/sandbox/table.ts'
import type { Catalog } from './catalog.ts'

/** What of the catalog is typed and what the sandbox models; `missing` and `reasons` explain the difference. */
export interface Coverage {
  readonly total: number
  readonly typed: number
  readonly modelled: number
  /** Catalog actions with neither a literal nor an entry in the sandbox's table: always a mistake. */
  readonly missing: readonly string[]
  /** Actions left out of the sandbox on purpose, with the reason. */
  readonly reasons: readonly { readonly action: string; readonly reason: string }[]
}

/** Counts the catalog's actions against the generated literals and the sandbox's table. */
export function coverageOf(catalog: Catalog): Coverage {
  const missing: string[] = []
  const reasons: { action: string; reason: string }[] = []
  let total = 0
  let typed = 0
  let modelled = 0
  const reducers: { readonly [service: string]: { readonly [name: string]: unknown } } = table
  for (const [service, facts] of Object.entries(catalog)) {
    for (const name of Object.keys(facts.actions)) {
      total += 1
      const action = `${service}.${name}`
      if (allActions[service]?.[name] === undefined) missing.push(`${action} (no literal)`)
      else typed += 1
      const entry = reducers[service]?.[name]
      if (typeof entry === 'function') modelled += 1
      else if (isNotModelled(entry)) reasons.push({ action, reason: entry.notModelled })
      else missing.push(`${action} (not in the sandbox's table)`)
    }
  }
  return { total, typed, modelled, missing, reasons }
}

function isNotModelled(entry: unknown): entry is { readonly notModelled: string } {
  return typeof entry === 'object' && entry !== null && 'notModelled' in entry && typeof entry.notModelled === 'string'
}

if (import.meta.main) {
  const catalog: Catalog = JSON.parse(await readFile(join(import.meta.dirname, 'catalog.json'), 'utf8'))
  const { total, typed, modelled, missing, reasons } = coverageOf(catalog)
  console.log(`${typed}/${total} actions typed, ${modelled}/${total} modelled in the sandbox`)
  for (const { action, reason } of reasons) console.log(`not modelled: ${action}: ${reason}`)
  for (const action of missing) console.error(`missing: ${action}; run \`npm run codegen\`, and give it a reducer in infra/sandbox`)
  if (missing.length > 0) process.exitCode = 1
}
