import { createInterface } from 'node:readline/promises'

/** Asks a person a question and answers what was typed; undefined where nobody is at a terminal, or nothing more will be typed. */
export type Ask = (question: string, signal: AbortSignal) => Promise<string | undefined>

/** Asks on the terminal of this process. */
export const askOnTerminal: Ask = async (question, signal) => {
  if (!process.stdin.isTTY) return undefined
  // The question goes where messages go, so that what is printed can be piped.
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const ended = new Promise<undefined>((resolve) => {
      lines.once('close', () => resolve(undefined))
    })
    return await Promise.race([lines.question(question, { signal }), ended])
  } finally {
    lines.close()
  }
}
