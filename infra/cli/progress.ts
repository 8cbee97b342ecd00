import type { CommandIo } from './command.ts'

/** How far something has come, drawn on a terminal and nowhere else. */
export interface Progress {
  /** What is being done now, `done` of `total` being behind it. */
  readonly at: (done: number, total: number, what: string) => void
  /** Prints a line above the bar. */
  readonly print: (line: string) => void
  /** Takes the bar away. */
  readonly end: () => void
}

const barWidth = 24

/** Draws a bar on the terminal that messages go to; without one, as in a log, only what is printed is there. */
export function createProgress({ draw }: Pick<CommandIo, 'draw'>, print: (line: string) => void): Progress {
  let bar = ''
  const show = (text: string): void => {
    bar = text
    draw?.(text)
  }
  return {
    at: (done, total, what) => show(barText(done, total, what)),
    print: (line) => {
      // The two may be one and the same terminal.
      if (bar !== '') draw?.('')
      print(line)
      if (bar !== '') draw?.(bar)
    },
    end: () => {
      if (bar !== '') show('')
    },
  }
}

/** `[######------]  3/12  shop/web`. */
export function barText(done: number, total: number, what: string): string {
  const filled = total === 0 ? 0 : Math.round((Math.min(done, total) / total) * barWidth)
  const clean = what.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
  return `[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}]  ${done}/${total}  ${clean}`
}
