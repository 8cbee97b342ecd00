/** What a platform hands a handler beside the event; Lambda's, SCF's, or nothing. */
export interface PlatformContext {
  readonly getRemainingTimeInMillis?: () => number
}

/** Longest delay of a timer: what stands for "no limit". */
const noLimitMs = 2 ** 31 - 1

/** Lambda's context as middy wants it, whole; a platform that says less has no time limit that is known. */
export function lambdaContext(name: string, platform: PlatformContext) {
  return {
    callbackWaitsForEmptyEventLoop: false,
    functionName: name,
    functionVersion: '',
    invokedFunctionArn: '',
    memoryLimitInMB: '',
    awsRequestId: '',
    logGroupName: '',
    logStreamName: '',
    done: () => undefined,
    fail: () => undefined,
    succeed: () => undefined,
    getRemainingTimeInMillis: () => platform.getRemainingTimeInMillis?.() ?? noLimitMs,
  }
}
