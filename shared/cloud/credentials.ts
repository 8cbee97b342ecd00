import type { Clock } from './clock.ts'
import { CloudError } from './errors.ts'

/** A pair of id and key, with the token that temporary ones need. */
export interface Credentials {
  readonly secretId: string
  readonly secretKey: string
  readonly token?: string | undefined
  /** Epoch milliseconds; absent when they do not expire. */
  readonly expiresAt?: number | undefined
}

/**
 * Gives the credentials to sign with now. Asked before every try, so it answers from memory where it can, and with the
 * same object while they are the same. `refused` are credentials that the platform has just turned down: a source that
 * can fetch others does so, however long these were to be valid. Throws CloudError of kind `cloud.credentials`; its code is `credentials.absent`
 * where there are none, `credentials.broken` where they cannot be used, `credentials.expired`, or `credentials.refresh-failed`.
 */
export type CredentialSource = (refused?: Credentials) => Promise<Credentials>

/** Credentials that keep key and token out of logs, dumps, JSON and spreads. Every source of this file gives such. */
class HeldCredentials implements Credentials {
  readonly secretId: string
  readonly #secretKey: string
  readonly #token: string | undefined
  readonly expiresAt: number | undefined

  constructor(plain: Credentials) {
    this.secretId = plain.secretId
    this.#secretKey = plain.secretKey
    this.#token = plain.token
    this.expiresAt = plain.expiresAt
    Object.freeze(this)
  }

  get secretKey(): string {
    return this.#secretKey
  }

  get token(): string | undefined {
    return this.#token
  }

  /** What may be shown of them. */
  toJSON(): object {
    return {
      secretId: this.secretId,
      secretKey: '(hidden)',
      ...(this.#token === undefined ? {} : { token: '(hidden)' }),
      ...(this.expiresAt === undefined ? {} : { expiresAt: this.expiresAt }),
    }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): object {
    return this.toJSON()
  }
}

/**
 * Checks credentials and wraps them so that nothing prints key or token. White space around the values is cut off: a line
 * break at the end of a secret is the commonest slip. `where` says in errors where they come from.
 */
export function holdCredentials(plain: Credentials, where: string): Credentials {
  const secretId = plain.secretId.trim()
  const secretKey = plain.secretKey.trim()
  const token = plain.token?.trim()
  const missing = [...(secretId === '' ? ['secret id'] : []), ...(secretKey === '' ? ['secret key'] : [])]
  if (missing.length > 0)
    throw credentialsProblem('credentials.broken', `${where} gives no ${missing.join(' and no ')}. Set both, or neither.`)
  // The faulty values are not quoted: a key pasted into the id's place would be printed.
  if (/[^\x21-\x7e]|[,/]/.test(secretId))
    throw credentialsProblem('credentials.broken', `the secret id from ${where} holds a character that no id has. Copy it again.`)
  if (/[^\x21-\x7e]/.test(secretKey))
    throw credentialsProblem('credentials.broken', `the secret key from ${where} holds a character that no key has. Copy it again.`)
  if (token !== undefined && /[^\x21-\x7e]/.test(token)) {
    throw credentialsProblem('credentials.broken', `the token from ${where} holds a character that no token has. Copy it again.`)
  }
  if (plain.expiresAt !== undefined && !Number.isFinite(plain.expiresAt)) {
    throw credentialsProblem('credentials.broken', `the expiry from ${where} is no time in milliseconds.`)
  }
  return new HeldCredentials({ secretId, secretKey, token: token === '' ? undefined : token, expiresAt: plain.expiresAt })
}

/** Always the same credentials. */
export function staticCredentials(plain: Credentials): CredentialSource {
  const held = holdCredentials(plain, 'the configuration')
  return () => Promise.resolve(held)
}

/** Environment variables by name, as the platform's Terraform provider calls them. */
export interface EnvironmentValues {
  readonly TENCENTCLOUD_SECRET_ID?: string | undefined
  readonly TENCENTCLOUD_SECRET_KEY?: string | undefined
  readonly TENCENTCLOUD_TOKEN?: string | undefined
}

const inEnvironment = 'the environment (TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY, TENCENTCLOUD_TOKEN)'

/** Credentials from environment values, which the caller reads. Absent when neither id nor key is set; broken with only one of them. */
export function environmentCredentials(environment: EnvironmentValues): CredentialSource {
  const secretId = environment.TENCENTCLOUD_SECRET_ID ?? ''
  const secretKey = environment.TENCENTCLOUD_SECRET_KEY ?? ''
  const token = environment.TENCENTCLOUD_TOKEN
  let held: Credentials | undefined
  return async () => {
    if (secretId.trim() === '' && secretKey.trim() === '') {
      throw credentialsProblem(
        'credentials.absent',
        `there are no credentials in ${inEnvironment}. Set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY.`,
      )
    }
    held ??= holdCredentials({ secretId, secretKey, token }, inEnvironment)
    return held
  }
}

/**
 * The first source that has credentials, asked in order. One that has none passes the question on; one that is broken does
 * not, so that a misspelt key never falls back to somebody else's account. The choice is made anew at every call.
 */
export function firstCredentials(sources: readonly CredentialSource[]): CredentialSource {
  return async (refused) => {
    const looked: string[] = []
    for (const source of sources) {
      try {
        return await source(refused)
      } catch (error) {
        if (!(error instanceof CloudError) || error.code !== 'credentials.absent') throw error
        looked.push(error.message.slice(prefix.length))
      }
    }
    throw credentialsProblem(
      'credentials.absent',
      looked.length === 0 ? 'no place to look for credentials is configured.' : `found none anywhere: ${looked.join(' ')}`,
    )
  }
}

export interface RefreshOptions {
  /** Fetches new credentials. Its signal ends with the time limit. */
  readonly refresh: (signal: AbortSignal) => Promise<Credentials>
  readonly clock: Clock
  /** What is asked, for errors: `the instance's role`. */
  readonly name: string
  /** How long before expiry renewal begins; 5 minutes when absent, and never more than half of the lifetime that is left. */
  readonly renewBeforeMs?: number | undefined
  /** How long one refresh may take; 10 seconds when absent. */
  readonly timeoutMs?: number | undefined
}

/** After a renewal in the background failed, the next one waits this long: the old credentials are still good. */
const backgroundPauseMs = 1000

/**
 * Credentials that are fetched, and fetched again before they expire.
 *
 * Any number of callers share one refresh. While the old ones are valid, renewal happens in the background and nobody
 * waits; once they have expired, everybody waits for the one refresh. A refresh that fails is told to those who waited for
 * it and never remembered: the next caller tries again. Credentials without expiry are fetched once.
 */
export function refreshingCredentials(options: RefreshOptions): CredentialSource {
  const { clock, name } = options
  const renewBeforeMs = options.renewBeforeMs ?? 300_000
  const timeoutMs = options.timeoutMs ?? 10_000
  let current: Credentials | undefined
  let renewAt = Number.POSITIVE_INFINITY
  let underWay: Promise<Credentials> | undefined
  let pausedUntil = Number.NEGATIVE_INFINITY

  const fetchOnce = async (): Promise<Credentials> => {
    const fetched = holdCredentials(await withinTime(options.refresh, clock, timeoutMs, name), name)
    const now = clock.now()
    if (fetched.expiresAt !== undefined && fetched.expiresAt <= now) {
      throw credentialsProblem(
        'credentials.expired',
        `${name} gave credentials that expired ${Math.ceil((now - fetched.expiresAt) / 1000)} s ago. Check its clock and this machine's.`,
      )
    }
    current = fetched
    renewAt =
      fetched.expiresAt === undefined
        ? Number.POSITIVE_INFINITY
        : fetched.expiresAt - Math.min(renewBeforeMs, (fetched.expiresAt - now) / 2)
    return fetched
  }
  const refresh = (): Promise<Credentials> => {
    underWay ??= fetchOnce()
      .catch((error: unknown) => {
        throw refreshProblem(name, error)
      })
      .finally(() => {
        underWay = undefined
      })
    return underWay
  }

  return async (refused) => {
    const now = clock.now()
    if (current === undefined || current === refused || (current.expiresAt !== undefined && current.expiresAt <= now)) return refresh()
    if (now >= renewAt && underWay === undefined && clock.monotonic() >= pausedUntil) {
      refresh().catch(() => {
        // Nobody waits for this one. If it goes on failing, the callers after expiry are told.
        pausedUntil = clock.monotonic() + backgroundPauseMs
      })
    }
    return current
  }
}

async function withinTime(refresh: RefreshOptions['refresh'], clock: Clock, timeoutMs: number, name: string): Promise<Credentials> {
  const end = new AbortController()
  const done = new AbortController()
  const limit = async (): Promise<never> => {
    await clock.sleep(timeoutMs, done.signal)
    const late = credentialsProblem(
      'credentials.refresh-failed',
      `${name} gave no credentials within ${timeoutMs} ms. Check that it can be reached.`,
      undefined,
      true,
    )
    end.abort(late)
    throw late
  }
  try {
    return await Promise.race([refresh(end.signal), limit()])
  } finally {
    // Ends the sleep; its rejection has nobody to go to, since the race is over.
    done.abort()
  }
}

function refreshProblem(name: string, error: unknown): unknown {
  if (error instanceof CloudError && error.kind === 'cloud.credentials') return error
  const text = error instanceof Error ? error.message : String(error)
  return credentialsProblem('credentials.refresh-failed', `${name} could not give credentials: ${text}`, error, true)
}

export type CredentialsProblem = 'credentials.absent' | 'credentials.broken' | 'credentials.expired' | 'credentials.refresh-failed'

const prefix = 'Credentials: '

/** The error of every source. `what` never holds a secret. */
export function credentialsProblem(code: CredentialsProblem, what: string, cause?: unknown, retryable = false): CloudError {
  return new CloudError(
    `${prefix}${what}`,
    { kind: 'cloud.credentials', code, action: 'credentials', retryable },
    cause === undefined ? undefined : { cause },
  )
}
