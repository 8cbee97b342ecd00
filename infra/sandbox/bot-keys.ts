/** Keys that requests to a topic of the sandbox are signed with. */
export const sandboxAwsKeys = {
  accessKeyId: 'AKIASANDBOXEXAMPLE00',
  secretAccessKey: 'sandbox/aws+key/for/local/use/only/EXAMPLE',
} as const
