import { readFile } from 'node:fs/promises'

/** The event of a file: any JSON. Throws an Error that names the file when it cannot be read or is none. */
export async function readEvent(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error)
      throw new Error(`the event file ${path} cannot be read (${String(error.code)})`, { cause: error })
    throw error
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) throw new Error(`the event file ${path} is not JSON: ${error.message}`, { cause: error })
    throw error
  }
}
