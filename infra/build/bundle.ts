import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'
import { lazyBuiltins } from './lazy-builtins.ts'

/** What became of one function's code. */
export interface Bundle {
  readonly function: string
  /** The folder that is packaged, relative to the root. */
  readonly folder: string
  /** Files in it with their sizes; handler.mjs first, then what it loads when it needs it. */
  readonly files: readonly { readonly name: string; readonly sizeBytes: number }[]
  readonly sizeBytes: number
  /** What of it is loaded before the first event: handler.mjs and all that it imports by name. */
  readonly startBytes: number
  /** Source files of which something is in the bundle, relative to the root. */
  readonly sources: readonly string[]
}

/**
 * Bundles functions/<name>/handler.ts and all it imports into dist/<name>/, after emptying that folder. Minified ES modules for
 * Node 24; what is imported on demand becomes a file of its own, which costs nothing until it is needed. The same sources give
 * the same bytes.
 *
 * `yaml` is left out, since the configuration is compiled to JSON; the AWS SDK is the runtime's. Throws when a source does
 * not compile.
 */
export async function bundleFunction(root: string, name: string): Promise<Bundle> {
  const folder = `dist/${name}`
  await rm(join(root, folder), { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [{ in: `functions/${name}/handler.ts`, out: 'handler' }],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunk-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minify: true,
    legalComments: 'none',
    charset: 'utf8',
    external: ['yaml', '@aws-sdk/*'],
    plugins: [lazyBuiltins, withoutLocalStores],
    metafile: true,
    logLevel: 'silent',
  })
  return describe(name, folder, metafile)
}

/**
 * Stores in a file or in memory do not outlive a Lambda's sandbox, so a bundle has neither: asking for one is an error that
 * says what to configure.
 */
const withoutLocalStores: Plugin = {
  name: 'without-local-stores',
  setup: (build) => {
    build.onLoad({ filter: /shared\/safety\/store-(sqlite|memory)\.ts$/ }, ({ path }) => {
      const text =
        'Store: a function on Lambda keeps its store in DynamoDB; set LONGSHORE_TABLE, or store.kind: dynamodb in the configuration.'
      const fail = `() => { throw new StoreError('store.misconfigured', ${JSON.stringify(text)}) }`
      return {
        contents: `import { StoreError } from './store.ts'\nexport const openSqliteStore = ${fail}\nexport const openMemoryStore = ${fail}\nexport class MemoryDisk {}`,
        loader: 'ts',
        resolveDir: dirname(path),
      }
    })
  },
}

const entryName = 'handler.mjs'

function describe(name: string, folder: string, metafile: Metafile): Bundle {
  const outputs = Object.entries(metafile.outputs).map(([path, output]) => ({ name: basename(path), output }))
  // What is loaded at the start is first, for a reader.
  outputs.sort((left, right) => Number(right.name === entryName) - Number(left.name === entryName) || compare(left.name, right.name))
  const sources = outputs.flatMap(({ output }) =>
    Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  )
  return {
    function: name,
    folder,
    files: outputs.map((file) => ({ name: file.name, sizeBytes: file.output.bytes })),
    sizeBytes: outputs.reduce((sum, { output }) => sum + output.bytes, 0),
    startBytes: startBytes(`${folder}/${entryName}`, metafile.outputs, new Set()),
    sources: [...new Set(sources)].sort(),
  }
}

function startBytes(path: string, outputs: Metafile['outputs'], seen: Set<string>): number {
  const output = outputs[path]
  if (output === undefined || seen.has(path)) return 0
  seen.add(path)
  const eager = output.imports.filter(({ kind }) => kind === 'import-statement')
  return eager.reduce((sum, imported) => sum + startBytes(imported.path, outputs, seen), output.bytes)
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
