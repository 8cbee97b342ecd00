/** Says that an event waits. Only a hint: what is to be done is in the inbox, and is found there without any nudge. */
export interface InboxNudge {
  readonly function: string
  /** The entry's id. */
  readonly id: string
  /** What is worked on in order. */
  readonly group: string
  /** The same for nudges about the same wait; another one after every try that failed. */
  readonly once: string
}

/** Wakes whoever works on events: a queue on AWS, a loop on this machine. May fail, be late, or repeat: nothing hangs on it. */
export interface Nudge {
  send(nudge: InboxNudge): Promise<void>
}
