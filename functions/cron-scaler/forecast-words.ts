/** `1 node`, `12 cores`, `unlimited`, `unknown`. */
export function amountText(amount: number | 'unlimited' | undefined, unit: string): string {
  if (amount === undefined) return 'unknown'
  if (amount === 'unlimited') return amount
  const one = unit.replace(/addresses$/, 'address').replace(/([^s])s$/, '$1')
  return `${amount.toLocaleString('en-US')} ${amount === 1 ? one : unit}`
}
