import { mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeWhole } from '#infra/cli/license-file.ts'
import { checkOutput, pageOutput, snapshotOutput } from '#infra/cli/output-file.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-output-'))
  await writeFile(join(folder, 'longshore.yaml'), 'mode: plan\n')
  await writeFile(join(folder, 'old.json'), '{\n  "format": "longshore-snapshot",\n')
  await writeFile(join(folder, 'old.html'), '<!doctype html>\n')
  await symlink('longshore.yaml', join(folder, 'link'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

describe('a file that a command is about to write', () => {
  it('replaces an older one of its kind', async () => {
    await checkOutput(join(folder, 'old.json'), snapshotOutput)
    await checkOutput(join(folder, 'old.html'), pageOutput)
    await checkOutput(join(folder, 'new.html'), pageOutput)
  })

  it.each([
    ['longshore.yaml', 'it is not a snapshot'],
    ['old.html', 'it is not a snapshot'],
    ['link', 'it is a link or a device'],
    ['.', 'it is a folder'],
    ['none/x.json', 'there is no such file or folder'],
    ['longshore.yaml/x.json', 'is none'],
  ])('does not overwrite what is something else: %s', async (name, says) => {
    await expect(checkOutput(join(folder, name), snapshotOutput)).rejects.toThrow(says)
  })

  it('never takes the place of a device or a link', async () => {
    await expect(writeWhole('/dev/null', ['x'])).rejects.toThrow('it is a link or a device')
    await expect(writeWhole(join(folder, 'link'), ['x'])).rejects.toThrow('it is a link or a device')
    expect(await readlink(join(folder, 'link'))).toBe('longshore.yaml')
    expect(await readFile(join(folder, 'longshore.yaml'), 'utf8')).toBe('mode: plan\n')
  })
})
