/** Stops everything at once. Read before each change, and again right before each write. */
export interface KillSwitch {
  /** What and where it is, for people: `the kill switch in ConfigMap ops/longshore of cls-1`. */
  readonly name: string
  /**
   * What it says. Whatever is thrown means that nobody knows, and then nothing is written. Answers or throws within a time
   * limit of its own.
   */
  read(now: number): Promise<'run' | 'stop'>
  /** Who stopped it and why, in a sentence; asked for only after `stop`. Undefined when that is not known. */
  why?(now: number): Promise<string | undefined>
}

/**
 * - `kill-switch.unreachable` it could not be read, or is not there
 * - `kill-switch.unknown-value` it says neither `run` nor `stop`, which counts as `stop`
 */
export type KillSwitchErrorKind = 'kill-switch.unreachable' | 'kill-switch.unknown-value'

/** A kill switch that does not say `run`. The message names the switch and says what to do; it never shows what it says. */
export class KillSwitchError extends Error {
  override readonly name = 'KillSwitchError'
  readonly kind: KillSwitchErrorKind

  constructor(kind: KillSwitchErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.kind = kind
  }
}

/** Reads exactly `run` or `stop`; blanks and capitals count. Throws KillSwitchError. */
export function killSwitchValue(value: unknown, name: string): 'run' | 'stop' {
  if (value === 'run' || value === 'stop') return value
  const what = typeof value === 'string' ? `a text of ${value.length} characters` : `no text (${value === null ? 'null' : typeof value})`
  const word = typeof value === 'string' ? value.trim().toLowerCase() : ''
  const but = word === 'run' || word === 'stop' ? `, ${word} but for blanks or capitals` : ''
  throw new KillSwitchError(
    'kill-switch.unknown-value',
    `${name} says neither run nor stop but ${what}${but}, which counts as stop; write exactly run or stop.`,
  )
}

/** The error of a switch that could not be read. */
export function unreachable(name: string, why: string, cause?: unknown): KillSwitchError {
  return new KillSwitchError('kill-switch.unreachable', `${name} cannot be read: ${why}`, cause === undefined ? undefined : { cause })
}
