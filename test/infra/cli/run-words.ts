import type { CommandIo } from '#infra/cli/command.ts'
import { runCli } from '#infra/cli/main.ts'

/** What a command line printed and ended with. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process, as entry.ts would. The working directory is one without a longshore.yaml. */
export async function runWords(
  words: readonly string[],
  options: {
    readonly env?: CommandIo['env']
    readonly cwd?: string
    readonly signal?: AbortSignal
    readonly onOut?: (line: string) => unknown
  } = {},
): Promise<Ran> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(words, {
    out: (line) => {
      out.push(line)
      options.onOut?.(line)
    },
    err: (line) => err.push(line),
    env: options.env ?? {},
    cwd: options.cwd ?? import.meta.dirname,
    signal: options.signal ?? new AbortController().signal,
  })
  return { code, out: out.join('\n'), err: err.join('\n') }
}
