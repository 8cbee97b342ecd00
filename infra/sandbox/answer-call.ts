import type { Action, Effect } from '#cloud/action.ts'
import { allActions } from '#cloud/generated/all-actions.ts'
import { kubernetesEffect } from './call-journal.ts'
import { checkRequest, parseBody } from './check-request.ts'
import type { Reply, SandboxCore } from './core.ts'
import { type Fault, lie } from './faults.ts'
import { nestFormParams, parseForm } from './form-params.ts'
import { nextId } from './random.ts'
import { PlatformFault, type ReducerContext } from './reducer.ts'
import { reducerOf } from './table.ts'
import { regionExists } from './tke/platform.ts'
import { allLeniencies, firstLabel, headerOf, type ReceivedCall, verifySignature } from './verify-signature.ts'
import { wireText } from './wire-text.ts'

/** A call to one of the two services, read as far as it can be without trusting it. */
export interface ApiCall {
  readonly received: ReceivedCall
  readonly requestId: string
  readonly name: string
  readonly version: string
  readonly region: string
  readonly action: Action | undefined
  readonly service: string
  readonly effect: Effect
  readonly secretId: string
  /** The parameters as they came, or why they cannot be read. */
  readonly params: { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly fault: PlatformFault }
  readonly clusterId?: string
  readonly path?: string
}

/** The limits that the manual sets for the size of a request. */
export const getLimitBytes = 32 * 1024
export const formLimitBytes = 1024 * 1024
export const jsonLimitBytes = 10 * 1024 * 1024

const actionsByName: ReadonlyMap<string, Action> = new Map(
  Object.values(allActions)
    .flatMap((actions) => Object.values(actions))
    .map((action) => [action.name, action]),
)

/** The parameters of v1 that sign and address a call; all others are the action's. */
const commonParams: ReadonlySet<string> = new Set([
  'Action',
  'Version',
  'Region',
  'Timestamp',
  'Nonce',
  'SecretId',
  'Signature',
  'SignatureMethod',
  'Token',
  'Language',
  'RequestClient',
])

/**
 * Reads what a call is about: by the X-TC headers, or by its parameters when it has none. Refuses nothing yet; what is
 * missing is empty.
 */
export function readCall(received: ReceivedCall, requestId: string): ApiCall {
  const queryAt = received.target.indexOf('?')
  const query = queryAt === -1 ? '' : received.target.slice(queryAt + 1)
  const byHeaders = headerOf(received, 'x-tc-action') !== undefined || headerOf(received, 'authorization') !== undefined
  const form =
    byHeaders && received.method === 'POST' ? undefined : parseForm(received.method === 'POST' ? received.body.toString('utf8') : query)
  const common = (header: string, param: string) =>
    (byHeaders ? headerOf(received, header) : form?.ok === true ? form.value.get(param) : undefined) ?? ''
  const name = common('x-tc-action', 'Action')
  const action = actionsByName.get(name)
  const hostLabel = firstLabel(headerOf(received, 'host') ?? '')
  const params = readParams(received, byHeaders, form, action)
  const forwarded = name === 'ForwardRequest' && params.ok && isRecord(params.value) ? params.value : undefined
  const clusterId = params.ok && isRecord(params.value) ? params.value.ClusterId : undefined
  return {
    received,
    requestId,
    name,
    version: common('x-tc-version', 'Version'),
    region: common('x-tc-region', 'Region'),
    action,
    service: action?.service ?? (Object.hasOwn(allActions, hostLabel) ? hostLabel : ''),
    effect: forwarded === undefined ? (action?.effect ?? 'write') : kubernetesEffect(forwarded.Method),
    secretId: byHeaders ? (/Credential=([^/,\s]+)/.exec(headerOf(received, 'authorization') ?? '')?.[1] ?? '') : common('', 'SecretId'),
    params,
    ...(typeof clusterId === 'string' ? { clusterId } : {}),
    ...(typeof forwarded?.Path === 'string' ? { path: forwarded.Path } : {}),
  }
}

function readParams(
  received: ReceivedCall,
  byHeaders: boolean,
  form: ReturnType<typeof parseForm> | undefined,
  action: Action | undefined,
): ApiCall['params'] {
  try {
    if (form === undefined) {
      return { ok: true, value: parseBody(received.body) }
    }
    if (!form.ok) {
      return { ok: false, fault: new PlatformFault('InvalidParameter', form.error) }
    }
    const own = [...form.value].filter(([name]) => byHeaders || !commonParams.has(name))
    const nested = nestFormParams(own, action?.input ?? {})
    return nested.ok ? nested : { ok: false, fault: new PlatformFault('InvalidParameter', nested.error) }
  } catch (error) {
    if (error instanceof PlatformFault) {
      return { ok: false, fault: error }
    }
    throw error
  }
}

/** What came of a call. `applied` says whether a write was carried out. */
export interface ApiOutcome {
  readonly reply: Reply
  readonly code?: string
  readonly request?: Readonly<Record<string, unknown>>
  readonly applied: boolean
}

/**
 * Carries a call out, or refuses it as the platform does: protocol and size first, then action and version, signature,
 * permission, rate, region and parameters, and last what the action itself says. Every answer is HTTP 200 with an
 * envelope. Throws nothing: a mistake of the sandbox itself is answered as InternalError that says so.
 */
export async function answerCall(core: SandboxCore, call: ApiCall, faults: readonly Fault[]): Promise<ApiOutcome> {
  let request: Record<string, unknown> | undefined
  let applied = false
  const ending = faults.find(({ kind }) => kind !== 'latency' && kind !== 'clock-skew')
  try {
    if (ending?.kind === 'throttle') {
      throw new PlatformFault(
        'RequestLimitExceeded',
        `Your current request frequency exceeds the limit for ${call.service}.${call.name} (a fault of the sandbox).`,
      )
    }
    if (ending?.kind === 'internal-error' && ending.when === 'before') {
      throw new PlatformFault('InternalError', 'An internal error has occurred (a fault of the sandbox, before anything was done).')
    }
    const action = admit(core, call, skewOf(faults))
    if (!call.params.ok) {
      throw call.params.fault
    }
    request = checkRequest(call.params.value, action.input)
    core.advance()
    const answer = await carryOut(core, call, action, request, ending)
    applied = call.effect === 'write'
    if (ending?.kind === 'internal-error') {
      throw new PlatformFault('InternalError', 'An internal error has occurred (a fault of the sandbox, after the call was carried out).')
    }
    const shown = ending?.kind === 'lying-page' ? lie(answer, action, ending) : answer
    return { reply: envelope({ ...shown, RequestId: call.requestId }), request: withoutSecrets(request), applied }
  } catch (error) {
    const fault = error instanceof PlatformFault ? error : ownMistake(error)
    return {
      reply: envelope({ Error: { Code: fault.code, Message: fault.message }, RequestId: call.requestId }),
      code: fault.code,
      ...(request === undefined ? {} : { request: withoutSecrets(request) }),
      applied,
    }
  }
}

/** The journal can be read by anybody on this machine, and a password in it would be in every dump. */
function withoutSecrets(request: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.hasOwn(request, 'Password') ? { ...request, Password: '***' } : request
}

function ownMistake(error: unknown): PlatformFault {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return new PlatformFault(
    'InternalError',
    `The sandbox itself failed, which is a mistake in it: ${text.split('\n').slice(0, 3).join(' ').trim()}`,
  )
}

export function skewOf(faults: readonly Fault[]): number {
  return faults.reduce((sum, fault) => sum + (fault.kind === 'clock-skew' ? fault.skewMs : 0), 0)
}

/** Everything that is refused before the parameters are looked at. */
function admit(core: SandboxCore, call: ApiCall, skewMs: number): Action {
  const { received, action } = call
  if (received.method !== 'GET' && received.method !== 'POST') {
    throw new PlatformFault('UnsupportedProtocol', `The method is ${received.method}; only GET and POST are supported.`)
  }
  checkSize(received)
  if (call.name === '') {
    if (!call.params.ok) {
      throw call.params.fault
    }
    throw new PlatformFault('MissingParameter', 'The request is missing a required parameter `Action`.')
  }
  const hostLabel = firstLabel(headerOf(received, 'host') ?? '')
  if (action === undefined || (Object.hasOwn(allActions, hostLabel) && hostLabel !== action.service)) {
    throw new PlatformFault(
      'InvalidAction',
      `There is no action "${call.name}"${action === undefined ? '' : ` of the service ${hostLabel}`}.`,
    )
  }
  if (call.version === '') {
    throw new PlatformFault('MissingParameter', 'The request is missing a required parameter `Version`.')
  }
  if (call.version !== action.version) {
    throw new PlatformFault('NoSuchVersion', `The action ${call.name} has no version "${call.version}"; it has ${action.version}.`)
  }
  checkContentType(received)
  const now = core.clock.now()
  const verdict = verifySignature(received, {
    now: now + skewMs,
    service: action.service,
    credentialOf: (secretId) => core.credentials.get(secretId),
    leniencies: allLeniencies,
  })
  if (!verdict.accepted) {
    throw new PlatformFault(verdict.code, verdict.message)
  }
  const allow = core.credentials.get(verdict.secretId)?.allow
  if (allow !== undefined && !allow.some((pattern) => permits(pattern, `${action.service}:${action.name}`))) {
    throw new PlatformFault(
      'AuthFailure.UnauthorizedOperation',
      `The key "${verdict.secretId}" is not allowed to call ${action.service}:${action.name}.`,
    )
  }
  core.rates.admit(core.world.account.uin, action, now)
  if (action.regional && call.region === '') {
    throw new PlatformFault('MissingParameter', 'The request is missing a required parameter `Region`.')
  }
  if (action.regional && !regionExists(call.region)) {
    throw new PlatformFault('UnsupportedRegion', `The region "${call.region}" is not supported by ${call.name}.`)
  }
  return action
}

function permits(pattern: string, called: string): boolean {
  return pattern.endsWith('*') ? called.startsWith(pattern.slice(0, -1)) : called === pattern
}

function checkSize(received: ReceivedCall): void {
  const bySignature = headerOf(received, 'authorization') === undefined ? formLimitBytes : jsonLimitBytes
  const [size, limit] =
    received.method === 'GET' ? [Buffer.byteLength(received.target), getLimitBytes] : [received.body.length, bySignature]
  if (size > limit) {
    throw tooLarge(received.method, limit)
  }
}

export function tooLarge(method: string, limitBytes: number): PlatformFault {
  return new PlatformFault('InvalidParameter', `The request is too large: a ${method} signed this way may have ${limitBytes} bytes.`)
}

/** The manual's pairs of method, signature and content type. */
function checkContentType(received: ReceivedCall): void {
  const contentType = (headerOf(received, 'content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const byAuthorization = headerOf(received, 'authorization') !== undefined
  if (!byAuthorization && headerOf(received, 'x-tc-action') !== undefined) {
    throw new PlatformFault('MissingParameter', 'The request is missing a required parameter `Authorization`.')
  }
  if (!byAuthorization && received.method === 'GET') {
    return
  }
  const wanted = byAuthorization && received.method === 'POST' ? 'application/json' : 'application/x-www-form-urlencoded'
  if (contentType !== wanted) {
    throw new PlatformFault(
      'InvalidParameter',
      `The content type is "${contentType}"; a ${received.method} signed this way has to have ${wanted}.`,
    )
  }
}

async function carryOut(
  core: SandboxCore,
  call: ApiCall,
  action: Action,
  request: Record<string, unknown>,
  ending: Fault | undefined,
): Promise<Record<string, unknown>> {
  if (ending?.kind === 'rbac-403') {
    return { ResponseBody: forbiddenStatus(String(request.Method), String(request.Path)) }
  }
  if (ending?.kind === 'forward-body') {
    return { ResponseBody: ending.body }
  }
  const reduce = reducerOf(action.service, action.name)
  if (typeof reduce !== 'function') {
    throw new PlatformFault('UnsupportedOperation', `The sandbox does not model ${action.service}.${action.name}: ${reduce.notModelled}`)
  }
  const context: ReducerContext = {
    world: core.world,
    now: core.clock.now(),
    region: call.region,
    id: (prefix) => nextId(core.world, core.seed, prefix),
    random: core.random,
    attached: (clusterId) => core.attach.get(clusterId),
  }
  return { ...(await reduce(request, context)) }
}

/** What a cluster answers to somebody whom RBAC does not let. */
export function forbiddenStatus(method: string, path: string): string {
  return JSON.stringify({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `forbidden: User "sandbox" cannot ${method.toLowerCase()} path "${path.split('?', 1)[0]}" (a fault of the sandbox)`,
    reason: 'Forbidden',
    details: {},
    code: 403,
  })
}

function envelope(response: Record<string, unknown>): Reply {
  return { status: 200, contentType: 'application/json', body: wireText({ Response: response }) }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
