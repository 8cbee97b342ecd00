import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

/** Answers the secret that a reference (`env:NAME`, `file:/path`, `ssm:/name`) points to. Throws SecretUnavailableError. */
export type ResolveReference = (reference: string) => Promise<string>

/** A reference that leads nowhere, or takes too long. The message names the reference, never a value, nor what may be one. */
export class SecretUnavailableError extends Error {
  override readonly name = 'SecretUnavailableError'
  readonly kind = 'config.secret-unavailable'
}

/** Reads one decrypted parameter of the AWS parameter store. The signal ends with the time limit. */
export type ReadParameter = (name: string, signal?: AbortSignal) => Promise<string>

export interface ResolverOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads `ssm:` references; the AWS SDK that the Lambda runtime brings when absent. */
  readonly readParameter?: ReadParameter
  /** How long one reference may take; 10 s when absent. */
  readonly timeoutMs?: number
}

const defaultTimeoutMs = 10_000

/**
 * Makes a resolver. Every call reads anew, so that a rotated secret is seen: caching is the caller's. A file's one trailing
 * line break is not part of the secret. Empty is the same as missing. It always settles: a file or a parameter store that does not
 * answer in time is an error like one that is not there.
 */
export function createResolver(options: ResolverOptions): ResolveReference {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  return async (reference) => {
    const colon = reference.indexOf(':')
    const scheme = reference.slice(0, colon)
    const name = reference.slice(colon + 1)
    switch (scheme) {
      case 'env': {
        const value = options.env[name]
        if (value === undefined || value === '') throw notSet(name)
        return value
      }
      case 'file':
        return await inTime(reference, timeoutMs, (signal) => readSecretFile(reference, name, signal))
      case 'ssm': {
        const readParameter = options.readParameter ?? readLambdaParameter
        const value = await inTime(reference, timeoutMs, (signal) => readParameter(name, signal))
        if (value === '') throw new SecretUnavailableError(`${reference}: the parameter is empty; give it a value.`)
        return value
      }
      default:
        // The text is left out on purpose: it may be the secret itself.
        throw new SecretUnavailableError(
          'a secret is given as it is; say where it lies instead: env:NAME, file:/absolute/path or ssm:/parameter/name.',
        )
    }
  }
}

function notSet(name: string): SecretUnavailableError {
  if (!isLikeVariable(name)) {
    // Somebody may have put the secret itself behind `env:`.
    return new SecretUnavailableError(
      'env:…: there is no environment variable of this name, which is not shown, as it does not look like one and may be the secret itself; give the name of a variable, in capitals.',
    )
  }
  return new SecretUnavailableError(`env:${name}: the environment variable ${name} is not set; set it, or change the reference.`)
}

/** Whether a person would call a variable so: capitals, and no long unbroken row of them with digits in between. */
function isLikeVariable(name: string): boolean {
  return /^[A-Z_][A-Z0-9_]*$/.test(name) && name.split('_').every((word) => word.length < 20 || !/[0-9]/.test(word))
}

/** Ends waiting when the time is over, whatever the work does then: a file may be a pipe that nobody writes to. */
async function inTime(reference: string, timeoutMs: number, work: (signal: AbortSignal) => Promise<string>): Promise<string> {
  const end = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(new SecretUnavailableError(`${reference}: nothing came within ${timeoutMs} ms; check that it can be reached from here.`))
    end.abort()
  }, timeoutMs)
  try {
    return await Promise.race([work(end.signal), late.promise])
  } finally {
    clearTimeout(timer)
  }
}

async function readSecretFile(reference: string, path: string, signal: AbortSignal): Promise<string> {
  let text: string
  try {
    text = await readFile(path, { encoding: 'utf8', signal })
  } catch (error) {
    throw new SecretUnavailableError(
      `${reference}: the file cannot be read (${codeOf(error)}); check that it exists and that this process may read it.`,
      {
        cause: error,
      },
    )
  }
  const value = text.replace(/\r?\n$/, '')
  if (value === '') throw new SecretUnavailableError(`${reference}: the file is empty; write the secret into it.`)
  return value
}

const ssmPackage = '@aws-sdk/client-ssm'

/**
 * Through the SDK of the Lambda runtime, which is no dependency of this project: found at run time, and elsewhere a clear
 * error. Loaded by `require` because that follows NODE_PATH, where the runtime keeps it.
 */
export async function readLambdaParameter(name: string, signal = AbortSignal.timeout(defaultTimeoutMs)): Promise<string> {
  let sdk: unknown
  try {
    sdk = createRequire(import.meta.url)(ssmPackage)
  } catch (error) {
    throw new SecretUnavailableError(
      `ssm:${name}: ${ssmPackage} is not here (${codeOf(error)}); the Lambda runtime brings it, elsewhere use env:NAME or file:/absolute/path, or install it.`,
      { cause: error },
    )
  }
  if (!isSsmSdk(sdk))
    throw new SecretUnavailableError(`ssm:${name}: ${ssmPackage} has no SSMClient and GetParameterCommand; a version 3 is needed.`)
  const client = new sdk.SSMClient({})
  try {
    const answer = await client.send(new sdk.GetParameterCommand({ Name: name, WithDecryption: true }), { abortSignal: signal })
    const value = answer.Parameter?.Value
    if (value === undefined)
      throw new SecretUnavailableError(`ssm:${name}: the parameter store answered without a value; check the parameter.`)
    return value
  } catch (error) {
    if (error instanceof SecretUnavailableError) throw error
    if (signal.aborted) throw new SecretUnavailableError(`ssm:${name}: the parameter store did not answer in time.`, { cause: error })
    const reason = error instanceof Error ? error.name : 'unknown error'
    throw new SecretUnavailableError(
      `ssm:${name}: the parameter store refused (${reason}); check the name, and that the role may call ssm:GetParameter on it.`,
      {
        cause: error,
      },
    )
  } finally {
    client.destroy()
  }
}

/** The part of the SDK that is used, as it is found at run time. */
interface SsmSdk {
  readonly SSMClient: new (
    options: object,
  ) => {
    send(command: unknown, options: { readonly abortSignal: AbortSignal }): Promise<{ readonly Parameter?: { readonly Value?: string } }>
    destroy(): void
  }
  readonly GetParameterCommand: new (input: { readonly Name: string; readonly WithDecryption: boolean }) => unknown
}

function isSsmSdk(value: unknown): value is SsmSdk {
  return (
    typeof value === 'object' &&
    value !== null &&
    'SSMClient' in value &&
    typeof value.SSMClient === 'function' &&
    'GetParameterCommand' in value &&
    typeof value.GetParameterCommand === 'function'
  )
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error'
}
