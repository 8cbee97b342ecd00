const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
  Pi: 1024 ** 5,
  Ei: 1024 ** 6,
}

const quantity = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d{1,2})?$/

/**
 * What a resource quantity of Kubernetes comes to: cores, or bytes. Undefined when the text is none. Floating point, so for amounts
 * that are compared and added up, not for money.
 *
 * @example parseQuantity('500m') // 0.5
 * @example parseQuantity('1Gi') // 1073741824
 * @example parseQuantity('1e3') // 1000
 * @example parseQuantity('1 core') // undefined
 */
export function parseQuantity(text: string): number | undefined {
  const parts = quantity.exec(text)
  if (parts === null) return undefined
  const [, number = '', suffix = ''] = parts
  if (/^[eE][+-]?\d/.test(suffix)) return Number(`${number}${suffix}`)
  const factor = factors[suffix]
  if (factor === undefined) return undefined
  // Thousandths are divided: 0.001 has no exact binary form, and 3 of them would not be 0.003.
  return factor < 1 ? Number(number) / Math.round(1 / factor) : Number(number) * factor
}

/** Thousandths of a core, rounded up as the scheduler does; undefined when the text is no quantity. */
export function parseMilli(text: string): number | undefined {
  const value = parseQuantity(text)
  // Not more than what is written: 0.1 * 1000 is exact enough only when the last digits are cut.
  return value === undefined ? undefined : Math.ceil(Number((value * 1000).toFixed(6)))
}
