import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'

export interface Worker {
  /** Runs it once in a process of its own and gives what it sends to its parent. Rejects when it ends without a word. */
  run(words: readonly string[], nodeOptions?: readonly string[]): Promise<unknown>
  close(): Promise<void>
}

/**
 * Bundles a file of this folder, as what ships is bundled, for processes of its own: Node's own reading of TypeScript costs time and
 * 40 MiB that nobody has in production.
 */
export async function prepareWorker(root: string, file: string): Promise<Worker> {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-bench-'))
  const path = join(folder, 'worker.mjs')
  await build({
    absWorkingDir: root,
    entryPoints: [join('infra/bench', file)],
    outfile: path,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // Packages in CommonJS ask for Node's modules by require.
    banner: { js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  })
  return {
    run: (words, nodeOptions = []) =>
      new Promise((resolve, reject) => {
        const child = fork(path, [...words], { cwd: root, execArgv: [...nodeOptions], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
        let told: unknown
        child.once('message', (message) => {
          told = message
        })
        child.once('error', reject)
        child.once('exit', (code) => {
          if (told !== undefined && code === 0) resolve(told)
          else reject(new Error(`${file} ${words.join(' ')} ended with code ${code}${told === undefined ? ' and said nothing' : ''}.`))
        })
      }),
    close: () => rm(folder, { recursive: true, force: true }),
  }
}
