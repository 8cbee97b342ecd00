import type { Replay, ReplayEntry, ReplayedPool } from './replay-alarms.ts'

/** Rows of a table, and what stands above and below it. */
export interface PoolText {
  readonly title: string
  readonly rows: readonly (readonly string[])[]
  /** What was left out. */
  readonly rest: string
}

export const poolHeading = ['when', 'nodes', 'what', 'why'] as const

/** What became of a pool: when it had how many nodes, and why. At most `show` rows. */
export function poolText(pool: ReplayedPool, show: number): PoolText {
  const { cluster, pool: name, peak, added, removed, addedHours, entries, points } = pool
  const start = points[0]?.nodes ?? 0
  const rows: string[][] = []
  let nodes = start
  for (const entry of entries) {
    nodes += entry.nodes
    if (isTold(entry)) rows.push([new Date(entry.atMs).toISOString(), String(nodes), whatText(entry), entry.text])
  }
  const shown = rows.slice(0, show)
  const end = points.at(-1)?.nodes ?? start
  return {
    title: `${cluster}/${name}: ${start} nodes at the beginning, ${peak} at most, ${end} at the end; ${added} added, ${removed} given back, ${addedHours.toFixed(1)} node-hours`,
    rows: shown,
    rest: rows.length > shown.length ? `… and ${rows.length - shown.length} more; --show ${rows.length} shows all` : '',
  }
}

/** Steps on the way of a lease that change nothing that anybody pays for are left out. */
function isTold({ verdict, kind, nodes }: ReplayEntry): boolean {
  if (verdict !== 'change') return verdict === 'held' || verdict === 'skipped'
  return nodes !== 0 || kind === 'grow' || kind === 'recover' || kind === 'extend' || kind === 'stop-recovery' || kind === 'close'
}

function whatText({ verdict, kind, nodes, code }: ReplayEntry): string {
  if (verdict !== 'change') return `${verdict} (${code})`
  if (nodes !== 0) return `${nodes > 0 ? '+' : ''}${nodes}`
  return `${kind ?? ''} (${code})`
}

/** What kept nodes from being added, and how often. */
export function refusalRows({ refusals }: Replay): readonly (readonly string[])[] {
  return refusals.map(({ code, count, text }) => [code, String(count), text])
}
