/** One command of `longshore`: its words, and what it does. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string
  /** The full text of `longshore <command> --help`. */
  readonly help: string
  /** Runs with the words after the command's name; the answer is the exit code. */
  readonly run: (words: readonly string[], io: CommandIo) => Promise<number>
}

/** Where a command reads and writes: the process's own streams, or a test's. */
export interface CommandIo {
  readonly out: (line: string) => void
  readonly err: (line: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** The folder that relative paths are taken from. */
  readonly cwd: string
  /** Aborted at Ctrl-C or a termination signal. */
  readonly signal: AbortSignal
}

/** A mistake in the words of a command: printed with the command's usage, exit code 1, no stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
