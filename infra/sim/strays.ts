import { at, type Json, sameJson } from '#infra/sandbox/kubernetes/json.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'

/** What a write changed that it had no business with, as paths; none is as it should be. */
export function straysOf(before: KubeObject, after: KubeObject, isOwn: (path: string) => boolean): readonly string[] {
  const strays: string[] = []
  const walk = (left: Json | undefined, right: Json | undefined, path: string): void => {
    if (sameJson(left, right) || isOwn(path)) return
    const [one, other] = [keysOf(left ?? emptyOf(right)), keysOf(right ?? emptyOf(left))]
    if (one === undefined || other === undefined) {
      strays.push(path)
      return
    }
    for (const key of new Set([...one, ...other])) walk(valueAt(left, key), valueAt(right, key), `${path}/${key}`)
  }
  walk(plain(before), plain(after), '')
  return strays
}

/** What the API itself writes because of a write. */
export function isOfApi(path: string): boolean {
  return (
    path.startsWith('/metadata/resourceVersion') || path.startsWith('/metadata/generation') || path.startsWith('/metadata/managedFields')
  )
}

function plain(object: KubeObject): Json {
  const value: Json = JSON.parse(JSON.stringify(object))
  return value
}

/** What is missing beside an object is an empty one. */
function emptyOf(other: Json | undefined): Json | undefined {
  return typeof other === 'object' && other !== null && !Array.isArray(other) ? {} : undefined
}

function keysOf(value: Json | undefined): readonly string[] | undefined {
  if (Array.isArray(value)) return value.map((_, index) => String(index))
  return typeof value === 'object' && value !== null ? Object.keys(value) : undefined
}

function valueAt(value: Json | undefined, key: string): Json | undefined {
  return Array.isArray(value) ? value[Number(key)] : at(value, key)
}
