import { readFile } from 'node:fs/promises'
import { readJson } from '#shared/runtime/config-text.ts'
import { fileTrouble } from './words.ts'

/** The event of a file: any JSON. Throws an Error that names the file, and the line, when it cannot be read or is none. */
export async function readEvent(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error)
      throw new Error(`the event file ${path} cannot be read: ${fileTrouble(error)}`, { cause: error })
    throw error
  }
  const { value, problems } = readJson(text)
  const [problem] = problems
  if (problem !== undefined) throw new Error(`the event file ${path}, line ${problem.line ?? 1}: ${problem.text}`)
  return value
}
