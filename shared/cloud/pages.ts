import type { Action, ReadAction, RequestOf, ResponseOf } from './action.ts'
import type { CloudReader, SendOptions } from './cloud.ts'
import { CloudError } from './errors.ts'
import { stringifyJson } from './json.ts'

export interface PagesOptions extends SendOptions {
  /** Rows asked for at once; 100 when absent, the most that the manual allows any list. */
  readonly limit?: number | undefined
  /** So many pages are asked for before the one in front of them has come, so that waiting for answers costs no time; 0 when absent. */
  readonly ahead?: number | undefined
  /** How many rows the list is thought to have: then pages are asked for ahead before the first one has told. Wrong, it costs calls. */
  readonly expected?: number | undefined
  /** Makes each call when its turn among others has come; at once when absent. */
  readonly inTurn?: (<T>(call: () => Promise<T>) => Promise<T>) | undefined
}

/** The request of a paged action without its page. */
export type PagedRequestOf<A> = Omit<RequestOf<A>, 'Offset' | 'Limit'>

/** What a paged action lists: the elements of the only list in its answer, or in the answer's `Data`. */
export type RowOf<A> = ListedIn<ResponseOf<A>>

type ListedIn<Response> = Response extends { readonly Data: infer Data }
  ? ElementOf<NonNullable<Data>[keyof NonNullable<Data>]>
  : ElementOf<Response[keyof Response]>

type ElementOf<Field> = Field extends readonly (infer Element)[] ? Element : never

const defaultLimit = 100
/** A list that claims more rows than this is taken for a lie; reading it would take hours and all memory. */
const mostRows = 1_000_000

/**
 * What tells two rows of a list apart, where the whole row would not do: its other fields change while it is read (a node
 * becomes ready, an image is pulled). Other lists compare whole rows.
 */
const rowKeys: Readonly<Record<string, string>> = {
  'tcr.DescribeImagePersonal': 'TagName',
  'tcr.DescribeInstances': 'RegistryId',
  'tcr.DescribeNamespacePersonal': 'Namespace',
  'tcr.DescribeRepositoryFilterPersonal': 'RepoName',
  'tcr.DescribeRepositoryOwnerPersonal': 'RepoName',
  'tke.DescribeClusterAsGroups': 'AutoScalingGroupId',
  'tke.DescribeClusterInstances': 'InstanceId',
  'tke.DescribeClusters': 'ClusterId',
  'tke.DescribeExistedInstances': 'InstanceId',
}

/**
 * Reads a whole list by Offset and Limit, and answers all rows or none.
 *
 * A list that changes while it is read shows: the total differs between pages, a row comes twice, or the last row of a
 * page is not the first of the next one, which is asked from there on. Then reading starts over once; if it moves again,
 * `cloud.bad-answer` says what moved. An answer without rows whose total is not 0 is an error at once; a total of 0 is an
 * empty list. Throws whatever the reader throws.
 *
 * With `ahead` pages overlap in time: where they begin is reckoned from the first one, and they are looked at in their order, as
 * if they had been asked for in it. Where a page brings fewer rows than the first did, those after it are asked for anew.
 */
export function pages<A extends ReadAction>(
  cloud: CloudReader,
  action: A,
  request: PagedRequestOf<A>,
  options?: PagesOptions,
): Promise<readonly RowOf<A>[]>
export async function pages(
  cloud: CloudReader,
  action: ReadAction,
  request: object,
  options: PagesOptions = {},
): Promise<readonly unknown[]> {
  const { limit = defaultLimit, ahead = 0, expected = 0, inTurn = atOnce, ...sendOptions } = options
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw misuse(action, `a page of ${limit} rows cannot be asked for; the limit is a whole number from 1`)
  if (!Number.isSafeInteger(ahead) || ahead < 0)
    throw misuse(action, `${ahead} pages cannot be asked for ahead; give a whole number from 0`)
  if ('Offset' in request || 'Limit' in request)
    throw misuse(action, 'Offset and Limit are set by the paging; leave them out of the request')
  const { paging } = action
  if (paging === undefined) throw misuse(action, 'it has no pages; send it directly')

  const ask = (offset: number): Promise<object> =>
    inTurn(() => cloud.send(action, { ...request, Offset: offset, Limit: limit }, sendOptions))
  const answers = new Ahead(ask, ahead)
  if (expected > limit) answers.begin(0, Math.max(1, limit - 1), Math.min(1, limit - 1), expected)
  const first = await readOnce(action, paging, answers)
  if (first.moved === undefined) return first.rows
  const second = await readOnce(action, paging, new Ahead(ask, ahead))
  if (second.moved === undefined) return second.rows
  throw badAnswer(
    action,
    `the list changed while it was read, twice: first ${first.moved}, then ${second.moved}. Read it again when less is going on.`,
    true,
  )
}

type Reading = { readonly rows: readonly unknown[]; readonly moved?: undefined } | { readonly moved: string }

function atOnce<T>(call: () => Promise<T>): Promise<T> {
  return call()
}

/** Asks for the pages of one reading, some of them before their turn has come to be looked at. */
class Ahead {
  readonly #ask: (offset: number) => Promise<object>
  #most: number
  /** Asked for and not taken, in the order of the list. */
  #begun: { readonly offset: number; readonly answer: Promise<object> }[] = []

  constructor(ask: (offset: number) => Promise<object>, most: number) {
    this.#ask = ask
    this.#most = most
  }

  /** The answer from this row on. */
  take(offset: number): Promise<object> {
    const next = this.#begun.shift()
    if (next === undefined) return this.#ask(offset)
    if (next.offset === offset) return next.answer
    // Reckoned wrong. Who gives pages of many sizes is asked for fewer at a time, in the end for one after the other.
    this.#begun = []
    this.#most = Math.floor(this.#most / 2)
    return this.#ask(offset)
  }

  /** Begins with the pages from `offset` on, one every `stride` rows, as long as one can bring a row below `end`. */
  begin(offset: number, stride: number, overlap: number, end: number): void {
    let from = this.#begun.length === 0 ? offset : (this.#begun.at(-1)?.offset ?? offset) + stride
    for (; this.#begun.length < this.#most && from + overlap < end; from += stride) {
      const answer = this.#ask(from)
      // Its failure is told when its turn comes, if it comes.
      answer.catch(() => undefined)
      this.#begun.push({ offset: from, answer })
    }
  }
}

async function readOnce(action: Action<string, 'read'>, paging: NonNullable<Action['paging']>, answers: Ahead): Promise<Reading> {
  const rows: unknown[] = []
  const seen = new Map<string, number>()
  let total: number | undefined
  let lastKey: string | undefined
  let largest = 0
  for (;;) {
    const before = rows.length
    // From the second page on, the last row known is asked for again: if it is not there, the list has shifted.
    const overlap = lastKey === undefined ? 0 : 1
    const offset = rows.length - overlap
    const response = await answers.take(offset)
    const page = pageOf(action, paging, response, offset)
    if (total !== undefined && page.total !== total) return { moved: `the total went from ${total} to ${page.total}` }
    total = page.total
    if (overlap === 1) {
      const again = page.rows[0]
      if (again === undefined || keyOf(action, again) !== lastKey) return { moved: `row ${offset} was not the same when asked again` }
    }
    for (const row of page.rows.slice(overlap)) {
      const key = keyOf(action, row)
      const position = seen.get(key)
      // Rows without an identity (log lines) may be equal in truth, but then they come side by side in one answer.
      if (position !== undefined && (position < before || hasIdentity(action, row)))
        return { moved: `row ${rows.length} of ${total} came twice` }
      seen.set(key, rows.length)
      rows.push(row)
      lastKey = key
    }
    if (rows.length === total) return { rows }
    if (rows.length > total) return { moved: `${rows.length} rows came of a total of ${total}` }
    if (page.rows.length === overlap) return { moved: `no row came after ${rows.length} of ${total}` }
    // Pages of one row cannot overlap and still get on.
    if (page.rows.length === 1) lastKey = undefined
    largest = Math.max(largest, page.rows.length)
    const nextOverlap = lastKey === undefined ? 0 : 1
    answers.begin(rows.length - nextOverlap, Math.max(1, largest - nextOverlap), nextOverlap, total)
  }
}

function pageOf(
  action: Action,
  paging: NonNullable<Action['paging']>,
  response: object,
  offset: number,
): { readonly rows: readonly unknown[]; readonly total: number } {
  const total = wholeNumber(at(response, paging.total))
  if (total === undefined) throw badAnswer(action, `the answer from row ${offset} has no total in ${paging.total.join('.')}`, false)
  if (total > mostRows) throw badAnswer(action, `the answer claims ${total} rows, more than ${mostRows}. Narrow the request.`, false)
  const rows: unknown = at(response, paging.items)
  if (rows === null || rows === undefined) {
    if (total === 0) return { rows: [], total }
    throw badAnswer(action, `the answer from row ${offset} has no rows in ${paging.items.join('.')} though its total is ${total}`, true)
  }
  if (!Array.isArray(rows))
    throw badAnswer(action, `the answer from row ${offset} has something else than a list in ${paging.items.join('.')}`, false)
  return { rows, total }
}

function at(value: unknown, path: readonly string[]): unknown {
  let found = value
  for (const name of path) {
    if (typeof found !== 'object' || found === null) return undefined
    found = Reflect.get(found, name)
  }
  return found
}

function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 ? number : undefined
}

function keyOf(action: Action, row: unknown): string {
  return identityOf(action, row) ?? stringifyJson(row)
}

function hasIdentity(action: Action, row: unknown): boolean {
  return identityOf(action, row) !== undefined
}

/** The id in a row, or the row itself where the list is of ids. */
function identityOf(action: Action, row: unknown): string | undefined {
  if (typeof row === 'string') return row
  const name = rowKeys[`${action.service}.${action.name}`]
  const key = name === undefined ? undefined : at(row, [name])
  return typeof key === 'string' && key !== '' ? key : undefined
}

function misuse(action: Action, what: string): CloudError {
  const name = `${action.service}.${action.name}`
  return new CloudError(`${name}: ${what}; nothing was sent.`, {
    kind: 'cloud.invalid-request',
    code: 'cloud.invalid-request',
    action: name,
    retryable: false,
  })
}

function badAnswer(action: Action, what: string, retryable: boolean): CloudError {
  const name = `${action.service}.${action.name}`
  return new CloudError(`${name}: ${what}`, { kind: 'cloud.bad-answer', code: 'cloud.bad-answer', action: name, retryable })
}
