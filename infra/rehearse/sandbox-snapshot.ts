import { asReader } from '#cloud/client.ts'
import { sandboxPlatform } from '#infra/local/platform.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import type { Snapshot } from './snapshot.ts'
import { takeSnapshot } from './take-snapshot.ts'

/** A snapshot of a sandbox of its own, which begins for it and ends with it. */
export async function sandboxSnapshot({ seed, folder }: { readonly seed: number; readonly folder: string }): Promise<Snapshot> {
  const platform = await sandboxPlatform({ cwd: folder, redactor: createRedactor(), sandbox: { port: 0, seed } })
  try {
    return await takeSnapshot({ cloud: asReader(platform.cloud), config: platform.config, source: 'sandbox', now: platform.now() })
  } finally {
    await platform.close()
  }
}
