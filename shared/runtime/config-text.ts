import { jsonLines } from './json-lines.ts'

/** A configuration file's content before any schema: the value, and where its parts are for messages. */
export interface ConfigText {
  readonly value: unknown
  /** Line (from 1) of the key or element at this path; of its nearest holder when it is not there. */
  readonly lineOf: (path: readonly PropertyKey[]) => number | undefined
  /** What is wrong with the text itself: syntax, a key given twice. When there is any, `value` means nothing. */
  readonly problems: readonly TextProblem[]
}

export interface TextProblem {
  readonly path: readonly PropertyKey[]
  readonly line: number | undefined
  readonly text: string
}

/** Reads JSON. The message of a syntax error never quotes the text, which may hold a secret. */
export function readJson(text: string): ConfigText {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const position = error instanceof SyntaxError ? /at position (\d+)/.exec(error.message)?.[1] : undefined
    const line = position === undefined ? undefined : text.slice(0, Number(position)).split('\n').length
    return { value: undefined, lineOf: () => undefined, problems: [{ path: [], line, text: 'is not valid JSON' }] }
  }
  const { lineOf, duplicates } = jsonLines(text)
  return { value, lineOf, problems: duplicates.map(({ path, line }) => ({ path, line, text: 'the key is given twice' })) }
}

/**
 * Reads YAML 1.2: one document, no key twice, no unknown tags. `yaml` is loaded here and nowhere else at run time, so that a
 * JSON configuration costs nothing; a bundle does not hold it at all. Throws when it is not there.
 */
export async function readYaml(text: string): Promise<ConfigText> {
  const { LineCounter, isMap, isNode, isScalar, isSeq, parseDocument } = await import('yaml')
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, stringKeys: true, uniqueKeys: true, version: '1.2' })
  const faults = [...document.errors, ...document.warnings]
  const problems = faults.map((fault) => ({
    path: [],
    line: counter.linePos(fault.pos[0]).line,
    // Scalars are not quoted: what stands in the wrong place may be a secret.
    text: `is not valid YAML: ${fault.code.toLowerCase().replaceAll('_', ' ')}`,
  }))
  if (problems.length > 0) return { value: undefined, lineOf: () => undefined, problems }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
    return {
      value: undefined,
      lineOf: () => undefined,
      problems: [{ path: [], line: undefined, text: 'uses an alias that has no anchor, or repeats aliases too often' }],
    }
  }
  const lineAt = (offset: number | undefined): number | undefined => (offset === undefined ? undefined : counter.linePos(offset).line)
  return {
    value,
    lineOf: (path) => {
      let node: unknown = document.contents
      let line = isNode(node) ? lineAt(node.range?.[0]) : undefined
      for (const key of path) {
        if (isMap(node)) {
          const pair = node.items.find((item) => String(isScalar(item.key) ? item.key.value : item.key) === String(key))
          if (pair === undefined) return line
          line = (isNode(pair.key) ? lineAt(pair.key.range?.[0]) : undefined) ?? line
          node = pair.value
        } else if (isSeq(node)) {
          node = node.items[Number(key)]
          line = (isNode(node) ? lineAt(node.range?.[0]) : undefined) ?? line
        } else {
          return line
        }
      }
      return line
    },
    problems,
  }
}
