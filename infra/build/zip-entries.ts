const endOfDirectory = 0x06054b50
const directoryEntry = 0x02014b50

/** Names of the files in a zip, sorted, from its central directory. Throws when there is none. Zips beyond 4 GiB are not understood. */
export function zipEntries(zip: Buffer): string[] {
  let end = zip.length - 22
  while (end >= 0 && zip.readUInt32LE(end) !== endOfDirectory) end--
  if (end < 0) throw new Error('This is no zip: it has no directory at its end.')
  const names: string[] = []
  let offset = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    if (zip.readUInt32LE(offset) !== directoryEntry) throw new Error('This zip is damaged: its directory does not hold what it says.')
    const nameLength = zip.readUInt16LE(offset + 28)
    names.push(zip.toString('utf8', offset + 46, offset + 46 + nameLength))
    offset += 46 + nameLength + zip.readUInt16LE(offset + 30) + zip.readUInt16LE(offset + 32)
  }
  return names.sort()
}
