/** Where the parts of a JSON text are, and which keys it holds twice. */
export interface JsonLines {
  /** Line (from 1) of the key or element at this path; of its nearest holder when it is not there. */
  readonly lineOf: (path: readonly PropertyKey[]) => number
  /** Paths of keys that a mapping holds more than once; `JSON.parse` silently keeps the last. */
  readonly duplicates: readonly { readonly path: readonly PropertyKey[]; readonly line: number }[]
}

/** Finds lines and duplicate keys in a text that `JSON.parse` accepts; what it answers for other texts means nothing. */
export function jsonLines(text: string): JsonLines {
  const lines = new Map<string, number>()
  const duplicates: { path: readonly PropertyKey[]; line: number }[] = []
  const open: { readonly path: readonly PropertyKey[]; readonly keys: Set<string> | undefined; index: number; key: string | undefined }[] =
    []
  let line = 1
  const here = (): readonly PropertyKey[] => {
    const top = open.at(-1)
    return top === undefined ? [] : [...top.path, top.keys === undefined ? top.index : (top.key ?? '')]
  }
  const note = (): void => {
    const path = JSON.stringify(here())
    if (!lines.has(path)) lines.set(path, line)
  }
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:\n]|[^\s"{}[\],:]+/g)) {
    const top = open.at(-1)
    if (token === '\n') {
      line++
    } else if (token === '{' || token === '[') {
      note()
      open.push({ path: here(), keys: token === '{' ? new Set() : undefined, index: 0, key: undefined })
    } else if (token === '}' || token === ']') {
      open.pop()
    } else if (token === ',') {
      if (top !== undefined) {
        top.index++
        top.key = undefined
      }
    } else if (token !== ':') {
      if (top?.keys !== undefined && top.key === undefined) {
        top.key = String(JSON.parse(token))
        if (top.keys.has(top.key)) duplicates.push({ path: here(), line })
        top.keys.add(top.key)
      }
      note()
    }
  }
  return {
    lineOf: (path) => {
      for (let length = path.length; length > 0; length--) {
        const found = lines.get(JSON.stringify(path.slice(0, length)))
        if (found !== undefined) return found
      }
      return lines.get('[]') ?? 1
    },
    duplicates,
  }
}
