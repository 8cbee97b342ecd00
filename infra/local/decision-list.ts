import type { Decision, Outcome } from '#shared/pure/step.ts'
import { decisionCells, decisionLine } from '#shared/runtime/log.ts'

export interface ListOptions {
  /** Columns of the terminal: reasons are cut there. Nothing is cut when absent. */
  readonly columns?: number | undefined
  /** Also what only says that another rule decides. */
  readonly all?: boolean | undefined
}

/** Decisions for a person: what was done first, then what went wrong, then what was left alone. */
export interface DecisionList {
  readonly lines: readonly string[]
  /** How many were left out. */
  readonly superseded: number
  /** Whether a reason was cut. */
  readonly isCut: boolean
}

const order: readonly Outcome[] = ['Applied', 'Planned', 'Failed', 'Held', 'Missed', 'Invalid', 'NoChange', 'Skipped']

/** Widest columns of function, outcome, target and change; what is wider moves the rest of its own line only. */
const widest = [16, 8, 56, 32]

/** What the reasons need at least for a table to be worth its room. */
const leastColumn = 40

/** Less of a reason than this says nothing. */
const leastReason = 12

/** One line for each decision, in columns, in the order of what matters; those of one outcome stay in their order. */
export function decisionList(decisions: readonly Decision[], options: ListOptions = {}): DecisionList {
  const shown = decisions
    .filter((decision) => options.all === true || !isSuperseded(decision))
    .toSorted((one, other) => order.indexOf(one.outcome) - order.indexOf(other.outcome))
  const { columns } = options
  const fitting = shown.map((decision) => (columns === undefined || fits(decision, columns) ? decision : withShortImages(decision)))
  const cells = fitting.map(decisionCells)
  const full = widest.map((most, column) => Math.min(most, Math.max(0, ...cells.map((row) => row[column]?.length ?? 0))))
  // Where columns would leave no room for reasons, only the first two are kept.
  const isNarrow = columns !== undefined && columns - reasonAt([], full) < leastColumn
  const widths = isNarrow ? full.slice(0, 2) : full
  const whole = fitting.map((decision) => decisionLine(decision, widths))
  const lines = columns === undefined ? whole : whole.map((line, row) => cutReason(line, reasonAt(cells[row] ?? [], widths), columns))
  const isCut = lines.some((line, row) => line !== whole[row]) || fitting.some((decision, row) => decision !== shown[row])
  return { lines, superseded: decisions.length - shown.length, isCut }
}

function fits(decision: Decision, columns: number): boolean {
  return decisionLine(decision).length <= columns
}

const registryHost = /(?<![^\s=])[\w-]+(?:\.[\w-]+)+(?::\d+)?\//g
const digest = /(sha256:[0-9a-f]{12})[0-9a-f]{52}/g
const oneImage = /^([\w.-]+(?:\/[\w.-]+)+):([\w.-]+)$/

/** The same with images by their names in the registry: with two whole ones there is room for no reason. */
function withShortImages(decision: Decision): Decision {
  const [before = '', after = ''] = [decision.before, decision.after].map((text) => text.replace(registryHost, '').replace(digest, '$1…'))
  if (before === decision.before && after === decision.after) return decision
  const [, repository, tag] = oneImage.exec(after) ?? []
  const isSame = before !== after && repository !== undefined && oneImage.exec(before)?.[1] === repository
  return { ...decision, before, after: isSame ? (tag ?? after) : after }
}

/** What was hidden and how to see it, for the end of a line; empty when nothing was. */
export function hiddenText({ superseded, isCut }: DecisionList): string {
  return [
    ...(superseded > 0 ? [`+${superseded} superseded, --all shows them`] : []),
    ...(isCut ? ['reasons are cut, --wide shows them whole'] : []),
  ].join('; ')
}

/** Whether it only says that a later firing of another rule decides about the same target, which has a line of its own. */
function isSuperseded({ outcome, reason }: Decision): boolean {
  return outcome === 'Skipped' && reason.code === 'superseded'
}

/** Where the reason begins in a line of these cells. */
function reasonAt(cells: readonly string[], widths: readonly number[]): number {
  return widest.reduce((at, _, column) => {
    const width = Math.max(cells[column]?.length ?? 0, widths[column] ?? 0)
    return width === 0 ? at : at + width + 2
  }, 0)
}

/** Everything before the reason stays, however narrow the terminal is. */
function cutReason(line: string, at: number, columns: number): string {
  if (line.length <= columns || line.length <= at) return line
  if (columns - at > leastReason)
    return `${line
      .slice(0, columns - 1)
      .trimEnd()
      .toWellFormed()}…`
  return `${line.slice(0, at).trimEnd()} …`
}
