import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Catalog } from './catalog.ts'
import { generate } from './generate.ts'

const root = join(import.meta.dirname, '../../shared/cloud/generated')

/** Writes the generated files, or with `--check` compares them and exits 1 at the first difference. */
async function main(check: boolean): Promise<void> {
  const catalog: Catalog = JSON.parse(await readFile(join(import.meta.dirname, 'catalog.json'), 'utf8'))
  const wanted = generate(catalog)
  const present = new Set((await readdir(root, { recursive: true })).filter((path) => path.endsWith('.ts')))
  const stale = [...present].filter((path) => !wanted.has(path))
  if (check) {
    const wrong = [...stale]
    for (const [path, text] of wanted) {
      if (!present.has(path) || (await readFile(join(root, path), 'utf8')) !== text) wrong.push(path)
    }
    if (wrong.length > 0) {
      console.error(`shared/cloud/generated is not what the catalog gives; run \`npm run codegen\`. Differing: ${wrong.join(', ')}`)
      process.exitCode = 1
      return
    }
    console.log(`${wanted.size} generated files are what the catalog gives`)
    return
  }
  for (const path of stale) await rm(join(root, path))
  for (const [path, text] of wanted) {
    const file = join(root, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }
  console.log(`${wanted.size} files written`)
}

await main(process.argv.includes('--check'))
