/** The minor number of a Kubernetes version of major 1: 20 for `1.20.6`, `v1.20.6-tke.3`. Throws on anything else. */
export function minorOf(version: string): number {
  const minor = /^v?1\.(\d+)(?:[.+-]|$)/.exec(version)?.[1]
  if (minor === undefined) throw new Error(`"${version}" is no Kubernetes version; write it as 1.20.6`)
  return Number.parseInt(minor, 10)
}
