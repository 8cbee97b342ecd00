import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const path = join(import.meta.dirname, '../../package-lock.json')

interface LockEntry {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
}

/** The part of package-lock.json that matters here. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockEntry>>
}

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64']

/**
 * Adds the entries that a lock file lacks for packages of other platforms. `npm install` leaves out an optional package that
 * its registry does not have, and `npm ci` then refuses the file everywhere. What an entry needs to be skipped where it does
 * not belong (system, processor, libc) is read off the package's name. Packages whose name says no platform are left alone.
 */
export function completeLock<L extends Lock>(lock: L): { readonly lock: L; readonly added: readonly string[] } {
  const packages: Record<string, LockEntry> = { ...lock.packages }
  const added: string[] = []
  for (const entry of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const key = `node_modules/${name}`
      const words = name.split(/[-/]/)
      const os = systems.find((system) => words.includes(system))
      if (packages[key] !== undefined || os === undefined || !/^\d/.test(version)) continue
      const cpu = processors.find((processor) => words.includes(processor))
      packages[key] = {
        version,
        ...(entry.dev === true ? { dev: true } : {}),
        optional: true,
        os: [os],
        ...(cpu === undefined ? {} : { cpu: [cpu] }),
        ...(words.includes('musl') ? { libc: ['musl'] } : {}),
      }
      added.push(name)
    }
  }
  const sorted = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { lock: { ...lock, packages: sorted }, added }
}

if (import.meta.main) {
  const { lock, added } = completeLock<Lock>(JSON.parse(await readFile(path, 'utf8')))
  await writeFile(path, `${JSON.stringify(lock, null, 2)}\n`)
  console.log(added.length === 0 ? 'package-lock.json is complete' : `package-lock.json: added ${added.join(', ')}`)
}
