import { asReader } from '#cloud/client.ts'
import type { CloudReader } from '#cloud/cloud.ts'
import { definition } from '#functions/image-cleaner/definition.ts'
import type { Settings } from '#functions/image-cleaner/event.ts'
import { type Platform, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import type { FunctionConfig, ObserveAround } from '#shared/runtime/definition.ts'
import { createMemory, type MemoryReader, noMemory } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import type { CommandIo } from './command.ts'
import { configPathOf } from './words.ts'

/** What a command about images looks at: the image cleaner's own view of a platform, for reading only. */
export interface ImageWorld {
  readonly platform: Platform
  readonly config: FunctionConfig<Settings>
  readonly cloud: CloudReader
  readonly around: ObserveAround
  /** What the image cleaner's runs have kept; empty where there is no store. */
  readonly memory: MemoryReader
  readonly now: number
  /** `io.out`, without secrets. */
  readonly print: (line: string) => void
  readonly redact: (text: string) => string
  /** A cluster as people call it, with its id. */
  readonly clusterName: (id: string) => string
  /** A sentence with clusters as people call them in the place of their ids. */
  readonly readable: (text: string) => string
}

/** Opens it for as long as `work` takes. Calls end when the command is stopped. */
export async function withImages(
  io: CommandIo,
  options: { readonly config?: string | undefined; readonly sandbox?: boolean | undefined },
  work: (world: ImageWorld) => Promise<number>,
): Promise<number> {
  const redactor = createRedactor()
  const platform =
    options.sandbox === true
      ? await sandboxPlatform({ configPath: options.config, cwd: io.cwd, redactor, sandbox: {} })
      : await realPlatform({ configPath: configPathOf(options.config, io.env), cwd: io.cwd, env: io.env, redactor })
  try {
    const config = await functionConfig(platform.config, definition)
    const now = platform.now()
    const memory = platform.store === undefined ? noMemory : createMemory(platform.store, { function: definition.name, now: () => now })
    const reader = asReader(platform.cloud)
    if (platform.storeProblem !== undefined)
      io.err(redactor.text(`What earlier runs have seen cannot be read, so it is left out: ${platform.storeProblem}`))
    const names = new Map(config.clusters.map(({ id, name }) => [id, name]))
    const readable = (text: string): string => text.replace(/\bcls-[0-9a-z]+\b/g, (id) => names.get(id) ?? id)
    return await work({
      platform,
      config,
      cloud: { send: async (action, request, own) => await reader.send(action, request, { signal: io.signal, ...own }) },
      around: { memory: { get: memory.get, list: memory.list }, fetchText: platform.cloud.fetchText, signal: io.signal },
      memory,
      now,
      print: (line) => io.out(redactor.text(line)),
      redact: (text) => redactor.text(text),
      clusterName: (id) => {
        const name = names.get(id)
        return name === undefined || name === id ? id : `${name} (${id})`
      },
      readable,
    })
  } finally {
    await platform.close()
  }
}
