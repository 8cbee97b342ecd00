import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { originOf } from '#cloud/endpoint.ts'
import { isLoopback } from '#cloud/proxy.ts'
import type { Platform } from '#infra/local/platform.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Mode } from '#shared/runtime/definition.ts'
import type { CommandIo } from './command.ts'
import { counted } from './words.ts'

const meaning: Readonly<Record<Mode, string>> = {
  observe: 'reports what it sees and would decide, writes nothing',
  plan: 'prints what would be done, writes nothing',
  enforce: 'carries out what it decides',
}

/**
 * Says what a command runs against: the platform by the hosts that are called, or the sandbox; which file configures it; what
 * the mode means. Ends with an empty line.
 *
 * @param what.configPath the file that was named; a configuration that lies about unused is pointed out when there is none
 * @param what.isShortLived whether the sandbox is gone before anybody could look at it
 */
export async function introduce(
  platform: Pick<Platform, 'config' | 'sandbox'>,
  what: { readonly configPath: string | undefined; readonly functionCount: number; readonly isShortLived?: boolean },
  io: CommandIo,
): Promise<void> {
  const { config, sandbox } = platform
  const by = config.path === undefined || what.configPath === undefined ? '' : `, configured by ${config.path}`
  if (sandbox !== undefined) {
    const where = what.isShortLived === true ? 'a fresh sandbox' : `its sandbox at ${sandbox.url}`
    io.out(`Longshore on ${where}${by}: a stand-in for the platform on this machine; nothing real is touched.`)
    if (what.configPath === undefined) await hint(io)
  } else {
    const origins = originsOf(config)
    io.out(`Longshore on ${origins.join(' and ')}${by}.`)
    if (
      origins.map((origin) => new URL(origin)).some(({ protocol, hostname }) => protocol === 'http:' && !isLoopback(unbracketed(hostname)))
    ) {
      io.err('Warning: the connection is not encrypted; anybody on the way can read and change the answers.')
    }
  }
  io.out(
    `Mode ${config.mode} (${meaning[config.mode]}); ${counted(config.clusters.length, 'cluster')}; ${counted(what.functionCount, 'function')}.`,
  )
  if (config.clusters.length === 0) io.out('No clusters are configured, so nothing will be decided.')
  io.out('')
}

/** The addresses that are called: one for each service, or one for all. */
function originsOf({ platform }: Config): readonly string[] {
  return [...new Set(['tke', 'tcr'].map((service) => originOf(platform.endpoint, service)))]
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** Somebody who set up a real platform may expect it to be used: say why it is not. */
async function hint(io: CommandIo): Promise<void> {
  const { LONGSHORE_CONFIG } = io.env
  const credentials = ['TENCENTCLOUD_SECRET_ID', 'TENCENTCLOUD_SECRET_KEY'].filter((name) => given(io.env[name]))
  const names = given(LONGSHORE_CONFIG) ? ['LONGSHORE_CONFIG', ...credentials] : credentials
  if (names.length > 0) {
    const file = given(LONGSHORE_CONFIG) ? LONGSHORE_CONFIG : 'FILE'
    io.out(
      `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} set but not used: a real platform is only touched with --config ${file}.`,
    )
    return
  }
  try {
    await access(join(io.cwd, 'longshore.yaml'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
  io.out('There is a longshore.yaml, but it is not used: a real platform is only touched with --config longshore.yaml.')
}

function given(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}
