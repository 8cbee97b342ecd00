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
  /** Aborted at Ctrl-C or a termination signal, with a `Stopped` as its reason. */
  readonly signal: AbortSignal
  /** Columns of the terminal that `out` goes to, now; undefined when it goes somewhere else. Absent is nowhere a terminal. */
  readonly terminalColumns?: () => number | undefined
  /** Replaces the last line of the terminal that `err` goes to by this one, or by nothing; absent when it goes somewhere else. */
  readonly draw?: (line: string) => void
}

/** Why `signal` was aborted, and the exit code of what did not get done because of it. */
export class Stopped extends Error {
  override readonly name = 'Stopped'
  readonly exitCode: number

  constructor(signalName: string, exitCode: number) {
    super(`stopped by ${signalName}`)
    this.exitCode = exitCode
  }
}

/** What a command that was stopped before it was done ends with: 130 after Ctrl-C, 143 after SIGTERM. */
export function stoppedCode(signal: AbortSignal): number {
  return signal.reason instanceof Stopped ? signal.reason.exitCode : 130
}

/** A mistake in the words of a command: printed with the command's usage, exit code 1, no stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
