import * as z from 'zod/mini'
import type { Reply, SandboxCore } from './core.ts'
import { storm } from './faults.ts'
import { PlatformFault } from './reducer.ts'
import { pushImage } from './tcr/images.ts'
import { wireText } from './wire-text.ts'

const whole = z.number().check(z.int(), z.nonnegative())
const phase = z.enum(['before', 'after'])

const Fault = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('latency'), latencyMs: whole }),
  z.strictObject({ kind: z.literal('drop-before') }),
  z.strictObject({ kind: z.literal('drop-after') }),
  z.strictObject({
    kind: z.literal('5xx'),
    status: z.union([z.literal(500), z.literal(502), z.literal(503), z.literal(504)]),
    when: phase,
  }),
  z.strictObject({ kind: z.literal('internal-error'), when: phase }),
  z.strictObject({ kind: z.literal('throttle') }),
  z.strictObject({ kind: z.literal('clock-skew'), skewMs: z.number().check(z.int()) }),
  z.strictObject({ kind: z.literal('truncated-body') }),
  z.strictObject({ kind: z.literal('slow-body'), pauseMs: whole }),
  z.strictObject({
    kind: z.literal('lying-page'),
    lie: z.enum(['repeat-row', 'skip-row', 'wrong-total']),
    by: z.exactOptional(z.number().check(z.int())),
  }),
  z.strictObject({ kind: z.literal('rbac-403') }),
  z.strictObject({ kind: z.literal('forward-body'), body: z.string() }),
])

const FaultMatch = z.strictObject({
  service: z.exactOptional(z.string()),
  action: z.exactOptional(z.string()),
  effect: z.exactOptional(z.enum(['read', 'write'])),
  clusterId: z.exactOptional(z.string()),
  pathIncludes: z.exactOptional(z.string()),
})

const chance = z.number().check(z.gte(0), z.lte(1))

const FaultRule = z.strictObject({
  fault: Fault,
  match: z.exactOptional(FaultMatch),
  probability: z.exactOptional(chance),
  count: z.exactOptional(whole),
  after: z.exactOptional(whole),
  seed: z.exactOptional(z.number().check(z.int())),
})

const Storm = z.strictObject({ seed: z.number().check(z.int()), probability: chance, match: z.exactOptional(FaultMatch) })

const FaultCommand = z.strictObject({
  add: z.exactOptional(FaultRule),
  remove: z.exactOptional(whole),
  storm: z.exactOptional(Storm),
  clear: z.exactOptional(z.literal(true)),
})

const ClockCommand = z.strictObject({
  set: z.exactOptional(z.number()),
  moveMs: z.exactOptional(z.number()),
  freeze: z.exactOptional(z.literal(true)),
  run: z.exactOptional(z.literal(true)),
})

const RatesCommand = z.strictObject({ enabled: z.boolean() })

const Push = z.strictObject({
  repo: z.string(),
  tag: z.string(),
  content: z.exactOptional(z.string()),
  sizeBytes: z.exactOptional(whole),
  builtAt: z.exactOptional(whole),
  author: z.exactOptional(z.string()),
  architecture: z.exactOptional(z.string()),
  os: z.exactOptional(z.string()),
  dockerVersion: z.exactOptional(z.string()),
  broken: z.exactOptional(z.literal(true)),
})

const help = {
  'GET /_sandbox/state': 'the whole world as JSON',
  'GET /_sandbox/calls': 'every call so far, oldest first; ?since=<sequence> for those after it',
  'GET /_sandbox/clock': 'the time of the sandbox',
  'POST /_sandbox/clock': '{"set": epochMs} | {"moveMs": ms} | {"freeze": true} | {"run": true}',
  'GET /_sandbox/faults': 'the rules and what they fired',
  'POST /_sandbox/faults': '{"add": rule} | {"remove": id} | {"clear": true} | {"storm": {"seed", "probability", "match"?}}',
  'POST /_sandbox/rates': '{"enabled": true | false}',
  'POST /_sandbox/push':
    '{"repo": "namespace/name", "tag": "v1", "content"?: "same text, same image", "broken"?: true (no node can pull it)}',
}

/**
 * Answers a request to `/_sandbox/…`, with which people and other processes steer a running sandbox. Commands are read
 * strictly: a misspelt key is refused with 400 and its path.
 */
export function answerControl(core: SandboxCore, method: string, target: string, body: string): Reply {
  const url = new URL(target, 'http://sandbox.invalid')
  const { world, clock, faults, rates, journal } = core
  try {
    switch (`${method} ${url.pathname.replace(/\/$/, '')}`) {
      case 'GET /_sandbox':
        return json(200, help)
      case 'GET /_sandbox/state':
        core.advance()
        return json(200, world)
      case 'GET /_sandbox/calls':
        return json(200, { calls: journal.records.filter(({ sequence }) => sequence > Number(url.searchParams.get('since') ?? 0)) })
      case 'GET /_sandbox/clock':
        return json(200, timeOf(core))
      case 'POST /_sandbox/clock': {
        const { set, moveMs, freeze, run } = readOne(ClockCommand, body)
        if (set !== undefined) {
          clock.set(milliseconds(set))
        }
        if (moveMs !== undefined) {
          clock.move(moveMs)
        }
        if (freeze === true) {
          clock.freeze()
        }
        if (run === true) {
          clock.run()
        }
        core.advance()
        return json(200, timeOf(core))
      }
      case 'GET /_sandbox/faults':
        return json(200, { rules: faults.rules, fired: faults.fired })
      case 'POST /_sandbox/faults': {
        const { add, remove, storm: raised } = readOne(FaultCommand, body)
        if (add !== undefined) {
          return json(200, { id: faults.add(add) })
        }
        if (remove !== undefined) {
          return json(200, { removed: faults.remove(remove) })
        }
        if (raised !== undefined) {
          return json(200, { ids: storm(faults, raised) })
        }
        faults.clear()
        return json(200, { rules: [] })
      }
      case 'POST /_sandbox/rates':
        rates.enabled = read(RatesCommand, body).enabled
        return json(200, { enabled: rates.enabled })
      case 'POST /_sandbox/push': {
        const image = read(Push, body)
        core.advance()
        return json(200, pushImage(world, image, clock.now()))
      }
      default:
        return json(404, { error: `There is no ${method} ${url.pathname}.`, known: help })
    }
  } catch (error) {
    if (error instanceof BadCommand || error instanceof RangeError || error instanceof TypeError) {
      return json(400, { error: error.message })
    }
    if (error instanceof PlatformFault) {
      return json(409, { error: error.message, code: error.code })
    }
    throw error
  }
}

/** Before 1973 in milliseconds, until 5138 in seconds: what is smaller is a mistaken unit. */
const leastMilliseconds = 1e11

function milliseconds(value: number): number {
  if (value >= leastMilliseconds || !Number.isFinite(value)) return value
  const meant = value > 0 ? `; as seconds it would be ${value * 1000} (${new Date(value * 1000).toISOString()})` : ''
  throw new BadCommand(
    `"set" takes epoch milliseconds, and ${value} is before 1973, which looks like seconds${meant}. Nothing was changed; to go back that far, use "moveMs".`,
  )
}

/** Given to each parse, not to the whole process, whose other schemas say what they say without it. */
const english = z.locales.en()

class BadCommand extends Error {
  override readonly name = 'BadCommand'
}

function read<Schema extends z.ZodMiniType>(schema: Schema, body: string): z.output<Schema> {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new BadCommand(`The body is not JSON: ${error.message}.`)
    }
    throw error
  }
  const parsed = z.safeParse(schema, value, { error: english.localeError })
  if (!parsed.success) {
    throw new BadCommand(z.prettifyError(parsed.error))
  }
  return parsed.data
}

/** As `read`, for a command of which exactly one kind is given. */
function readOne<Schema extends z.ZodMiniObject>(schema: Schema, body: string): z.output<Schema> {
  const command = read(schema, body)
  const given = Object.keys(command)
  if (given.length !== 1) {
    throw new BadCommand(
      `The command has ${given.join(' and ') || 'nothing'} in it; it has to be one of ${Object.keys(schema.shape).join(', ')}.`,
    )
  }
  return command
}

function timeOf(core: SandboxCore): object {
  const now = core.clock.now()
  return { now, utc: new Date(now).toISOString() }
}

function json(status: number, value: object): Reply {
  return { status, contentType: 'application/json', body: wireText(value) }
}
