import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import { type HeardAlarm, recallAlarms } from '#functions/alarm-scaler/alarm-history.ts'
import { AlarmChange } from '#functions/alarm-scaler/change.ts'
import { definition } from '#functions/alarm-scaler/definition.ts'
import type { Settings } from '#functions/alarm-scaler/event.ts'
import { readConfig } from '#infra/local/platform.ts'
import { alarmsOf } from '#infra/replay/alarms-of-file.ts'
import { type Replay, replayAlarms } from '#infra/replay/replay-alarms.ts'
import { poolHeading, poolText, refusalRows } from '#infra/replay/replay-text.ts'
import { parseDuration } from '#shared/pure/duration.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import { readJson, readYaml } from '#shared/runtime/config-text.ts'
import type { FunctionConfig } from '#shared/runtime/definition.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { refuseFaults, settingsFaults } from '#shared/runtime/own-faults.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import type { JournalEntry } from '#shared/safety/journal-entry.ts'
import { columns } from './columns.ts'
import { type Command, type CommandIo, UsageError } from './command.ts'
import { readEvent } from './read-event.ts'
import { functionNamed, withStore } from './with-platform.ts'
import { configPathOf, counted, fileTrouble, parseInstant, parseWhole } from './words.ts'

const dayMs = 86_400_000
const mostDays = 400

export const replay: Command = {
  summary: 'run past alarms through the policies that are configured or proposed',
  help: `Usage: longshore replay alarm-scaler [--from 2026-11-01] [--to 2026-11-24] [--events FILE] [--policy FILE] [--json] [--show 30]
                                    [--nodes 3] [--cores 8] [--ready-after 3m] [--repeat-every 5m] [--config FILE | --sandbox]

Goes through a period with the plan that decides in earnest, on pools that are only simulated, and shows for each how many nodes it
would have had when, and why; what was added and given back, in node-hours; and what kept nodes from being added, by reason. Nothing is
read but the configuration and the alarms, and nothing is changed.

The alarms are those that the function has heard, which it keeps for 92 days in its store, or those of a file (--events): a list of
requests to its webhooks as API Gateway hands them over, such as events/alarm-scaler/base.json, or of
{"at": "2026-11-24T08:00:00Z", "alert": {…}}. --policy is a file (YAML or JSON) with \`policies\`, \`pools\` or whatever else stands
under functions.alarm-scaler: each takes the place of the configured one.

--from and --to are dates or instants; the last seven days when absent. Taken for granted: --nodes nodes of --cores cores in each pool at
the beginning, new ones ready after --ready-after, mechanisms that always give what they are asked for, room in quota and licence;
alarms that say so again every --repeat-every until they are over, and that everything that could confirm an alarm does so while it fires.
Policies decide as in mode enforce, whatever mode they are in. With --sandbox the configuration is the sandbox's.

Exit code 0: here it is. 1: something went wrong.

Example: longshore replay alarm-scaler --from 2026-11-24 --to 2026-11-25 --events events/alarm-scaler/base.json --sandbox`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        from: { type: 'string' },
        to: { type: 'string' },
        events: { type: 'string' },
        policy: { type: 'string' },
        json: { type: 'boolean' },
        show: { type: 'string' },
        nodes: { type: 'string' },
        cores: { type: 'string' },
        'ready-after': { type: 'string' },
        'repeat-every': { type: 'string' },
        config: { type: 'string' },
        sandbox: { type: 'boolean' },
      },
    })
    const [name, ...more] = positionals
    const fn = functionNamed(name)
    if (more.length > 0) throw new UsageError('name one function')
    if (fn.name !== definition.name) throw new UsageError(`${fn.name} hears no alarms to replay; it is "${definition.name}" that does`)
    if (values.sandbox === true && values.config !== undefined)
      throw new UsageError('--sandbox is a configuration of its own: leave --config out')
    if (values.sandbox === true && values.events === undefined)
      throw new UsageError('the sandbox has heard no alarms: give some with --events FILE')
    const asked: Asked = {
      ...periodOf(values.from, values.to, systemClock.now()),
      assumptions: {
        nodes: values.nodes === undefined ? 3 : parseWhole(values.nodes, '--nodes', 0, 1000),
        cores: values.cores === undefined ? 8 : parseWhole(values.cores, '--cores', 1, 1024),
        readyMs: durationOf(values['ready-after'] ?? '3m', '--ready-after'),
      },
      repeatMs: Math.max(1000, durationOf(values['repeat-every'] ?? '5m', '--repeat-every')),
    }
    const show = values.show === undefined ? 30 : parseWhole(values.show, '--show', 0, 1_000_000)
    const proposed = values.policy === undefined ? undefined : await proposalOf(resolve(io.cwd, values.policy))
    const world = await worldOf(values, asked, proposed, io)
    const result = replayAlarms({ ...asked, config: world.config, alarms: world.alarms })
    const print = (line: string): void => io.out(createRedactor().text(line))
    if (values.json === true) print(JSON.stringify(jsonOf(asked, world, result), null, 2))
    else for (const line of linesOf(asked, world, result, show)) print(line)
    return 0
  },
}

interface Asked {
  readonly fromMs: number
  readonly untilMs: number
  readonly assumptions: { readonly nodes: number; readonly cores: number; readonly readyMs: number }
  readonly repeatMs: number
}

interface World {
  readonly config: FunctionConfig<Settings>
  readonly alarms: readonly HeardAlarm[]
  /** Growths that were really carried out in the period, by the journal; absent where there is none to look at. */
  readonly really?: { readonly decisions: number; readonly nodes: number } | undefined
}

function periodOf(from: string | undefined, to: string | undefined, now: number): { readonly fromMs: number; readonly untilMs: number } {
  const untilMs = to === undefined ? now : parseInstant(to, '--to')
  const fromMs = from === undefined ? untilMs - 7 * dayMs : parseInstant(from, '--from')
  if (fromMs >= untilMs) throw new UsageError('--from has to be before --to')
  if (untilMs - fromMs > mostDays * dayMs) throw new UsageError(`the period is longer than ${mostDays} days`)
  return { fromMs, untilMs }
}

function durationOf(word: string, option: string): number {
  const parsed = parseDuration(word)
  if (!parsed.ok) throw new UsageError(`${option}: ${parsed.error}`)
  return parsed.value
}

/** What somebody proposes in place of the configured settings. */
async function proposalOf(path: string): Promise<Readonly<Record<string, unknown>>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    throw new Error(`the file ${path} cannot be read: ${fileTrouble(error)}`, { cause: error })
  }
  const { value, problems } = path.endsWith('.json') ? readJson(text) : await readYaml(text)
  const [problem] = problems
  if (problem !== undefined) throw new Error(`${path}, line ${problem.line ?? 1}: ${problem.text}`)
  const parsed = z.safeParse(z.record(z.string(), z.unknown()), value)
  if (!parsed.success) throw new Error(`${path} does not hold settings by name, such as "policies:"`)
  return parsed.data
}

async function worldOf(
  values: { readonly events?: string | undefined; readonly config?: string | undefined; readonly sandbox?: boolean | undefined },
  asked: Asked,
  proposed: Readonly<Record<string, unknown>> | undefined,
  io: CommandIo,
): Promise<World> {
  const { events } = values
  if (events === undefined) {
    let world: World | undefined
    await withStore(
      io,
      values.config,
      async ({ platform, kernel }) => {
        const { store } = platform
        const config = await settled(platform.config, proposed)
        if (store === undefined) throw new Error('the store was not opened')
        const now = platform.now()
        const memory = createMemory(store, { function: definition.name, now: () => now })
        const { journal } = kernel.of(definition.name, 'longshore replay')
        const entries = await journal.list({ now, from: asked.fromMs, to: asked.untilMs, limit: 100_000 })
        world = { config, alarms: await recallAlarms(memory, asked), really: growthsIn(entries) }
        return 0
      },
      { connectsLate: true },
    )
    if (world === undefined) throw new Error('nothing was read')
    return world
  }
  const isSandbox = values.sandbox === true
  const path = isSandbox ? join(import.meta.dirname, '../local/sandbox.yaml') : configPathOf(values.config, io.env)
  const env = isSandbox ? { TENCENTCLOUD_REGION: 'ap-guangzhou' } : io.env
  const config = await settled(await readConfig({ env, path, folder: io.cwd }), proposed)
  return { config, alarms: alarmsOf(await readEvent(resolve(io.cwd, events)), config.settings) }
}

/** The settings, with what is proposed in place of what is configured. Throws ConfigError. */
async function settled(config: Config, proposed: Readonly<Record<string, unknown>> | undefined): Promise<FunctionConfig<Settings>> {
  if (proposed === undefined) return await functionConfig(config, definition)
  const own = z.safeParse(z.record(z.string(), z.unknown()), config.functions[definition.name] ?? {})
  const functions = { ...config.functions, [definition.name]: { ...own.data, ...proposed } }
  const changed: Config = { ...config, functions }
  await refuseFaults(changed, await settingsFaults(definition, changed))
  return await functionConfig(changed, definition)
}

const Growth = z.object({ verdict: z.literal('change'), change: AlarmChange })

/** Growths that the journal says were carried out. */
function growthsIn(entries: readonly JournalEntry[]): { readonly decisions: number; readonly nodes: number } {
  const done = new Set(entries.flatMap(({ kind, outcome, stepKey }) => (kind === 'outcome' && outcome === 'Applied' ? [stepKey] : [])))
  const wanted = new Map<string, number>()
  for (const { kind, step, stepKey } of entries) {
    const { data } = kind === 'intent' ? z.safeParse(Growth, step) : { data: undefined }
    if (data?.change.kind === 'grow' && done.has(stepKey)) wanted.set(stepKey, data.change.lease.wanted)
  }
  return { decisions: wanted.size, nodes: [...wanted.values()].reduce((sum, nodes) => sum + nodes, 0) }
}

const iso = (ms: number): string => new Date(ms).toISOString()

function jsonOf(asked: Asked, { config, really }: World, { pools, episodes, refusals }: Replay): object {
  return {
    function: definition.name,
    from: iso(asked.fromMs),
    until: iso(asked.untilMs),
    policies: config.settings.policies.map(({ name }) => name),
    assumptions: { ...asked.assumptions, repeatMs: asked.repeatMs },
    episodes,
    ...(really === undefined ? {} : { really }),
    pools: pools.map((pool) => ({
      ...pool,
      points: pool.points.map(({ atMs, nodes }) => ({ at: iso(atMs), nodes })),
      entries: pool.entries.map(({ atMs, ...entry }) => ({ at: iso(atMs), ...entry })),
    })),
    refusals,
  }
}

function* linesOf(asked: Asked, { config, really }: World, result: Replay, show: number): Generator<string> {
  const { policies, pools } = config.settings
  const { heard, matched } = result.episodes
  yield `${iso(asked.fromMs)} to ${iso(asked.untilMs)}: ${counted(heard, 'alarm')}, of which a policy is for ${matched}; ${counted(policies.length, 'policy', 'policies')}, ${counted(pools.length, 'pool')}.`
  if (really !== undefined)
    yield `Really added in that time: ${counted(really.nodes, 'node')} by ${counted(really.decisions, 'decision')}, as the journal says.`
  if (result.pools.length === 0) yield 'No pool is configured, so nothing could grow.'
  for (const pool of result.pools) {
    const { title, rows, rest } = poolText(pool, show)
    yield ''
    yield title
    if (rows.length > 0) yield* columns(poolHeading, rows)
    if (rest !== '') yield rest
  }
  const refusals = refusalRows(result)
  if (refusals.length === 0) return
  yield ''
  yield 'What kept nodes from being added or given back, and in how many cases:'
  yield* columns(['reason', 'cases', 'the last of them'], refusals)
}
