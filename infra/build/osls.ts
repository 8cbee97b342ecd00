import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The script that is osls. */
export function oslsPath(root: string): string {
  return join(root, 'node_modules/osls/bin/serverless.js')
}

/**
 * Runs `osls package` on the root's serverless.yml: offline, with no credentials, no telemetry, and nothing of this process's
 * environment or home folder, so that the result depends on the repository and the given words (stage, region, parameters) alone.
 * Throws with osls's own words when it fails.
 */
export async function oslsPackage(root: string, words: readonly string[] = []): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-osls-'))
  const env = {
    HOME: home,
    PATH: process.env.PATH ?? '',
    CI: '1',
    NO_COLOR: '1',
    SLS_TELEMETRY_DISABLED: '1',
    SLS_TRACKING_DISABLED: '1',
    SLS_NOTIFICATIONS_MODE: 'off',
    AWS_EC2_METADATA_DISABLED: 'true',
  }
  try {
    await promisify(execFile)(process.execPath, [oslsPath(root), 'package', ...words], {
      cwd: root,
      env,
      timeout: 120_000,
    })
  } catch (error) {
    const words = error instanceof Error && 'stdout' in error && 'stderr' in error ? `${error.stdout}${error.stderr}`.trim() : String(error)
    throw new Error(`osls could not package serverless.yml:\n${words}`, { cause: error })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
