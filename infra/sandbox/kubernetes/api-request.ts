import { parse as parseYaml, YAMLError } from 'yaml'
import type { KubernetesRequest } from './api.ts'
import type { Json, JsonObject } from './json.ts'
import { isJsonObject, parseJson } from './json.ts'
import { badRequest, KubeFault, unsupportedMediaType } from './kube-fault.ts'

/** A request taken apart as far as that needs no knowledge of kinds. */
export interface ApiRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** Without parameters, in lower case; empty when none was sent. */
  readonly contentType: string
  readonly body: string
}

const answerTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']

/** Takes a request apart. Throws KubeFault when the client takes no JSON. */
export function readApiRequest(request: KubernetesRequest): ApiRequest {
  const mark = request.path.indexOf('?')
  const accept = request.accept ?? ''
  if (accept !== '' && !accept.split(',').some(takesJson)) {
    throw new KubeFault(406, 'NotAcceptable', '406: Not Acceptable', {})
  }
  return {
    method: request.method.toUpperCase(),
    path: mark < 0 ? request.path : request.path.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : request.path.slice(mark + 1)),
    contentType: (request.contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '',
    body: request.body ?? '',
  }
}

function takesJson(range: string): boolean {
  const type = range.split(';')[0]?.trim().toLowerCase() ?? ''
  return type === '*/*' || type === 'application/*' || type === 'application/json'
}

/** The object in the body of a write. Throws KubeFault when it is none, or of a type the server does not read. */
export function bodyObject(request: ApiRequest, expectedKind: string): JsonObject {
  const value = bodyValue(request, expectedKind)
  if (!isJsonObject(value)) throw unreadable(expectedKind, `cannot read ${JSON.stringify(value)} as an object`)
  return value
}

function bodyValue(request: ApiRequest, expectedKind: string): Json {
  switch (request.contentType) {
    case '':
    case 'application/json': {
      const value = parseJson(request.body)
      if (value === undefined) throw unreadable(expectedKind, `it is no JSON (${request.body === '' ? '<empty>' : 'malformed'})`)
      return value
    }
    case 'application/yaml':
      try {
        const value: Json = JSON.parse(JSON.stringify(parseYaml(request.body, { maxAliasCount: 100, logLevel: 'error' }) ?? null))
        return value
      } catch (error) {
        // An alias that grows without end, or that names nothing, is a ReferenceError there.
        if (!(error instanceof YAMLError || error instanceof ReferenceError)) throw error
        throw unreadable(expectedKind, error.message)
      }
    default:
      throw unsupportedMediaType(answerTypes)
  }
}

function unreadable(expectedKind: string, why: string): KubeFault {
  return badRequest(
    `the object provided is unrecognized (must be of type ${expectedKind}): couldn't get version/kind; json parse error: ${why}`,
  )
}
