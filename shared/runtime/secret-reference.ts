import * as z from 'zod/mini'

/**
 * A place where a secret lies, never the secret: `env:NAME`, `file:/absolute/path` or `ssm:/parameter/name`. For functions'
 * own settings as well. Its error never shows the value, which may be the secret itself.
 */
export const SecretReference = z.string().check(
  z.regex(/^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+|ssm:\/[A-Za-z0-9_./-]+)$/, {
    error:
      'must say where the secret is, not what it is: "env:NAME", "file:/absolute/path" or "ssm:/parameter/name". If this was a secret, it is now in a file: replace it',
  }),
)
