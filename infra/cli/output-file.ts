import { lstat, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileTrouble } from './words.ts'

/** A kind of file that a command writes. */
export interface OutputKind {
  /** For people: `a snapshot`. */
  readonly name: string
  /** How every such file begins. */
  readonly begins: RegExp
}

export const snapshotOutput: OutputKind = { name: 'a snapshot', begins: /^\s*\{\s*"format"\s*:\s*"longshore-snapshot"/ }
export const pageOutput: OutputKind = { name: 'a page', begins: /^\s*<!doctype html>/i }

/** So much of what is there is looked at. */
const headBytes = 256

/**
 * Makes sure, before anything takes its time, that a file can be written at a path and replaces nothing but an older one of its kind: no
 * configuration, no snapshot by a page, and no link or device. Nothing is changed. Throws a sentence that says what to do.
 */
export async function checkOutput(path: string, kind: OutputKind): Promise<void> {
  try {
    const there = await lstat(path).catch(absent)
    if (there === undefined) {
      if ((await stat(dirname(path))).isDirectory()) return
      throw new Error(`${path} cannot be written: what it names as a folder is none. Name a file in a folder that exists`)
    }
    if (there.isDirectory()) throw new Error(`${path} cannot be written: it is a folder. Name a file in it`)
    if (!there.isFile()) throw new Error(`${path} is not written: it is a link or a device, and no file. Name a file`)
    if (there.size === 0) return
    const head = await headOf(path)
    if (!kind.begins.test(head))
      throw new Error(`${path} is not written: there is a file already, and it is not ${kind.name}. Name another one, or remove it`)
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error
    throw new Error(`${path} cannot be written: ${fileTrouble(error)}. Name a file in a folder that exists and may be written to`, {
      cause: error,
    })
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}

async function headOf(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
