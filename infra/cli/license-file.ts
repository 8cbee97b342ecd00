import { randomUUID } from 'node:crypto'
import { lstat, open, rename, rm } from 'node:fs/promises'
import { fileTrouble } from './words.ts'

/** So many characters go to the disk at once. */
const pieceLength = 256 * 1024

/**
 * Writes a file piece by piece and puts it in its place when it is whole, so that whoever reads it never sees half of it; what was there
 * stays when something goes wrong. A link or a device is never replaced: as root, `/dev/null` would be a file from then on. Answers how
 * many bytes it has. Throws a sentence when it cannot be written.
 */
export async function writeWhole(path: string, pieces: AsyncIterable<string> | Iterable<string>): Promise<number> {
  const newPath = `${path}.${randomUUID()}.new`
  try {
    if (await isNoFile(path)) throw new Error(`${path} is not written: it is a link or a device, and no file. Name a file`)
    const file = await open(newPath, 'wx')
    let bytes = 0
    try {
      let text = ''
      for await (const piece of pieces) {
        text += piece
        if (text.length < pieceLength) continue
        bytes += (await file.write(text)).bytesWritten
        text = ''
      }
      if (text !== '') bytes += (await file.write(text)).bytesWritten
    } finally {
      await file.close()
    }
    await rename(newPath, path)
    return bytes
  } catch (error) {
    await rm(newPath, { force: true })
    if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error
    throw new Error(`${path} cannot be written: ${fileTrouble(error)}. Name a file in a folder that exists and may be written to`, {
      cause: error,
    })
  }
}

/** Whether there is something else than a file; a folder is told by the system itself. */
async function isNoFile(path: string): Promise<boolean> {
  try {
    const there = await lstat(path)
    return !there.isFile() && !there.isDirectory()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/** One row of CSV as spreadsheets read it (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe in front. */
export function csvRow(cells: readonly (string | number | undefined)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

function csvCell(cell: string | number | undefined): string {
  if (cell === undefined) return ''
  if (typeof cell === 'number') return String(cell)
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** `1.2 MiB`, `12 KiB`. */
export function fileSize(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
