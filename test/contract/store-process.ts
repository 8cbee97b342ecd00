/**
 * A process of its own that works on a store; the contract suite starts it, kills it, and compares. It prints a line for each
 * acknowledged piece of work. Arguments: what to do, where the store is (JSON), a name for this process, how often.
 */
import { existsSync, writeSync } from 'node:fs'
import type { Store } from '#shared/safety/store.ts'
import { openDynamoStore } from '#shared/safety/store-dynamodb.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { dynaliteCredentials } from './dynalite-credentials.ts'

export type StorePlace = { readonly path: string } | { readonly endpoint: string; readonly table: string }

const [task = '', placeText = '', name = '', timesText = '0'] = process.argv.slice(2)
const place = JSON.parse(placeText) as StorePlace
const now = 1_790_000_000_000

if (task === 'make') await make()
const store = await open(place)
if (task === 'write') await write(store)
else if (task === 'count') await count(store, Number(timesText))
else if (task === 'fill') await fill(store)
else if (task !== 'make') throw new Error(`no such task: ${task}`)
await store.close()

function open(place: StorePlace): Promise<Store> {
  if ('path' in place) return openSqliteStore({ path: place.path })
  return openDynamoStore({
    ...place,
    region: 'local',
    credentials: dynaliteCredentials,
    timeoutMs: 20_000,
    random: () => 0.5,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  })
}

/** A tenth of a millisecond, so that those who wait for the same thing go on at almost the same time. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.1)
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

/** Writes until it is killed, several writes at a time; says the number of each one that was acknowledged. */
async function write(store: Store): Promise<never> {
  let next = 0
  const worker = async (): Promise<never> => {
    for (;;) {
      const number = next++
      const answer = await store.put(
        { partition: 'killed', sort: `${name}-${number}` },
        { number, pad: 'x'.repeat(500) },
        { when: 'absent', now },
      )
      if (!answer.ok) throw new Error(`item ${number} was there before`)
      say(String(number))
    }
  }
  return Promise.race([worker(), worker(), worker(), worker()])
}

/** Adds one to a counter so many times, each time under the version it read. */
async function count(store: Store, times: number): Promise<void> {
  const key = { partition: 'race', sort: 'counter' }
  let refusals = 0
  for (let done = 0; done < times; ) {
    const found = await store.get(key, { now })
    const value = (found?.data as { readonly value: number } | undefined)?.value ?? 0
    const answer = await store.put(
      key,
      { value: value + 1, by: name },
      { when: found === undefined ? 'absent' : { version: found.version }, now },
    )
    if (answer.ok) done += 1
    else refusals += 1
  }
  say(String(refusals))
}

/** Makes so many stores, `<path>-0` and so on, each at the moment its `<path>-0.go` appears, and leaves its name in each. */
async function make(): Promise<void> {
  const path = 'path' in place ? place.path : ''
  for (let number = 0; number < Number(timesText); number += 1) {
    say(String(number))
    for (let turns = 0; !existsSync(`${path}-${number}.go`); turns += 1) {
      if (turns > 100_000) throw new Error('nobody gave the sign to go')
      pause()
    }
    const store = await open({ path: `${path}-${number}` })
    await store.put({ partition: 'made', sort: name }, {}, { when: 'absent', now })
    await store.close()
  }
}

/** Writes until the disk is full, makes room by deleting, and writes once more. Says what it found. */
async function fill(store: Store): Promise<void> {
  const pad = 'x'.repeat(20_000)
  let written = 0
  let problem: unknown
  while (problem === undefined) {
    try {
      await store.put({ partition: 'full', sort: `item-${written}` }, { written, pad }, { when: 'absent', now })
      written += 1
    } catch (error) {
      problem = error
    }
  }
  let readable = 0
  for (let number = 0; number < written; number += 1) {
    const found = await store.get({ partition: 'full', sort: `item-${number}` }, { now })
    if ((found?.data as { readonly written: number } | undefined)?.written === number) readable += 1
  }
  const { kind, message } = problem as { readonly kind?: string; readonly message: string }
  say(JSON.stringify({ kind, message, written, readable }))
}
