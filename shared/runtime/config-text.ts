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

/**
 * Reads JSON; a byte order mark before it is passed over, as in YAML. The message of a syntax error never quotes the text, which
 * may hold a secret.
 */
export function readJson(withMark: string): ConfigText {
  const text = withMark.replace(/^\uFEFF/, '')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const { offset, expected } = jsonFault(text)
    const { line, column } = placeOf(text, offset)
    const what = `is not valid JSON: at column ${column} ${expected} is expected`
    return { value: undefined, lineOf: () => undefined, problems: [{ path: [], line, text: what }] }
  }
  const { lineOf, duplicates } = jsonLines(text)
  return { value, lineOf, problems: duplicates.map(({ path, line }) => ({ path, line, text: 'the key is given twice' })) }
}

/** What stands where JSON cannot go on; the words say what could. */
interface JsonFault {
  readonly offset: number
  readonly expected: string
}

const jsonToken =
  /[ \t\r\n]*(?:"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.])|(?:true|false|null)(?![0-9A-Za-z_])|[{}[\],:])/uy

/** Finds where a text stops being JSON, without the engine's message, which quotes the text and often has no place in it. */
function jsonFault(text: string): JsonFault {
  const open: ('{' | '[')[] = []
  // What the next token may be.
  let next: 'value' | 'first-element' | 'first-key' | 'key' | 'colon' | 'more' | 'end' = 'value'
  const token = new RegExp(jsonToken)
  let offset = 0
  for (;;) {
    token.lastIndex = offset
    const found = token.exec(text)?.[0]
    const word = found?.trimStart() ?? ''
    const isValue = word !== '' && !/^[}\],:]/.test(word)
    const closes = open.at(-1) === '{' ? '}' : ']'
    const canClose = next === 'more' || (closes === '}' ? next === 'first-key' : next === 'first-element')
    if (open.length > 0 && canClose && word === closes) {
      open.pop()
      next = open.length === 0 ? 'end' : 'more'
    } else if ((next === 'value' || next === 'first-element') && isValue) {
      if (word === '{' || word === '[') {
        open.push(word)
        next = word === '{' ? 'first-key' : 'first-element'
      } else next = open.length === 0 ? 'end' : 'more'
    } else if ((next === 'key' || next === 'first-key') && word.startsWith('"')) next = 'colon'
    else if (next === 'colon' && word === ':') next = 'value'
    else if (next === 'more' && word === ',') next = closes === '}' ? 'key' : 'value'
    else {
      const blanks = /[ \t\r\n]*/y
      blanks.lastIndex = offset
      blanks.exec(text)
      return { offset: blanks.lastIndex, expected: next === 'more' ? `"," or "${closes}"` : jsonExpected[next] }
    }
    offset += found?.length ?? 0
  }
}

const jsonExpected = {
  value: 'a value (text goes in double quotes)',
  'first-element': 'a value or "]" (text goes in double quotes)',
  'first-key': 'a key in double quotes or "}"',
  key: 'a key in double quotes (no "," before "}")',
  colon: '":"',
  end: 'nothing more',
}

function placeOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

/** What to do about the commoner mistakes, by the parser's code. */
const yamlAdvice: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab as indent; indent with spaces',
  BAD_INDENT: 'the indent does not fit what is above it, or a bracket is not closed',
  MISSING_CHAR: 'something is missing before this, such as a closing quote or bracket, or a blank after ":"',
  BLOCK_AS_IMPLICIT_KEY: 'a second ":" on one line; put the value in quotes, or on lines of its own',
  BAD_SCALAR_START: 'a value cannot begin with this character; put it in quotes',
  BAD_DQ_ESCAPE: 'a backslash in double quotes means something else; use single quotes',
  UNEXPECTED_TOKEN: 'something that cannot stand here; check the indent, quotes and brackets before it',
  MULTIPLE_DOCS: 'a second document begins ("---"); keep one',
  TAG_RESOLVE_FAILED: 'a tag ("!…") that is not known; take it away, or put the value in quotes',
}

/** Says what is wrong with YAML, by the parser's code. Scalars are not quoted: what stands in the wrong place may be a secret; a key that is given twice is named. */
export function yamlFault(code: string, rest: string): string {
  if (code === 'DUPLICATE_KEY') {
    const key = /^["']?([A-Za-z0-9_./-]{1,64})["']?[ \t]*:/.exec(rest)?.[1]
    return key === undefined ? 'a key is given twice' : `the key "${key}" is given twice`
  }
  return yamlAdvice[code] ?? code.toLowerCase().replaceAll('_', ' ')
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
  const problems = faults.map((fault) => {
    const { line, col } = counter.linePos(fault.pos[0])
    return { path: [], line, text: `is not valid YAML: ${yamlFault(fault.code, text.slice(fault.pos[0]))} (column ${col})` }
  })
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
