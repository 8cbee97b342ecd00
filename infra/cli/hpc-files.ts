import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'

import { yamlFault } from '#shared/runtime/config-text.ts'
import { fileTrouble } from './words.ts'

/** More than this is no file of schedules. */
const mostBytes = 4 * 1024 * 1024

/** One document of a file: what it holds, and where it is for messages. */
export interface FileDocument {
  /** `schedules.yaml`, or `schedules.yaml, object 2` where there are several. */
  readonly place: string
  readonly value: unknown
}

/**
 * Reads the documents of YAML or JSON files, those of a `kind: List` one by one, empty ones passed over. Throws an Error that names
 * the file and the line when one cannot be read, and when there is nothing in it.
 */
export async function readDocuments(files: readonly string[], cwd: string): Promise<readonly FileDocument[]> {
  const { LineCounter, parseAllDocuments } = await import('yaml')
  const all: FileDocument[] = []
  for (const file of files) {
    const path = resolve(cwd, file)
    let text: string
    try {
      const { size } = await stat(path)
      if (size > mostBytes) throw new Error(`${file} has ${size} bytes; at most ${mostBytes} are read`)
      text = await readFile(path, 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error) throw new Error(`${file} cannot be read: ${fileTrouble(error)}`, { cause: error })
      throw error
    }
    const counter = new LineCounter()
    const found = parseAllDocuments(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: true, stringKeys: true, version: '1.2' })
    const documents = 'empty' in found ? [] : found
    const values: unknown[] = []
    for (const document of documents) {
      const [fault] = [...document.errors, ...document.warnings]
      if (fault !== undefined) {
        const { line, col } = counter.linePos(fault.pos[0])
        throw new Error(`${file}, line ${line}, column ${col}: it is not valid YAML: ${yamlFault(fault.code, text.slice(fault.pos[0]))}`)
      }
      const value: unknown = document.toJS({ maxAliasCount: 100 })
      if (value !== null && value !== undefined) values.push(...itemsOf(value))
    }
    if (values.length === 0) throw new Error(`${file} has nothing in it`)
    for (const [index, value] of values.entries()) all.push({ place: values.length === 1 ? file : `${file}, object ${index + 1}`, value })
  }
  return all
}

function itemsOf(value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== 'List') return [value]
  return 'items' in value && Array.isArray(value.items) ? value.items : [value]
}
