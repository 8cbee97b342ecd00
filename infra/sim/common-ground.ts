import type { SandboxCore } from '#infra/sandbox/core.ts'
import type { Config } from '#shared/runtime/config.ts'
import { MemoryDisk } from '#shared/safety/store-memory.ts'
import { EventLoop } from './event-loop.ts'
import { History } from './history.ts'

/** Numbers that each are given once: of calls, of requests, of runs. */
export class Numbers {
  #calls = 0
  #wires = 0
  #runs = 0

  call(): number {
    this.#calls += 1
    return this.#calls
  }

  wire(): number {
    this.#wires += 1
    return this.#wires
  }

  run(): number {
    this.#runs += 1
    return this.#runs
  }
}

/** What a simulation lives on. Several that have it in common live in one world, at one time, on one store. */
export interface CommonGround {
  readonly loop: EventLoop
  readonly history: History
  readonly disk: MemoryDisk
  readonly numbers: Numbers
  /** The world that there is already; undefined for who has to build its own. */
  readonly shared?: SharedWorld | undefined
}

/** A world of several simulations. */
export interface SharedWorld {
  /** The configuration of all functions; undefined where each has its own. */
  readonly config: Config | undefined
  /** The platform for one of them, who looks right before each of its own calls, and now and then when others make theirs. */
  readonly coreFor: (look: () => void) => SandboxCore
}

export function newGround(startMs: number): CommonGround {
  return { loop: new EventLoop(startMs), history: new History(startMs), disk: new MemoryDisk(), numbers: new Numbers() }
}
