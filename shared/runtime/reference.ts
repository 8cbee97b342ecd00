import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

/** Answers the secret that a reference (`env:NAME`, `file:/path`, `ssm:/name`) points to. Throws SecretUnavailableError. */
export type ResolveReference = (reference: string) => Promise<string>

/** A reference that leads nowhere. The message names the reference, never a value. */
export class SecretUnavailableError extends Error {
  override readonly name = 'SecretUnavailableError'
  readonly kind = 'config.secret-unavailable'
}

/** Reads one decrypted parameter of the AWS parameter store. */
export type ReadParameter = (name: string) => Promise<string>

export interface ResolverOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads `ssm:` references; the AWS SDK that the Lambda runtime brings when absent. */
  readonly readParameter?: ReadParameter
}

/**
 * Makes a resolver. Every call reads anew, so that a rotated secret is seen: caching is the caller's. A file's one trailing
 * line break is not part of the secret. Empty is the same as missing.
 */
export function createResolver(options: ResolverOptions): ResolveReference {
  return async (reference) => {
    const colon = reference.indexOf(':')
    const scheme = reference.slice(0, colon)
    const name = reference.slice(colon + 1)
    switch (scheme) {
      case 'env': {
        const value = options.env[name]
        if (value === undefined || value === '')
          throw new SecretUnavailableError(`${reference}: the environment variable ${name} is not set; set it, or change the reference.`)
        return value
      }
      case 'file':
        return await readSecretFile(reference, name)
      case 'ssm': {
        const readParameter = options.readParameter ?? readLambdaParameter
        const value = await readParameter(name)
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

async function readSecretFile(reference: string, path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
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
export async function readLambdaParameter(name: string): Promise<string> {
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
    const answer = await client.send(new sdk.GetParameterCommand({ Name: name, WithDecryption: true }))
    const value = answer.Parameter?.Value
    if (value === undefined)
      throw new SecretUnavailableError(`ssm:${name}: the parameter store answered without a value; check the parameter.`)
    return value
  } catch (error) {
    if (error instanceof SecretUnavailableError) throw error
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
    send(command: unknown): Promise<{ readonly Parameter?: { readonly Value?: string } }>
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
