import { parseArgs } from 'node:util'
import { simFunctions } from './scenario.ts'
import { type SimWorld, simWorlds } from './sim-world.ts'

/** `cron-scaler, relative-probe, image-cleaner or redeploy-hook` */
const functionsText = `${simFunctions.slice(0, -1).join(', ')} or ${simFunctions.at(-1)}`

export const help = `npm run sim -- --seeds <n>             lives through n worlds and checks every promise in each
npm run sim -- --seed <k> [--trace]    lives through the k-th world again, byte for byte
npm run sim -- --planted [--write]     looks for each planted bug, seed by seed, until it is noticed

  --seeds <n>       how many; with --seed, from that one on
  --seed <k>        which one
  --function <f>    ${functionsText}; cron-scaler when absent
  --world week      a week of all five functions in one world, on one store; instead of --function
  --trace           prints everything that happened, for one seed
  --write           keeps the seeds at which the planted bugs were noticed, for the tests and the README
  --threads <n>     how many worlds at the same time; up to 4, as many as there are cores, when absent
`

/** A mistake in the words of the command. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What the command is to do. */
export type Order =
  | { readonly kind: 'help' }
  | { readonly kind: 'replay'; readonly of: SimWorld; readonly seed: number; readonly withTrace: boolean }
  | {
      readonly kind: 'many'
      readonly of: SimWorld
      readonly first: number
      readonly count: number
      /** As many as the machine has room for when undefined. */
      readonly threads: number | undefined
    }
  | { readonly kind: 'planted'; readonly writes: boolean }

/** Reads the words of the command; without any it is asked for help. Throws UsageError. */
export function readWords(words: readonly string[]): Order {
  const { seeds, seed, function: name, world, trace, threads, planted, write, help: isHelp } = valuesOf(words)
  if (isHelp || (seeds === undefined && seed === undefined && !planted)) return { kind: 'help' }
  if (write && !planted) throw new UsageError('--write goes with --planted.')
  if (planted) {
    const other = [seeds, seed, name, world, threads].some((value) => value !== undefined) || trace
    if (other) throw new UsageError('--planted takes no other option but --write: each bug has its function, and every seed is tried.')
    return { kind: 'planted', writes: write }
  }
  if (name !== undefined && world !== undefined) throw new UsageError('Give --function or --world, not both.')
  const of = world === undefined ? functionOf(name ?? simFunctions[0]) : worldOf(world)
  const first = seed === undefined ? 1 : whole(seed, '--seed')
  if (seeds === undefined) return { kind: 'replay', of, seed: first, withTrace: trace }
  const count = whole(seeds, '--seeds')
  if (trace) throw new UsageError('--trace goes with one seed: give --seed alone.')
  return { kind: 'many', of, first, count, threads: threads === undefined ? undefined : whole(threads, '--threads') }
}

function valuesOf(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        seeds: { type: 'string' },
        seed: { type: 'string' },
        function: { type: 'string' },
        world: { type: 'string' },
        trace: { type: 'boolean', default: false },
        threads: { type: 'string' },
        planted: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    if (error instanceof TypeError && 'code' in error) throw new UsageError(error.message)
    throw error
  }
}

function whole(word: string, option: string): number {
  const value = /^[0-9]{1,9}$/.test(word) ? Number(word) : 0
  if (value < 1) throw new UsageError(`${option} takes a whole number from 1, not "${word}".`)
  return value
}

function worldOf(word: string): SimWorld {
  const found = simWorlds.find((name) => name === word)
  if (found === undefined) throw new UsageError(`--world takes week, or the name of a function, not "${word}".`)
  return found
}

function functionOf(word: string): SimWorld {
  const found = simFunctions.find((name) => name === word)
  if (found === undefined) throw new UsageError(`--function takes ${functionsText}, not "${word}".`)
  return found
}
