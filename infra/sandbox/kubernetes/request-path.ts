/** Where a path of the API leads. */
export type RequestPath =
  | { readonly to: 'version' | 'core' | 'groups' | 'health' }
  | { readonly to: 'group'; readonly group: string }
  | { readonly to: 'resources'; readonly group: string; readonly version: string }
  | ResourcePath
  | { readonly to: 'nowhere' }

export interface ResourcePath {
  readonly to: 'resource'
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespace: string | undefined
  /** Empty for the whole collection. */
  readonly name: string
  /** Empty for the object itself. */
  readonly part: string
  /** What follows the part, as in `proxy/…`; empty as a rule. */
  readonly rest: readonly string[]
  /** Whether the path asks for a watch the old way: `/api/v1/watch/pods`. */
  readonly watch: boolean
}

const namespaceParts = ['status', 'finalize']

/** Takes a path apart. A segment that cannot be decoded leads nowhere. */
export function parseRequestPath(path: string): RequestPath {
  const segments = decodeSegments(path)
  if (segments === undefined) return { to: 'nowhere' }
  const [root, ...rest] = segments
  switch (root) {
    case 'version':
      return rest.length === 0 ? { to: 'version' } : { to: 'nowhere' }
    case 'healthz':
    case 'livez':
    case 'readyz':
      return rest.length === 0 ? { to: 'health' } : { to: 'nowhere' }
    case 'api': {
      const [version, ...parts] = rest
      if (version === undefined) return { to: 'core' }
      return parts.length === 0 ? { to: 'resources', group: '', version } : resourcePath('', version, parts)
    }
    case 'apis': {
      const [group, version, ...parts] = rest
      if (group === undefined) return { to: 'groups' }
      if (version === undefined) return { to: 'group', group }
      return parts.length === 0 ? { to: 'resources', group, version } : resourcePath(group, version, parts)
    }
    default:
      return { to: 'nowhere' }
  }
}

function decodeSegments(path: string): string[] | undefined {
  const raw = path.replace(/^\//, '').replace(/\/$/, '').split('/')
  if (raw.some((segment) => segment === '')) return undefined
  try {
    return raw.map((segment) => decodeURIComponent(segment))
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

function resourcePath(group: string, version: string, segments: readonly string[]): RequestPath {
  const watch = segments[0] === 'watch'
  const parts = watch ? segments.slice(1) : segments
  const [first, second, third] = parts
  if (first === undefined) return { to: 'nowhere' }
  const isInside = first === 'namespaces' && second !== undefined && third !== undefined && !namespaceParts.includes(third)
  const [plural = '', name = '', part = '', ...rest] = isInside ? parts.slice(2) : parts
  return { to: 'resource', group, version, plural, namespace: isInside ? second : undefined, name, part, rest, watch }
}
