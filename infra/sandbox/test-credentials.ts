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

/**
 * What the webhooks of the built-in configuration are known by, and the sample events of events/ with them, under the names of the
 * variables that the configuration refers to. It opens nothing else anywhere.
 */
export const sandboxHookSecrets = {
  SANDBOX_REGISTRY_TOKEN: 'sandbox-registry-token',
  SANDBOX_HARBOR_TOKEN: 'sandbox-harbor-token',
  SANDBOX_TCR_TOKEN: 'sandbox-tcr-token',
  SANDBOX_HUB_SECRET: 'sandbox-hub-secret',
  SANDBOX_CI_KEY: 'whsec_c2FuZGJveC1rZXktZm9yLWxvY2FsLXVzZS1vbmx5LSE=',
  SANDBOX_APPROVAL_SECRET: 'sandbox-approval-secret-for-local-use-only',
  SANDBOX_ALERTS_TOKEN: 'sandbox-alerts-token',
  SANDBOX_MONITOR_SECRET: 'sandbox-monitor-secret',
  SANDBOX_MONITOR_CODE: 'sandbox-monitor-code',
  SANDBOX_GRAFANA_TOKEN: 'sandbox-grafana-token',
  SANDBOX_GRAFANA_KEY: 'sandbox-grafana-key',
  SANDBOX_CLOUDWATCH_TOKEN: 'sandbox-cloudwatch-token',
  SANDBOX_OPS_KEY: 'whsec_c2FuZGJveC1vcHMta2V5LWZvci1sb2NhbC11c2Utb25seSE=',
} as const
