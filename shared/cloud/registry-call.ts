import type { Action } from './action.ts'

/** Where a registry of the Docker Registry HTTP API V2 is, and what opens it. References only: no secret is in here. */
export interface RegistryAddress {
  /** `https://host` or `https://host:port`. */
  readonly url: string
  /** Where user name and password lie (`env:NAME`, …); without them the registry is asked as anybody. */
  readonly credentials?: { readonly username: string; readonly password: string } | undefined
  /** Plain HTTP to another machine than this one. */
  readonly allowInsecureHttp?: boolean | undefined
}

/** One HTTP call to a registry. */
interface RegistryRequest {
  readonly registry: RegistryAddress
  /** Below the registry's address, with its query: `/v2/team/web/tags/list?n=100`. Names in it must have been checked. */
  readonly path: string
  /** What it is about, for keeping a token: calls of one scope and effect need the same one. */
  readonly scope: string
  readonly accept?: string | undefined
  /** Statuses that are answers; 200 when absent. Any other one is a CloudError. */
  readonly statuses?: readonly number[] | undefined
}

export interface RegistryReadRequest extends RegistryRequest {
  readonly method: 'GET'
}

export interface RegistryWriteRequest extends RegistryRequest {
  readonly method: 'POST' | 'PUT' | 'DELETE'
  readonly contentType?: string | undefined
  readonly body?: Buffer | undefined
}

export interface RegistryAnswer {
  readonly status: number
  /** In lower case; one value each. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** How actions of a registry are told from those of the platform. */
export const registryService = 'registry'

// No rate is published for registries: whoever calls keeps the number of calls at a time small.
const facts = { service: registryService, version: 'v2', ratePerSecond: 1_000_000, regional: false, input: {} } as const

/**
 * A reading call to a registry beside the platform. It goes the way of the platform's actions, so that limits of time, the rule
 * that a plan only reads, and for writes the guard and its kill switch hold for it as well.
 */
export const RegistryRead: Action<'Read', 'read', RegistryReadRequest, RegistryAnswer> = { ...facts, name: 'Read', effect: 'read' }

/** A writing one. Every call that this function makes names an end state, so a second copy would do nothing more. */
export const RegistryWrite: Action<'Write', 'write', RegistryWriteRequest, RegistryAnswer> = {
  ...facts,
  name: 'Write',
  effect: 'write',
  repeat: 'absolute',
}
