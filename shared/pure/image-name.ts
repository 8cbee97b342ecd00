/** The name of an image, taken apart. */
export interface ImageName {
  /** With its port where there is one: `ccr.ccs.tencentyun.com`, `registry:5000`. */
  readonly host: string
  /** `namespace/name`. */
  readonly repository: string
  /** `latest` where the name has neither tag nor digest, as every container runtime reads it. */
  readonly tag?: string | undefined
  /** `sha256:…`. With a tag beside it only the digest counts. */
  readonly digest?: string | undefined
}

const digestPattern = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}$/
const tagPattern = /^\w[\w.-]{0,127}$/
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/

/**
 * Reads the name of an image as container runtimes do: without a host it is one of Docker Hub, there without a namespace one of
 * `library`. A scheme as pods report it (`docker-pullable://`) is passed over. Undefined when it is no name at all, which
 * includes the bare digest that some runtimes report.
 */
export function parseImageName(text: string): ImageName | undefined {
  const plain = text.replace(/^[a-z][a-z0-9+.-]*:\/\//, '')
  if (/^sha256:[0-9a-f]{64}$/.test(plain)) return undefined
  const at = plain.indexOf('@')
  const digest = at === -1 ? undefined : plain.slice(at + 1)
  if (digest !== undefined && !digestPattern.test(digest)) return undefined
  const name = at === -1 ? plain : plain.slice(0, at)
  const colon = name.lastIndexOf(':')
  const hasTag = colon > name.lastIndexOf('/')
  const tag = hasTag ? name.slice(colon + 1) : undefined
  if (tag !== undefined && !tagPattern.test(tag)) return undefined
  const { host, repository } = splitHost(hasTag ? name.slice(0, colon) : name)
  if (repository.length > 255 || !repositoryPattern.test(repository)) return undefined
  if (digest !== undefined) return tag === undefined ? { host, repository, digest } : { host, repository, tag, digest }
  return { host, repository, tag: tag ?? 'latest' }
}

function splitHost(path: string): { readonly host: string; readonly repository: string } {
  const slash = path.indexOf('/')
  const first = slash === -1 ? '' : path.slice(0, slash)
  if (/[.:]/.test(first) || first === 'localhost') {
    const host = first.toLowerCase()
    const repository = path.slice(slash + 1)
    return isDockerHub(host) ? dockerHub(repository) : { host, repository }
  }
  return dockerHub(path)
}

function isDockerHub(host: string): boolean {
  return host === 'docker.io' || host === 'index.docker.io' || host === 'registry-1.docker.io'
}

function dockerHub(repository: string): { readonly host: string; readonly repository: string } {
  return { host: 'docker.io', repository: repository.includes('/') ? repository : `library/${repository}` }
}
