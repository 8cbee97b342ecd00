/** One key of the sandbox's account. */
export interface SandboxCredential {
  readonly secretId: string
  readonly secretKey: string
  /** With one, every call has to carry it: a temporary key. */
  readonly token?: string
  /**
   * What the key may call, as `service:Action` with `*` as a wildcard at the end (`tcr:Describe*`, `tke:*`). Everything
   * when absent; nothing when empty.
   */
  readonly allow?: readonly string[]
}

/** The key every sandbox knows. It opens nothing else anywhere. */
export const sandboxCredential: SandboxCredential = {
  secretId: 'AKIDSANDBOX0000000000000000EXAMPLE',
  secretKey: 'SandboxKeyForLocalUseOnlyEXAMPLE',
}

export const sandboxSecretId = sandboxCredential.secretId

export const sandboxSecretKey = sandboxCredential.secretKey

/** What kubectl shows to the clusters of a sandbox. */
export const sandboxKubeToken = 'sandbox-token'
