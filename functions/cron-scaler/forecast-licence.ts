import { freeCores, type Headroom } from '#shared/licence/headroom.ts'
import type { Need } from './forecast-needs.ts'

/** Older figures than this say nothing about now: the meter measures every hour. */
const mostAgeMs = 3 * 3_600_000

/** Cores that one cluster will need beside those that it has. */
export interface NewCores {
  readonly id: string
  readonly cores: number
  readonly nodes: number
}

/** Says what the licence of a region leaves for further nodes, by what license-meter last measured. */
export function licenceNeed(headroom: Headroom | undefined, region: string, nowMs: number): (clusters: readonly NewCores[]) => Need {
  const { free, why } = freeIn(headroom, region, nowMs)
  return (clusters) => {
    const need = clusters.reduce((sum, { cores }) => sum + cores, 0)
    const nodes = clusters.reduce((sum, one) => sum + one.nodes, 0)
    const grown = clusters.filter(({ cores }) => cores > 0).map(({ id, cores, nodes: own }) => `${id} ${cores} (${own} nodes)`)
    const which = grown.length === 0 ? 'no further node is needed' : `for ${nodes} further nodes: ${grown.join(', ')}`
    const short = free === undefined || free === 'unlimited' ? 0 : Math.max(0, need - free)
    return { need, have: free, short, unit: 'cores', text: `${which}; ${why}` }
  }
}

function freeIn(
  headroom: Headroom | undefined,
  region: string,
  nowMs: number,
): { readonly free: number | 'unlimited' | undefined; readonly why: string } {
  const own = headroom?.regions[region]
  const atMs = Date.parse(own?.at ?? '')
  if (own === undefined || Number.isNaN(atMs)) {
    return { free: undefined, why: `license-meter has measured nothing in ${region}, so nobody knows what the licence leaves` }
  }
  if (nowMs - atMs > mostAgeMs) {
    return { free: undefined, why: `license-meter last measured ${region} at ${own.at}, more than 3 hours ago: see why it does not run` }
  }
  const free = freeCores(headroom, region)
  if (free === 'unlimited') return { free, why: 'the licence is unlimited' }
  if (free === 'unknown')
    return { free: undefined, why: `license-meter cannot tell what is free in ${region}: see \`longshore license headroom\`` }
  return { free, why: `the licence leaves ${free} cores in ${region}, by what was measured at ${own.at}` }
}
