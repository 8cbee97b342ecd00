import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { build, type Metafile } from 'esbuild'
import { lazyBuiltins } from '#infra/build/lazy-builtins.ts'
import { goal, type Measured, type Section } from './section.ts'

export interface KernelSizeRow {
  readonly function: string
  /** Of the whole bundle, minified. */
  readonly bundleKib: number
  /** What of it comes from shared/safety and from the wiring of it in shared/runtime/kernel.ts. */
  readonly kernelKib: number
  /** What of that is loaded before the first event; the rest waits until something is to be written. */
  readonly atStartKib: number
  readonly files: number
}

/** What the safety kernel adds to each function's bundle. The AWS SDK is Lambda's and in no bundle; stores in files are in none either. */
export const kernelSize: Section = {
  name: 'kernelSize',
  title: 'What the safety kernel adds to a bundle:',
  measure: ({ root }) => measureKernelSize(root),
}

/** Bundles every function in memory, as packaging does, and adds up what came from the kernel's own files. */
export async function measureKernelSize(root: string): Promise<Measured<KernelSizeRow>> {
  const folders = await readdir(join(root, 'functions'), { withFileTypes: true })
  const rows: KernelSizeRow[] = []
  for (const folder of folders.filter((entry) => entry.isDirectory())) {
    const { metafile } = await build({
      absWorkingDir: root,
      entryPoints: [`functions/${folder.name}/handler.ts`],
      outdir: 'dist',
      write: false,
      bundle: true,
      splitting: true,
      minify: true,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      legalComments: 'none',
      charset: 'utf8',
      external: ['yaml', '@aws-sdk/*'],
      plugins: [lazyBuiltins],
      metafile: true,
      logLevel: 'error',
    })
    rows.push(rowOf(folder.name, metafile))
  }
  return { rows, goals: [goal('the kernel in a bundle', Math.max(...rows.map(({ kernelKib }) => kernelKib)), { most: 60 }, 'KiB')] }
}

const localStore = /^shared\/safety\/store-(sqlite|memory|sqlite-file)\.ts$/

function isKernel(path: string): boolean {
  return (path.startsWith('shared/safety/') && !localStore.test(path)) || path === 'shared/runtime/kernel.ts'
}

function rowOf(name: string, metafile: Metafile): KernelSizeRow {
  const outputs = Object.entries(metafile.outputs)
  const bytesOf = (chosen: typeof outputs, counts: (path: string) => boolean): number =>
    chosen.reduce(
      (sum, [, { inputs }]) =>
        sum + Object.entries(inputs).reduce((own, [path, { bytesInOutput }]) => own + (counts(path) ? bytesInOutput : 0), 0),
      0,
    )
  const entry = outputs.find(([, { entryPoint }]) => entryPoint !== undefined)?.[0] ?? ''
  const atStart = loadedBy(entry, metafile.outputs)
  const files = new Set(
    outputs.flatMap(([, { inputs }]) =>
      Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 && isKernel(path) ? [path] : [])),
    ),
  )
  return {
    function: name,
    bundleKib: kib(bytesOf(outputs, (path) => !localStore.test(path))),
    kernelKib: kib(bytesOf(outputs, isKernel)),
    atStartKib: kib(
      bytesOf(
        outputs.filter(([path]) => atStart.has(path)),
        isKernel,
      ),
    ),
    files: files.size,
  }
}

/** A file and everything that it imports by name, and so on. */
function loadedBy(path: string, outputs: Metafile['outputs'], seen = new Set<string>()): Set<string> {
  const output = outputs[path]
  if (output === undefined || seen.has(path)) return seen
  seen.add(path)
  for (const { kind, path: imported } of output.imports) if (kind === 'import-statement') loadedBy(imported, outputs, seen)
  return seen
}

function kib(bytes: number): number {
  return Math.round((bytes / 1024) * 10) / 10
}
