/** An IPv4 block as numbers: `address` is its first address, `size` how many it has. */
export interface Cidr {
  readonly address: number
  readonly prefix: number
  readonly size: number
}

const cidrForm = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/

/**
 * Reads `10.1.0.0/14`. Bits behind the prefix are cleared, as the platform does (its manual gives `192.168.0.1/18` as an
 * example). Undefined for anything that is not an IPv4 block.
 */
export function parseCidr(text: string): Cidr | undefined {
  const match = cidrForm.exec(text)
  if (match === null) return undefined
  const parts = match.slice(1, 5).map(Number)
  const prefix = Number(match[5])
  if (prefix > 32 || parts.some((part) => part > 255)) return undefined
  const raw = parts.reduce((value, part) => value * 256 + part, 0)
  const size = 2 ** (32 - prefix)
  return { address: Math.floor(raw / size) * size, prefix, size }
}

/** Whether two blocks share an address. Two blocks either nest or are apart. */
export function overlap(one: Cidr, other: Cidr): boolean {
  return one.address < other.address + other.size && other.address < one.address + one.size
}

/** Whether `inner` lies wholly within `outer`. */
export function within(inner: Cidr, outer: Cidr): boolean {
  return inner.address >= outer.address && inner.address + inner.size <= outer.address + outer.size
}

const privateBlocks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(parseCidr).filter((block) => block !== undefined)

/** Whether a block lies within the private ranges of RFC 1918. */
export function isPrivate(block: Cidr): boolean {
  return privateBlocks.some((outer) => within(block, outer))
}

/** Dotted form of an address. */
export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

/** Dotted form of a block, with the bits behind the prefix cleared. */
export function formatCidr(block: Cidr): string {
  return `${formatAddress(block.address)}/${block.prefix}`
}
