import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from './clock.ts'
import { type CredentialSource, type Credentials, credentialsProblem, firstCredentials, holdCredentials } from './credentials.ts'
import { JsonError, membersOf, parseJson } from './json.ts'

export interface FileCredentialsOptions {
  /** A credentials file, or a directory with one `<profile>.credential` per profile. */
  readonly path: string
  /** Section of an INI file, or file of a directory; `default` when absent. A JSON file has one profile only. */
  readonly profile?: string | undefined
  readonly clock: Clock
}

/** How long a file is trusted before its time of change is looked at again. */
const recheckMs = 10_000

/**
 * Credentials from a file of the platform's own tools, in either format: JSON with `secretId`, `secretKey`, `token` and
 * `expiresAt` (seconds), as its command line keeps in `~/.tccli/<profile>.credential`; or INI sections with `secret_id`,
 * `secret_key` and `token`, as its SDKs read from `~/.tencentcloud/credentials`.
 *
 * A changed file is noticed within 10 seconds, so a new login needs no restart. Absent when there is no file or no such
 * section; broken when it cannot be read; expired when the file says so.
 */
export function fileCredentials(options: FileCredentialsOptions): CredentialSource {
  const { path, clock } = options
  const profile = options.profile ?? 'default'
  let held: { readonly credentials: Credentials; readonly version: string } | undefined
  let checkedAt = Number.NEGATIVE_INFINITY
  let underWay: Promise<Credentials> | undefined

  const read = async (): Promise<Credentials> => {
    const file = await locate(path, profile)
    if (held?.version !== file.version) held = { credentials: await readCredentials(file.path, profile), version: file.version }
    checkedAt = clock.monotonic()
    return held.credentials
  }

  return async () => {
    let credentials = held?.credentials
    if (credentials === undefined || clock.monotonic() - checkedAt >= recheckMs) {
      underWay ??= read().finally(() => {
        underWay = undefined
      })
      credentials = await underWay
    }
    if (credentials.expiresAt !== undefined && credentials.expiresAt <= clock.now()) {
      throw credentialsProblem(
        'credentials.expired',
        `those of profile ${profile} in ${path} expired at ${new Date(credentials.expiresAt).toISOString()}. Log in again.`,
      )
    }
    return credentials
  }
}

/** What the platform's command line and SDKs leave in a home directory, in the order they are asked. */
export function homeCredentials(options: {
  readonly homeDirectory: string
  readonly profile?: string | undefined
  readonly clock: Clock
}): CredentialSource {
  const { homeDirectory, profile, clock } = options
  return firstCredentials([
    fileCredentials({ path: join(homeDirectory, '.tccli'), profile, clock }),
    fileCredentials({ path: join(homeDirectory, '.tencentcloud', 'credentials'), profile, clock }),
  ])
}

/** The file to read, and a text that changes whenever the file does. */
async function locate(path: string, profile: string): Promise<{ readonly path: string; readonly version: string }> {
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(profile) || profile.startsWith('.')) {
    throw credentialsProblem(
      'credentials.broken',
      `the profile ${JSON.stringify(profile)} is no name: use letters, digits, ".", "_" and "-".`,
    )
  }
  const found = await statOf(path)
  if (!found.isDirectory()) return { path, version: versionOf(found) }
  const inside = join(path, `${profile}.credential`)
  return { path: inside, version: versionOf(await statOf(inside)) }
}

async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>>> {
  try {
    return await stat(path)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw credentialsProblem(
        'credentials.absent',
        `there is no file ${path}. Log in with the platform's command line, or write the file.`,
      )
    }
    throw credentialsProblem('credentials.broken', `the file ${path} cannot be read (${code}). Check its permissions.`, error)
  }
}

function versionOf(file: Awaited<ReturnType<typeof stat>>): string {
  return `${file.ino}/${file.mtimeMs}/${file.size}`
}

async function readCredentials(path: string, profile: string): Promise<Credentials> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw credentialsProblem('credentials.broken', `the file ${path} cannot be read (${codeOf(error)}). Check its permissions.`, error)
  }
  const content = text.replace(/^\uFEFF/, '')
  return content.trimStart().startsWith('{') ? fromJson(content, path) : fromIni(content, path, profile)
}

function fromJson(text: string, path: string): Credentials {
  const fields = new Map<string, unknown>()
  try {
    const parsed = parseJson(text)
    if (typeof parsed === 'object' && parsed !== null) for (const [name, value] of membersOf(parsed)) fields.set(name, value)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw credentialsProblem('credentials.broken', `the file ${path} looks like JSON but is none: ${error.message}.`)
  }
  const expiresAt = fields.get('expiresAt')
  return holdCredentials(
    {
      secretId: textOf(fields.get('secretId')),
      secretKey: textOf(fields.get('secretKey')),
      token: textOf(fields.get('token')),
      expiresAt: typeof expiresAt === 'number' && expiresAt > 0 ? expiresAt * 1000 : undefined,
    },
    `the file ${path} (secretId, secretKey, token)`,
  )
}

function fromIni(text: string, path: string, profile: string): Credentials {
  const sections = new Map<string, Map<string, string>>()
  let section: Map<string, string> | undefined
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const content = line.trim()
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue
    const title = /^\[([^\]]*)\]$/.exec(content)?.[1]?.trim()
    if (title !== undefined) {
      section = sections.get(title) ?? new Map<string, string>()
      sections.set(title, section)
      continue
    }
    const equals = content.indexOf('=')
    // The line is not quoted: it may be a key that lost its name.
    if (equals < 1 || section === undefined)
      throw credentialsProblem('credentials.broken', `line ${index + 1} of ${path} is neither a [section] nor a "name = value" inside one.`)
    section.set(content.slice(0, equals).trim(), content.slice(equals + 1).trim())
  }
  const chosen = sections.get(profile)
  if (chosen === undefined) {
    const names = [...sections.keys()].map((name) => `[${name}]`).join(', ')
    throw credentialsProblem(
      'credentials.absent',
      `the file ${path} has no section [${profile}]${names === '' ? '' : `, only ${names}`}. Add it with secret_id and secret_key.`,
    )
  }
  return holdCredentials(
    { secretId: chosen.get('secret_id') ?? '', secretKey: chosen.get('secret_key') ?? '', token: chosen.get('token') },
    `section [${profile}] of ${path} (secret_id, secret_key, token)`,
  )
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown reason'
}
