import type { Json, JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { isJsonObject, listAt, numberAt, objectAt, parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'

/** A Kubernetes API under test: the sandbox's, or a real server's. */
export interface KubernetesApi {
  request(
    method: string,
    path: string,
    contentType?: string,
    body?: string,
    accept?: string,
  ): Promise<{ readonly status: number; readonly body: string }>
  /** The same API asked by somebody who may do nothing. */
  readonly viewer: Pick<KubernetesApi, 'request'>
  /** Lets the server forget how lists were, so that `continue` tokens are too old. */
  forgetLists(): Promise<void>
  /** Waits until the controllers have nothing to do, as far as that can be told. */
  settle(): Promise<void>
}

/** One call and its answer, with everything that differs from run to run named instead of written out. */
export interface Exchange {
  readonly call: string
  readonly status: number
  readonly body: Json
}

export interface CallOptions {
  readonly type?: string
  readonly accept?: string
  readonly viewer?: boolean
  /** Keeps only a part of the answer, where the rest is the server's own business. */
  readonly keep?: (body: Json) => Json
  /** The order of several reasons is not the server's promise for this call. */
  readonly unordered?: boolean
}

/**
 * Makes calls and writes down what came back. Uids and resource versions become names in the order they appear, so that
 * what stays equal and what changes is still compared; times, addresses and generated suffixes become placeholders.
 */
export class Transcript {
  readonly exchanges: Exchange[] = []
  readonly namespace: string
  private readonly api: KubernetesApi
  private readonly names = new Map<string, string>()
  private readonly counts = new Map<string, number>()

  constructor(api: KubernetesApi, namespace: string) {
    this.api = api
    this.namespace = namespace
  }

  /** Makes a call, writes it down, and answers the body as it came. */
  async call(method: string, path: string, body?: Json | string, options: CallOptions = {}): Promise<JsonObject> {
    const { status, answer } = await this.send(method, path, body, options)
    this.findHashes(answer)
    const kept = options.keep === undefined ? answer : options.keep(answer)
    const shown = this.normalised(kept, [])
    this.exchanges.push({
      call: this.text(`${method} ${path}`),
      status,
      body: options.unordered === true ? withoutOrder(shown) : shown,
    })
    return isJsonObject(answer) ? answer : {}
  }

  /** Makes a call that prepares something: not written down, but it must succeed. */
  async prepare(method: string, path: string, body?: Json | string, options: CallOptions = {}): Promise<JsonObject> {
    const { status, answer } = await this.send(method, path, body, options)
    if (status >= 300) throw new Error(`${method} ${path} was to prepare the check and answered ${status}: ${JSON.stringify(answer)}`)
    return isJsonObject(answer) ? answer : {}
  }

  /** Calls until the answer is as wanted, then writes it down. Throws after about ten seconds. */
  async eventually(path: string, wanted: (body: JsonObject) => boolean, options: CallOptions = {}): Promise<JsonObject> {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const { status, answer } = await this.send('GET', path, undefined, options)
      if (status === 200 && isJsonObject(answer) && wanted(answer)) return this.call('GET', path, undefined, options)
      await this.api.settle()
    }
    const last = await this.send('GET', path, undefined, options)
    throw new Error(`GET ${path} did not become as wanted; last answer ${last.status}: ${JSON.stringify(last.answer)}`)
  }

  /**
   * Waits until the kept part of an answer is as wanted and stays the same for half a second, then writes it down under
   * its path. Throws after about twenty seconds.
   */
  async stable(path: string, keep: (body: Json) => Json, wanted: (kept: Json) => boolean): Promise<Json> {
    let same = 0
    let last = ''
    let kept: Json = null
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const { answer } = await this.send('GET', path, undefined, {})
      kept = keep(answer)
      const text = JSON.stringify(kept)
      same = text === last && wanted(kept) ? same + 1 : 0
      last = text
      if (same === 5) {
        this.findHashes(answer)
        this.exchanges.push({ call: this.text(`STABLE ${path}`), status: 200, body: this.normalised(kept, []) })
        return answer
      }
      await this.api.settle()
    }
    throw new Error(`GET ${path} did not settle as wanted; last seen: ${JSON.stringify(kept)}`)
  }

  forgetLists(): Promise<void> {
    return this.api.forgetLists()
  }

  settle(): Promise<void> {
    return this.api.settle()
  }

  private async send(
    method: string,
    path: string,
    body: Json | string | undefined,
    options: CallOptions,
  ): Promise<{ status: number; answer: Json }> {
    const api = options.viewer === true ? this.api.viewer : this.api
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    const type = options.type ?? (text === undefined ? undefined : 'application/json')
    const answer = await api.request(method, path, type, text, options.accept)
    return { status: answer.status, answer: parseJson(answer.body) ?? answer.body }
  }

  /** Names the hashes of templates before anything that is made of them is written down. */
  private findHashes(value: Json): void {
    if (Array.isArray(value)) for (const item of value) this.findHashes(item)
    if (!isJsonObject(value)) return
    const labels = objectAt(value, 'metadata', 'labels') ?? {}
    for (const [key, label] of Object.entries(labels)) {
      if (!hashLabels.includes(key) || typeof label !== 'string') continue
      this.alias('hash', key === 'controller-revision-hash' ? label.slice(label.lastIndexOf('-') + 1) : label)
    }
    for (const item of listAt(value, 'items')) this.findHashes(item)
  }

  private alias(kind: string, value: string): string {
    const known = this.names.get(`${kind}:${value}`)
    if (known !== undefined) return known
    const count = (this.counts.get(kind) ?? 0) + 1
    this.counts.set(kind, count)
    const name = `<${kind} ${count}>`
    this.names.set(`${kind}:${value}`, name)
    return name
  }

  private normalised(value: Json, path: readonly string[]): Json {
    if (typeof value === 'string') return this.namedText(value, path)
    if (typeof value === 'number') return path.at(-1) === 'nodePort' ? '<node port>' : value
    if (Array.isArray(value)) return value.map((item, index) => this.normalised(item, [...path, String(index)]))
    if (!isJsonObject(value)) return value
    const result: JsonObject = {}
    for (const [key, entry] of Object.entries(value)) {
      if (key === 'managedFields' || key === 'storageVersionHash') continue
      if (key === 'labels' || key === 'matchLabels') result[key] = this.normalisedLabels(entry, [...path, key])
      else result[key] = this.normalised(entry, [...path, key])
    }
    const metadata = objectAt(value, 'metadata')
    if (metadata !== undefined && Array.isArray(value.items)) result.metadata = listMetadata(metadata)
    if (value.field === 'patch' && typeof value.message === 'string') result.message = 'Invalid value: …'
    const base = stringAt(value, 'generateName')
    const name = stringAt(value, 'name')
    if (base !== undefined && name?.startsWith(base) === true) result.name = `${this.text(base)}<suffix>`
    return result
  }

  private normalisedLabels(labels: Json, path: readonly string[]): Json {
    if (!isJsonObject(labels)) return labels
    const result: JsonObject = {}
    for (const [key, entry] of Object.entries(labels)) {
      if (key === 'controller-uid' && typeof entry === 'string') result[key] = this.alias('uid', entry)
      else result[key] = this.normalised(entry, [...path, key])
    }
    return result
  }

  private namedText(value: string, path: readonly string[]): string {
    const key = path.at(-1) ?? ''
    if (key === 'uid' && value !== '') return this.alias('uid', value)
    if (key === 'resourceVersion' && value !== '') return this.alias('version', value)
    if (key === 'continue' && value !== '') return this.alias('token', value)
    if (key === 'clusterIP' || path.at(-2) === 'clusterIPs') return value === '' || value === 'None' ? value : '<address>'
    return this.text(value)
  }

  /** Text with everything known by another name renamed, times and long printed structures shortened. */
  private text(value: string): string {
    let result = value
    for (const [known, name] of this.names) {
      const original = known.slice(known.indexOf(':') + 1)
      if (original.length > 5) result = result.replaceAll(original, name).replaceAll(encodeURIComponent(original), name)
      else if (known.startsWith('version:'))
        result = result.replaceAll(new RegExp(`(ResourceVersion in (?:precondition|object meta): )${original}\\b`, 'g'), `$1${name}`)
    }
    return result
      .replaceAll(/controller-uid=[0-9a-f-]{36}/g, 'controller-uid=<uid>')
      .replaceAll(
        /\b(web|db|agent)-([bcdfghjklmnpqrstvwxz2456789]{6,10})(?![\w<])/g,
        (_, name: string, hash: string) => `${name}-${this.alias('hash', hash)}`,
      )
      .replaceAll(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z/g, '<micro time>')
      .replaceAll(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z/g, '<time>')
      .replaceAll(/\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} \+0000 UTC/g, '<time>')
      .replaceAll(/(json parse error: ).*/gs, '$1…')
      .replaceAll(
        /(cannot be handled as an? \w+: )(?!no kind|converting)(.*)/gs,
        (_, start: string, why: string) => `${start}${shortTrail(why)}`,
      )
      .replaceAll(
        /(core\.PodTemplateSpec|apps\.\w+Strategy|policy\.\w+Spec|runtime\.RawExtension|\[\]apiextensions\.\w+|\[\]v1\.OwnerReference)\{.*\}(?=: )/gs,
        '$1{…}',
      )
      .replaceAll(/(error decoding patch: |couldn't decode patch: ).*/gs, '$1…')
      .replaceAll(/(only additions to existing tolerations\)).*/gs, '$1')
      .replaceAll(/(is invalid: patch: Invalid value: ).*/gs, '$1…')
      .replaceAll(/(continue key is not valid: ).*/gs, '$1…')
      .replaceAll(/(in record \()[0-9a-f-]+(\))/g, '$1…$2')
  }
}

const hashLabels = ['pod-template-hash', 'controller-revision-hash', 'controller.kubernetes.io/hash']

/** The trail to a value of a wrong type is compared; what the parser thought of it, and where, is not. */
function shortTrail(why: string): string {
  const trail = /^((?:[\w/]+\.[\w.[\]]+: )*)/.exec(why)?.[1] ?? ''
  return `${trail}…`
}

function listMetadata(metadata: JsonObject): JsonObject {
  const more = (stringAt(metadata, 'continue') ?? '') === '' ? (metadata.continue === '' ? { continue: '' } : {}) : { continue: '<token>' }
  const remaining = numberAt(metadata, 'remainingItemCount')
  return { resourceVersion: '<version>', ...more, ...(remaining === undefined ? {} : { remainingItemCount: remaining }) }
}

function withoutOrder(body: Json): Json {
  const details = objectAt(body, 'details')
  const message = stringAt(body, 'message')
  if (!isJsonObject(body) || details === undefined || message === undefined) return body
  const causes = [...listAt(details, 'causes')].sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1))
  return { ...body, message: message.replace(/\[.*\]$/s, '[…]'), details: { ...details, causes } }
}
