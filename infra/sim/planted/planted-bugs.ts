import * as z from 'zod/mini'
import { CloudError } from '#cloud/errors.ts'
import { recordAnnotation } from '#functions/cron-scaler/record.ts'
import { type JsonObject, listAt, objectAt, parseJson } from '#infra/sandbox/kubernetes/json.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Journal } from '#shared/safety/journal.ts'
import type { JournalEntry, NewJournalEntry } from '#shared/safety/journal-entry.ts'
import { type Claim, createLedger, type FinishOrder, type Ledger } from '#shared/safety/ledger.ts'
import type { ItemKey, PutOptions } from '#shared/safety/store.ts'
import { MemoryDisk } from '#shared/safety/store-memory.ts'
import type { Sabotage } from '../sabotage.ts'
import { alarmBugs } from './alarm-bugs.ts'
import { blindApply } from './blind-apply.ts'
import { hookBugs } from './hook-bugs.ts'
import { imageBugs } from './image-bugs.ts'
import { licenseBugs } from './license-bugs.ts'
import {
  forwardedIn,
  type OtherCall,
  rewritten,
  withCalls,
  withGuard,
  withJournal,
  withKernel,
  withLedger,
  withParts,
  withStore,
} from './other-parts.ts'
import type { PlantedBug } from './planted-bug.ts'
import { weekBugs } from './week-bugs.ts'

/** Mistakes in the kernel, in the cron-scaler, and in both. */
const kernelBugs: readonly PlantedBug[] = [
  {
    name: 'a mode that is not kept to',
    function: 'cron-scaler',
    noticedBy: ['write-without-enforce', 'changed-without-enforce'],
    sabotage: () => ({ config: (config) => ({ ...config, mode: 'enforce' }) }),
  },
  {
    name: 'a change under a key that no plan has',
    function: 'cron-scaler',
    noticedBy: ['effect-unplanned', 'intent-missing'],
    sabotage: () => ({
      definition: (definition) => ({
        ...definition,
        apply: (step, cloud, config, now) => definition.apply({ ...step, key: `${step.key}x` }, cloud, config, now),
      }),
    }),
  },
  {
    name: 'a size that nobody planned',
    function: 'cron-scaler',
    noticedBy: ['effect-differs', 'intent-differs'],
    sabotage: () => withBodies((body) => body.replace(/("(?:replicas|maxReplicas)":)(\d+)\}\}?$/, '$19}}')),
  },
  {
    name: 'a reviewed plan that opens the door for everything',
    function: 'cron-scaler',
    noticedBy: ['effect-unapproved'],
    sabotage: () => ({ review: () => (steps) => new Set(steps) }),
  },
  {
    name: 'an opt-out that is looked for when planning only',
    function: 'cron-scaler',
    noticedBy: ['effect-opted-out'],
    sabotage: () => withObjects((metadata) => deleteAnnotation(metadata, 'longshore.dev/opt-out')),
  },
  {
    name: 'a deletion that is looked for when planning only',
    function: 'cron-scaler',
    noticedBy: ['effect-deleting'],
    sabotage: () =>
      withObjects((metadata) => {
        Reflect.deleteProperty(metadata, 'deletionTimestamp')
      }),
  },
  {
    name: 'a write that is not bound to what was read',
    function: 'cron-scaler',
    noticedBy: ['before-differs'],
    sabotage: () => withBodies((body) => body.replace(/"resourceVersion":"\d+",/, '')),
  },
  {
    name: 'a client that says "not sent" while a write still waits to be sent',
    function: 'relative-probe',
    noticedBy: ['effect-uncalled', 'effect-twice'],
    sabotage: () => ({
      client: (client, clock) =>
        withCalls(client, {
          write: async (cloud, action, request, options) => {
            clock
              .sleep(200)
              .then(() => cloud.send(action, request, options))
              .catch(ignoreCloudError)
            const name = `${action.service}.${action.name}`
            throw new CloudError(`${name} was not sent.`, { kind: 'cloud.not-sent', code: 'not-sent', action: name, retryable: true })
          },
        }),
    }),
  },
  {
    name: 'an apply that trusts the plan and reads nothing',
    function: 'cron-scaler',
    noticedBy: ['written-unread'],
    sabotage: () => ({ definition: (definition) => ({ ...definition, apply: (step, cloud) => blindApply(step, cloud) }) }),
  },
  {
    name: 'a ledger that always lets go on',
    function: 'relative-probe',
    noticedBy: ['effect-twice', 'write-unclaimed'],
    sabotage: () =>
      withLedger((ledger) => ({
        acquire: async (order) => {
          const acquired = await ledger.acquire(order)
          if (acquired.kind === 'acquired') return acquired
          return { kind: 'acquired', claim: { id: `${order.owner}#0`, deadline: order.deadline, entry: acquired.entry } }
        },
      })),
  },
  {
    name: 'a key that is new whenever it is asked for',
    function: 'relative-probe',
    noticedBy: ['effect-twice'],
    sabotage: () => withStore((store) => ({ put: (key, data, options) => store.put(key, data, anywayIn('ledger/', key, options)) })),
  },
  {
    name: 'a client that sends a write again when its answer is lost',
    function: 'cron-scaler',
    noticedBy: ['sent-again'],
    sabotage: () => ({ client: (client) => withCalls(client, { write: again }) }),
  },
  {
    name: 'a function that writes again when the answer is lost',
    function: 'cron-scaler',
    noticedBy: ['repeated-unsettled'],
    sabotage: () => ({ cloud: (cloud) => withCalls(cloud, { write: again }) }),
  },
  {
    name: 'what is in doubt counts as not done',
    function: 'relative-probe',
    noticedBy: ['repeated-unread', 'outcome-differs'],
    sabotage: () => ({ definition: (definition) => ({ ...definition, settle: () => Promise.resolve('not-applied') }) }),
  },
  {
    name: 'finish without a fence',
    function: 'cron-scaler',
    noticedBy: ['ledger-owner'],
    sabotage: () => withLedger((ledger) => ({ finish: (claim, order) => finishUnfenced(ledger, claim, order) })),
  },
  {
    name: 'finish without a fence, of what is done by then',
    function: 'relative-probe',
    noticedBy: ['ledger-state'],
    sabotage: () => withLedger((ledger) => ({ finish: (claim, order) => finishUnfenced(ledger, claim, order) })),
  },
  {
    name: 'no grace for an owner that is late',
    function: 'relative-probe',
    noticedBy: ['ledger-owner'],
    sabotage: () => withParts((_, { kernel, name }) => ({ ledger: createLedger(kernel.store, { function: name, graceMs: 0 }) })),
  },
  {
    name: 'a cap that is one too high',
    function: 'cron-scaler',
    noticedBy: ['cap'],
    sabotage: () =>
      withGuardSettings((guard) => ({
        ...guard,
        caps: guard.caps.map(({ amount, ...cap }) => ({ ...cap, ...(amount === undefined ? {} : { amount: amount + 1 }) })),
      })),
  },
  {
    name: 'room under a cap that is given back after the change',
    function: 'cron-scaler',
    noticedBy: ['cap'],
    sabotage: () => withGuard((guard) => ({ confirm: (reservation, moment) => guard.release(reservation, moment) })),
  },
  {
    name: 'a protect list that nobody reads',
    function: 'cron-scaler',
    noticedBy: ['protected'],
    sabotage: () => withGuardSettings((guard) => ({ ...guard, protect: [] })),
  },
  {
    name: 'a run that does not see its time run out',
    function: 'cron-scaler',
    noticedBy: ['time-short'],
    sabotage: () => withParts(() => ({}), { remainingMs: () => Number.POSITIVE_INFINITY }),
  },
  {
    name: 'a function that forgets what it applied, on a ledger that always lets go on',
    function: 'cron-scaler',
    noticedBy: ['instant-twice'],
    sabotage: () => ({
      ...withoutRecords(),
      ...withLedger((ledger) => ({
        acquire: async (order) => await ledger.acquire({ ...order, key: `${order.key}@${order.now}` }),
      })),
    }),
  },
  {
    name: 'a function that forgets what it applied, with clocks that are wrong',
    function: 'cron-scaler',
    noticedBy: ['instant-backwards'],
    sabotage: withoutRecords,
  },
  {
    name: 'excluded dates that nobody reads',
    function: 'cron-scaler',
    noticedBy: ['effect-unwanted'],
    sabotage: () => withRules((rule) => ({ ...rule, excludeDates: [] })),
  },
  {
    name: 'a calendar of which nobody reads the days that are worked',
    function: 'cron-scaler',
    noticedBy: ['effect-unwanted'],
    sabotage: () =>
      withSettings((section) => ({
        ...section,
        calendars: Object.fromEntries(Object.entries(section.calendars).map(([name, own]) => [name, { ...own, workdays: [] }])),
      })),
  },
  {
    name: 'a zone that is taken for UTC',
    function: 'cron-scaler',
    noticedBy: ['effect-unwanted'],
    sabotage: () => withRules((rule) => ({ ...rule, timeZone: 'UTC' })),
  },
  {
    name: 'an override that goes on for an hour after its end',
    function: 'cron-scaler',
    noticedBy: ['effect-unwanted'],
    sabotage: () =>
      withSettings((section) => ({
        ...section,
        overrides: section.overrides.map((override) => ({
          ...override,
          until: new Date(Date.parse(override.until) + 3_600_000).toISOString(),
        })),
      })),
  },
  {
    name: 'a size that is written with all that stood beside it',
    function: 'cron-scaler',
    noticedBy: ['scale-stray'],
    sabotage: () => withBodies((body) => body.replace(/"spec":\{("replicas":\d+)\}/, '"spec":{$1,"minReadySeconds":7}')),
  },
  {
    name: 'a rule that runs once each time',
    function: 'cron-scaler',
    noticedBy: ['once-again'],
    sabotage: () => withRules((rule) => ({ ...rule, runOnce: false })),
  },
  {
    name: 'a spread that is twice as long as it is said to be',
    function: 'cron-scaler',
    noticedBy: ['turn'],
    sabotage: () => withRules((rule) => ({ ...rule, spread: `${2 * Number.parseFloat(rule.spread)}s` })),
  },
  {
    name: 'a size that is put back as often as somebody likes',
    function: 'cron-scaler',
    noticedBy: ['corrected-too-often'],
    sabotage: () => withSettings((section) => ({ ...section, maxCorrections: 20 })),
  },
  {
    name: 'a plan for ten minutes ago',
    function: 'cron-scaler',
    noticedBy: ['effect-unwanted', 'end-differs'],
    sabotage: () => ({
      definition: (definition) => ({ ...definition, plan: (observed, config, now) => definition.plan(observed, config, now - 600_000) }),
    }),
  },
  {
    name: 'a run that remembers for an hour too long that nothing is due',
    function: 'cron-scaler',
    noticedBy: ['end-differs'],
    sabotage: () =>
      withStore((store) => ({
        put: (key, data, options) => store.put(key, key.partition.startsWith('memory/') ? longerBy(data, 3_600_000) : data, options),
      })),
  },
  {
    name: 'a period that is left out',
    function: 'relative-probe',
    noticedBy: ['end-differs'],
    sabotage: () => ({
      definition: (definition) => ({
        ...definition,
        plan: (observed, config, now) => definition.plan(observed, config, now).filter((_, index) => index % 2 === 0),
      }),
    }),
  },
  {
    name: 'a kill switch that nobody looks at before a write',
    function: 'cron-scaler',
    noticedBy: ['switch-unread'],
    sabotage: () => withGuard(() => ({ whyNotNow: () => Promise.resolve(undefined) })),
  },
  {
    name: 'a kill switch that counts as run while it cannot be read',
    function: 'cron-scaler',
    noticedBy: ['switch-unread'],
    sabotage: () =>
      withGuard((guard) => ({
        whyNotNow: async (moment) => {
          const why = await guard.whyNotNow(moment)
          return why?.code === 'guard.kill-switch-unreachable' ? undefined : why
        },
      })),
  },
  {
    name: 'a kill switch that counts as run whatever it says',
    function: 'cron-scaler',
    noticedBy: ['switch-ignored'],
    sabotage: () =>
      withStore((store) => ({
        get: async (key, options) => {
          const item = await store.get(key, options)
          return key.partition === 'guard/kill-switch' ? undefined : item
        },
      })),
  },
  {
    name: 'a kill switch that is read from a copy which nobody renews',
    function: 'cron-scaler',
    noticedBy: ['switch-stale'],
    sabotage: () => {
      const copy = new MemoryDisk()
      return { disk: (disk, partition) => (partition === 'guard/kill-switch' ? copy : disk) }
    },
  },
  {
    name: 'a client that lets writes wait for half a minute',
    function: 'relative-probe',
    noticedBy: ['sent-after-stop'],
    sabotage: () => ({
      client: (client, clock) =>
        withCalls(client, {
          write: async (cloud, action, request, options) => {
            await clock.sleep(30_000)
            return await cloud.send(action, request, options)
          },
        }),
    }),
  },
  {
    name: 'windows that nobody keeps to',
    function: 'cron-scaler',
    noticedBy: ['window'],
    sabotage: () => withGuardSettings((guard) => ({ ...guard, freeze: [], overrides: [] })),
  },
  {
    name: 'a journal that is written over',
    function: 'cron-scaler',
    noticedBy: ['journal-overwritten'],
    sabotage: () => withStore((store) => ({ put: (key, data, options) => store.put(key, data, anywayIn('journal/', key, options)) })),
  },
  {
    name: 'an intent that is written after the write',
    function: 'cron-scaler',
    noticedBy: ['intent-missing'],
    sabotage: () => withJournal(intentLast),
  },
  {
    name: 'an outcome that is forgotten',
    function: 'cron-scaler',
    noticedBy: ['outcome-missing'],
    sabotage: () =>
      withJournal((journal) => ({
        append: async (entry) => (entry.kind === 'outcome' ? unwritten(entry) : await journal.append(entry)),
      })),
  },
  {
    name: 'an outcome without its RequestId',
    function: 'cron-scaler',
    noticedBy: ['request-missing'],
    sabotage: () => withJournal((journal) => ({ append: ({ requestId: _, ...entry }) => journal.append(entry) })),
  },
  {
    name: 'a change that is reported and not made',
    function: 'cron-scaler',
    noticedBy: ['outcome-made-up', 'report-made-up'],
    sabotage: () => ({ definition: (definition) => ({ ...definition, apply: () => Promise.resolve({ outcome: 'Applied' }) }) }),
  },
  {
    name: 'a journal whose reasons are mended before they are stored',
    function: 'cron-scaler',
    noticedBy: ['chain-broken'],
    sabotage: () =>
      withStore((store) => ({
        put: (key, data, options) => store.put(key, key.partition.startsWith('journal/') ? { ...data, before: '' } : data, options),
      })),
  },
  {
    name: 'a check of the journal that finds nothing',
    function: 'cron-scaler',
    noticedBy: ['tampering-unnoticed'],
    sabotage: () => ({ verify: (verify) => async (options) => ({ ...(await verify(options)), ok: true, problems: [] }) }),
  },
  {
    name: 'a run that does not report what it did',
    function: 'cron-scaler',
    noticedBy: ['report-denies'],
    sabotage: () =>
      withKernel((plain) => ({
        ...plain,
        carryOut: async (step, ports) => {
          const result = await plain.carryOut(step, ports)
          return result.outcome === 'Applied' ? { outcome: 'Skipped', reason: { code: 'lost', text: 'it was lost' } } : result
        },
      })),
  },
  {
    name: 'a kernel that cannot be had when there was trouble with the store',
    function: 'cron-scaler',
    noticedBy: ['run-threw'],
    sabotage: () => {
      let isBroken = false
      const seen = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
        try {
          return await answer
        } catch (error) {
          isBroken = true
          throw error
        }
      }
      return {
        ...withStore((store) => ({ get: (key, options) => seen(store.get(key, options)) })),
        ...withKernel((plain) => {
          if (isBroken) throw new TypeError('the kernel has no store')
          return plain
        }),
      }
    },
  },
  {
    name: 'a run that waits for ever for what is done already',
    function: 'relative-probe',
    noticedBy: ['run-stuck'],
    sabotage: () =>
      withLedger((ledger) => ({
        acquire: async (order) => {
          const acquired = await ledger.acquire(order)
          return acquired.kind === 'done' ? await new Promise(() => undefined) : acquired
        },
      })),
  },
  {
    name: 'a plan that fails when a target is gone',
    function: 'cron-scaler',
    noticedBy: ['run-failed'],
    sabotage: () => ({
      definition: (definition) => ({
        ...definition,
        plan: (observed, config, now) => {
          const steps = definition.plan(observed, config, now)
          if (steps.some(({ reason }) => reason.code === 'target-missing')) throw new TypeError('there is no size of undefined')
          return steps
        },
      }),
    }),
  },
  {
    name: "what was left open is nobody's business",
    function: 'cron-scaler',
    noticedBy: ['left-open'],
    sabotage: () => withKernel((plain) => ({ ...plain, settleOpen: () => Promise.resolve([]) })),
  },
]

export const plantedBugs: readonly PlantedBug[] = [...kernelBugs, ...imageBugs, ...hookBugs, ...alarmBugs, ...licenseBugs, ...weekBugs]

/** The section of the cron-scaler as the scenario writes it into the configuration, as far as mistakes are about it. */
const Section = z.looseObject({
  rules: z.array(z.looseObject({ spread: z.string() })),
  overrides: z.array(z.looseObject({ until: z.string() })),
  calendars: z.record(z.string(), z.looseObject({})),
})
type Section = z.infer<typeof Section>

/** The cron-scaler with other settings than it was given. */
function withSettings(change: (section: Section) => Section): Sabotage {
  return {
    config: (config) => {
      const section = z.parse(Section, config.functions['cron-scaler'])
      return { ...config, functions: { ...config.functions, 'cron-scaler': change(section) } }
    },
  }
}

function withRules(change: (rule: Section['rules'][number]) => Section['rules'][number]): Sabotage {
  return withSettings((section) => ({ ...section, rules: section.rules.map(change) }))
}

type GuardSettings = Exclude<Config['guard'], undefined>

function withGuardSettings(change: (guard: GuardSettings) => GuardSettings): Sabotage {
  return { config: (config) => (config.guard === undefined ? config : { ...config, guard: change(config.guard) }) }
}

/** Writes to clusters with another body. */
function withBodies(rewrite: (body: string) => string): Sabotage {
  return {
    cloud: (cloud) =>
      withCalls(cloud, {
        write: (inner, action, request, options) => inner.send(action, rewritten(request, 'RequestBody', rewrite), options),
      }),
  }
}

/** Readings of single objects that show other metadata; what lists show stays as it is. */
function withObjects(change: (metadata: JsonObject) => void): Sabotage {
  return {
    cloud: (cloud) =>
      withCalls(cloud, {
        read: async (inner, action, request, options) => {
          const answer = await inner.send(action, request, options)
          return isObject(request) ? rewritten(answer, 'ResponseBody', (body) => otherMetadata(body, change)) : answer
        },
      }),
  }
}

/** Every reading without the record that the function leaves on its targets. */
function withoutRecords(): Sabotage {
  const forget = (metadata: JsonObject): void => deleteAnnotation(metadata, recordAnnotation)
  return {
    cloud: (cloud) =>
      withCalls(cloud, {
        read: async (inner, action, request, options) =>
          rewritten(await inner.send(action, request, options), 'ResponseBody', (body) => otherMetadata(body, forget)),
      }),
  }
}

function otherMetadata(body: string, change: (metadata: JsonObject) => void): string {
  const value = parseJson(body)
  for (const one of [value, ...listAt(value, 'items')]) {
    const metadata = objectAt(one, 'metadata')
    if (metadata !== undefined) change(metadata)
  }
  return value === undefined ? body : JSON.stringify(value)
}

function deleteAnnotation(metadata: JsonObject, name: string): void {
  const annotations = objectAt(metadata, 'annotations')
  if (annotations !== undefined) delete annotations[name]
}

/** Whether a request is for a single target. */
function isObject(request: unknown): boolean {
  const forwarded = forwardedIn(request)
  return forwarded?.method === 'GET' && /\/namespaces\/default\/[a-z]+\/t\d/.test(forwarded.path)
}

const again: OtherCall = async (cloud, action, request, options) => {
  try {
    return await cloud.send(action, request, options)
  } catch (error) {
    if (!(error instanceof CloudError) || error.kind !== 'cloud.unknown-outcome') throw error
    return await cloud.send(action, request, options)
  }
}

/** Nobody waits for it any more. */
function ignoreCloudError(error: unknown): void {
  if (!(error instanceof CloudError)) throw error
}

async function finishUnfenced(ledger: Ledger, claim: Claim, order: FinishOrder): ReturnType<Ledger['finish']> {
  const current = await ledger.get(claim.entry.key, { now: order.now })
  return await ledger.finish(current === undefined ? claim : { ...claim, entry: { ...claim.entry, fence: current.fence } }, order)
}

/** Something that is remembered until a later instant. */
function longerBy(data: object, ms: number): object {
  const text = JSON.stringify(data).replace(
    /"(untilMs|dueMs)":(\d+)/g,
    (_, name: string, until: string) => `"${name}":${Number(until) + ms}`,
  )
  const copy: object = JSON.parse(text)
  return copy
}

/** Whatever is there, in this part of the store. */
function anywayIn(prefix: string, { partition }: ItemKey, options: PutOptions): PutOptions {
  return partition.startsWith(prefix) ? { ...options, when: 'any' } : options
}

/** What an entry would look like that was never written. */
function unwritten(entry: NewJournalEntry): JournalEntry {
  return { ...entry, seq: 1, prev: '', hash: `sha256:${'0'.repeat(64)}` }
}

function intentLast(journal: Journal): Pick<Journal, 'append'> {
  const waiting = new Map<string, NewJournalEntry>()
  return {
    append: async (entry) => {
      if (entry.kind === 'intent') {
        waiting.set(entry.stepKey, entry)
        return unwritten(entry)
      }
      const intent = waiting.get(entry.stepKey)
      waiting.delete(entry.stepKey)
      if (intent !== undefined) await journal.append(intent)
      return await journal.append(entry)
    },
  }
}
