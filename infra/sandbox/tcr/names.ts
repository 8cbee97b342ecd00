/** `namespace/name`, of which the name may have further parts: `team/tools/builder`. */
export interface RepoName {
  readonly namespace: string
  readonly name: string
}

const component = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*'
const namespacePattern = new RegExp(`^${component}$`)
const repoPattern = new RegExp(`^(${component})/(${component}(?:/${component})*)$`)
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const digestPattern = /^sha256:[0-9a-f]{64}$/

/** Whether it is a name that a namespace can have: lower-case letters and digits with single separators, at most 64. */
export function isNamespaceName(text: string): boolean {
  return text.length <= 64 && namespacePattern.test(text)
}

/** The parts of a repository's full name; undefined when it is none. */
export function parseRepoName(text: string): RepoName | undefined {
  const [, namespace, name] = text.length <= 200 ? (repoPattern.exec(text) ?? []) : []
  return namespace === undefined || name === undefined || !isNamespaceName(namespace) ? undefined : { namespace, name }
}

export function isTagName(text: string): boolean {
  return tagPattern.test(text)
}

/** An image without its server: `ns/repo:tag`, `ns/repo@sha256:…`, or both (the digest decides then); `latest` when neither. */
export interface ImageName {
  readonly repoName: string
  readonly tag: string
  readonly digest?: string
}

/** The parts of an image's name without a server in front; undefined when it is none. */
export function parseImageName(text: string): ImageName | undefined {
  const [named = '', digest, ...more] = text.split('@')
  const colonAt = named.indexOf(':')
  const repoName = colonAt === -1 ? named : named.slice(0, colonAt)
  const tag = colonAt === -1 ? 'latest' : named.slice(colonAt + 1)
  if (
    more.length > 0 ||
    parseRepoName(repoName) === undefined ||
    !isTagName(tag) ||
    (digest !== undefined && !digestPattern.test(digest))
  ) {
    return undefined
  }
  return digest === undefined ? { repoName, tag } : { repoName, tag, digest }
}

/** Names that the platform keeps for itself. */
const reservedNamespaces: ReadonlySet<string> = new Set([
  'library',
  'tencentyun',
  'tencentcloud',
  'qcloud',
  'ccs',
  'tke',
  'tkeimages',
  'public',
  'admin',
  'system',
])

export function isReservedNamespace(name: string): boolean {
  return reservedNamespaces.has(name)
}
