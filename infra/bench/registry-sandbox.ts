import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { startSandbox } from '#infra/sandbox/server.ts'
import { registryWorld } from './registry-world.ts'

/**
 * The sandbox with a large registry, in a process of its own so that its memory is not that of who asks. Tells its parent its
 * address, ends with it. Words: repositories, tags of each, workloads, where its clock begins, how many times as fast as the
 * machine's it runs, and since when.
 */
const [repositories = '', tags = '', workloads = '', begin = '', times = '', since = ''] = process.argv.slice(2)
const startMs = Number(begin)
const sizes = Array.from({ length: Number(repositories) }, () => Number(tags))
const sandbox = await startSandbox({
  world: registryWorld({ sizes, workloads: Number(workloads) }, startMs),
  clock: createSandboxClock({ source: () => startMs + (Date.now() - Number(since)) * Number(times) }),
  rates: false,
})
process.send?.({ url: sandbox.url })
process.on('disconnect', () => process.exit())
