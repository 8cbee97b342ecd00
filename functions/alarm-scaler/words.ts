/** A figure as people read it: at most four places behind the point. */
export function figure(value: number): string {
  return String(Number(value.toFixed(4)))
}

export function percent(share: number): string {
  return Number.isFinite(share) ? `${Number(share.toFixed(1))} %` : 'more than all'
}

/** `1 node`, `2 nodes`. */
export function count(amount: number, what: string): string {
  return `${amount} ${what}${amount === 1 ? '' : 's'}`
}

export function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}
