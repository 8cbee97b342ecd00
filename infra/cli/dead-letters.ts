import { parseArgs } from 'node:util'
import { stringifyJson } from '#cloud/json.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { functionNames } from '#shared/runtime/definition.ts'
import { createDeadLetters, type DeadLetter, type DeadLetters } from '#shared/safety/dead-letters.ts'
import type { Store } from '#shared/safety/store.ts'
import { type Command, type CommandIo, UsageError } from './command.ts'

/** Opens the store that a configuration names; the command closes it. */
export type OpenConfiguredStore = (io: CommandIo, configPath: string | undefined) => Promise<Store>

const verbs = ['list', 'show', 'retry', 'discard'] as const
type Verb = (typeof verbs)[number]

/** Makes the command. `now` is the machine's time when absent. */
export function createDeadLettersCommand(openStore: OpenConfiguredStore, now: () => number = Date.now): Command {
  return {
    summary: 'look at events that nobody tries any more, try them again or give them up',
    help: `Usage: longshore dead-letters list [--function NAME] [--json] [--config FILE]
       longshore dead-letters show <id> [--json] [--config FILE]
       longshore dead-letters retry <id>... [--config FILE]
       longshore dead-letters discard <id>... [--config FILE]

An event that a webhook took in and that could not be worked on, however often it was tried, is dead: it stays in the store
until somebody decides about it. Works on the store of FILE (longshore.yaml when absent).

  list      one line per dead event: function, id, source, group, when it died, after how many tries, and why
  show      all that is known about one, with what was received
  retry     puts it back in line with all its tries ahead; the functions take it up at their next look
  discard   gives it up: it counts as done

An id may be cut to its first characters, as long as only one event begins so. Exit code 1 when there is no such event.

Example: longshore dead-letters list --function redeploy-hook`,
    run: async (words, io) => {
      const { values, positionals } = parseArgs({
        args: [...words],
        allowPositionals: true,
        options: { function: { type: 'string' }, json: { type: 'boolean' }, config: { type: 'string' } },
      })
      const [first, ...ids] = positionals
      const verb = verbOf(first)
      const names = functionNames.filter((name) => values.function === undefined || values.function === name)
      if (names.length === 0) throw new UsageError(`there is no function "${values.function}"; known: ${functionNames.join(', ')}`)
      checkIds(verb, ids)
      const store = await openStore(io, values.config)
      try {
        const desks = names.map((name) => createDeadLetters(store, { function: name }))
        const work = { desks, io, now: now(), json: values.json === true }
        if (verb === 'list') return await list(work)
        let code = 0
        for (const id of ids) if (!(await decide(verb, id, work))) code = 1
        return code
      } finally {
        await store.close()
      }
    },
  }
}

function verbOf(word: string | undefined): Verb {
  const verb = verbs.find((one) => one === word)
  if (verb !== undefined) return verb
  if (word === undefined) throw new UsageError(`say what to do: ${verbs.join(', ')}`)
  const near = nearest(word, verbs)
  throw new UsageError(
    `there is no "dead-letters ${word}"; ${near === undefined ? `known: ${verbs.join(', ')}` : `did you mean "${near}"?`}`,
  )
}

function checkIds(verb: Verb, ids: readonly string[]): void {
  if (verb === 'list' && ids.length > 0) throw new UsageError('list takes no id; `dead-letters show <id>` shows one')
  if (verb !== 'list' && ids.length === 0) throw new UsageError(`${verb} needs an id; \`dead-letters list\` shows them`)
  if (verb === 'show' && ids.length > 1) throw new UsageError('show takes one id')
  const strange = ids.find((id) => !/^[0-9a-f]{4,40}$/.test(id))
  if (strange !== undefined) throw new UsageError(`"${oneLine(strange)}" is no id: give 4 to 40 of its hexadecimal digits`)
}

interface Work {
  readonly desks: readonly DeadLetters[]
  readonly io: CommandIo
  readonly now: number
  readonly json: boolean
}

async function list({ desks, io, now, json }: Work): Promise<number> {
  let count = 0
  for (const desk of desks) {
    let after: string | undefined
    do {
      const page = await desk.list({ now, after })
      for (const letter of page.letters) {
        count += 1
        io.out(json ? stringifyJson(plainOf(desk, letter)) : lineOf(desk, letter))
      }
      after = page.next
    } while (after !== undefined)
  }
  if (count === 0 && !json) io.out('There are no dead letters.')
  return 0
}

/** Finds the one event that is meant and does it; false when there is none, or more than one. */
async function decide(verb: Exclude<Verb, 'list'>, id: string, work: Work): Promise<boolean> {
  const { desks, io, now } = work
  const found: { readonly desk: DeadLetters; readonly letter: DeadLetter }[] = []
  for (const desk of desks) for (const letter of await desk.find(id, { now })) found.push({ desk, letter })
  const [only] = found
  if (only === undefined) {
    io.err(`There is no dead letter ${id}. \`longshore dead-letters list\` shows what there is.`)
    return false
  }
  if (found.length > 1) {
    io.err(`${found.length} dead letters begin with ${id}; give more of the id: ${found.map(({ letter }) => letter.id).join(', ')}`)
    return false
  }
  const { desk, letter } = only
  switch (verb) {
    case 'show':
      show(desk, letter, work)
      return true
    case 'retry':
      if (letter.damage !== undefined) {
        io.err(`${shortId(letter)} of ${desk.function} cannot be tried again: ${letter.damage}`)
        return false
      }
      await desk.retry(letter.id, { now })
      io.out(`${desk.function}  ${shortId(letter)} is in line again; it is taken up at the next look.`)
      return true
    case 'discard':
      await desk.discard(letter.id, { now })
      io.out(`${desk.function}  ${shortId(letter)} is given up.`)
      return true
  }
}

function show(desk: DeadLetters, letter: DeadLetter, { io, json }: Work): void {
  if (json) {
    io.out(stringifyJson(plainOf(desk, letter)))
    return
  }
  const { entry } = letter
  const rows: [string, string][] = [
    ['function', desk.function],
    ['id', letter.id],
    ['died', diedAt(letter)],
  ]
  if (entry === undefined) rows.push(['damaged', letter.damage ?? ''])
  else {
    rows.push(
      ['source', entry.source],
      ["sender's id", entry.key],
      ['group', entry.group],
      ['received', instant(entry.receivedAt)],
      ['tries', String(entry.attempt)],
      ['why', entry.error === undefined ? '' : `${entry.error.code}: ${entry.error.text}`],
      ['payload', stringifyJson(entry.payload)],
    )
  }
  for (const [name, text] of rows) io.out(`${name.padEnd(11)}  ${oneLine(text)}`)
}

function lineOf(desk: DeadLetters, letter: DeadLetter): string {
  const { entry } = letter
  if (entry === undefined) return [desk.function, shortId(letter), oneLine(letter.damage ?? 'damaged')].join('  ')
  const tries = entry.attempt === 1 ? '1 try' : `${entry.attempt} tries`
  const why = entry.error === undefined ? '' : `${entry.error.code}: ${entry.error.text}`
  return [desk.function, shortId(letter), entry.source, entry.group, `died ${diedAt(letter)} after ${tries}`, why].map(oneLine).join('  ')
}

/** For programs. */
function plainOf(desk: DeadLetters, { id, diedAt: at, entry, damage }: DeadLetter): object {
  const facts = { function: desk.function, id, diedAt: at === undefined ? undefined : instant(at) }
  if (entry === undefined) return { ...facts, damage }
  const { source, key, group, receivedAt, attempt, error, payload } = entry
  const why = error === undefined ? undefined : { at: instant(error.at), code: error.code, text: error.text }
  return { ...facts, source, key, group, receivedAt: instant(receivedAt), tries: attempt, error: why, payload }
}

function shortId({ id }: DeadLetter): string {
  return id.slice(0, 12)
}

function diedAt({ diedAt: at }: DeadLetter): string {
  return at === undefined ? 'nobody knows when' : instant(at)
}

function instant(ms: number): string {
  return new Date(ms).toISOString()
}

/** Strangers chose it: control characters and text-direction marks, which could forge a line, become blanks. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
}
