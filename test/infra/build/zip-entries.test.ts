import { describe, expect, it } from 'vitest'
import { zipEntries } from '#infra/build/zip-entries.ts'

/** An empty file `a.txt`, as a zip. */
const local = Buffer.concat([Buffer.from([0x50, 0x4b, 3, 4]), Buffer.alloc(22), Buffer.from([5, 0, 0, 0]), Buffer.from('a.txt')])
const directory = Buffer.concat([
  Buffer.from([0x50, 0x4b, 1, 2]),
  Buffer.alloc(24),
  Buffer.from([5, 0]),
  Buffer.alloc(16),
  Buffer.from('a.txt'),
])

function endOf(count: number, offset: number): Buffer {
  const end = Buffer.alloc(22)
  end.write('PK\u0005\u0006', 'latin1')
  end.writeUInt16LE(count, 10)
  end.writeUInt32LE(offset, 16)
  return end
}

describe('zipEntries', () => {
  it('lists the files, also behind a comment', () => {
    expect(zipEntries(Buffer.concat([local, directory, endOf(1, local.length)]))).toEqual(['a.txt'])
    expect(zipEntries(Buffer.concat([local, directory, endOf(1, local.length), Buffer.from('a comment')]))).toEqual(['a.txt'])
    expect(zipEntries(endOf(0, 0))).toEqual([])
  })

  it('refuses what is no zip, or a damaged one', () => {
    expect(() => zipEntries(Buffer.from('not a zip'))).toThrow('This is no zip')
    expect(() => zipEntries(Buffer.concat([local, directory, endOf(1, 3)]))).toThrow('damaged')
  })
})
