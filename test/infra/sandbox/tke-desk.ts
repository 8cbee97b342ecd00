import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { RequestOf, ResponseOf } from '#cloud/action.ts'
import type { Actions } from '#cloud/generated/actions.ts'
import { allActions } from '#cloud/generated/all-actions.ts'
import { checkRequest } from '#infra/sandbox/check-request.ts'
import { advanceKubernetes } from '#infra/sandbox/kubernetes/controllers.ts'
import { createRandom, nextId } from '#infra/sandbox/random.ts'
import { PlatformFault, type ReducerContext } from '#infra/sandbox/reducer.ts'
import { hooksOf } from '#infra/sandbox/seeds/new-world.ts'
import { advanceTke } from '#infra/sandbox/tke/advance.ts'
import { tkeTable } from '#infra/sandbox/tke/table.ts'
import type { World } from '#infra/sandbox/world.ts'

export type TkeName = keyof Actions['tke']

interface CatalogAction {
  readonly output: readonly { readonly name: string }[]
  readonly errors: readonly string[]
}

export const catalog: Readonly<Record<string, CatalogAction>> = JSON.parse(readFileSync('infra/codegen/catalog.json', 'utf8')).tke.actions

/** Codes that every action may answer, by the manual. */
export const commonCodes = new Set([
  'FailedOperation',
  'InternalError',
  'InvalidParameter',
  'InvalidParameterValue',
  'LimitExceeded',
  'MissingParameter',
  'ResourceInUse',
  'ResourceInsufficient',
  'ResourceNotFound',
  'ResourceUnavailable',
  'UnauthorizedOperation',
  'UnknownParameter',
  'UnsupportedOperation',
])

/** Noon of a Monday in Guangzhou. */
export const noon = Date.UTC(2026, 2, 2, 4)

/**
 * A place to call reducers from, as the server does it: the request is checked against the action's shape, the world is
 * advanced first, and whatever a refusal says has to be documented for the action and leave the world as it was.
 */
export function openDesk(world: World, options: { readonly now?: number; readonly seed?: number; readonly region?: string } = {}) {
  const seed = options.seed ?? 1
  const random = createRandom(seed)
  let now = options.now ?? noon
  const advance = () => {
    advanceTke(world, now, random)
    for (const state of Object.values(world.kubernetes)) {
      advanceKubernetes(state, now, hooksOf(world, random))
    }
  }
  async function call<Name extends TkeName>(
    name: Name,
    request: RequestOf<Actions['tke'][Name]>,
  ): Promise<Omit<ResponseOf<Actions['tke'][Name]>, 'RequestId'>> {
    advance()
    const checked = checkRequest(JSON.parse(JSON.stringify(request)), allActions.tke?.[name]?.input ?? {})
    const context: ReducerContext = {
      world,
      now,
      region: options.region ?? 'ap-guangzhou',
      id: (prefix) => nextId(world, seed, prefix),
      random,
    }
    const reduce = tkeTable[name] as (request: unknown, context: ReducerContext) => unknown
    const answer = await reduce(checked, context)
    expect(Object.keys(answer as object).sort()).toEqual(outputsOf(name))
    expect(JSON.parse(JSON.stringify(answer))).toEqual(answer)
    return answer as Omit<ResponseOf<Actions['tke'][Name]>, 'RequestId'>
  }
  async function refusal<Name extends TkeName>(
    name: Name,
    request: RequestOf<Actions['tke'][Name]>,
  ): Promise<{ code: string; message: string }> {
    advance()
    const before = JSON.stringify(world)
    try {
      await call(name, request)
    } catch (error) {
      if (!(error instanceof PlatformFault)) throw error
      const documented = commonCodes.has(error.code) || (catalog[name]?.errors ?? []).includes(error.code)
      expect(documented, `${name} answers ${error.code}, which the manual does not list for it`).toBe(true)
      expect(JSON.stringify(world), `${name} was refused with ${error.code} but changed the world`).toBe(before)
      return { code: error.code, message: error.message }
    }
    throw new Error(`${name} was not refused`)
  }
  return {
    world,
    call,
    refusal,
    code: async <Name extends TkeName>(name: Name, request: RequestOf<Actions['tke'][Name]>) => (await refusal(name, request)).code,
    now: () => now,
    /** Moves the clock and lets happen what is due. */
    move: (byMs: number) => {
      now += byMs
      advance()
    },
  }
}

export function outputsOf(name: TkeName): string[] {
  return (catalog[name]?.output ?? []).map((field) => field.name).sort()
}

export type Desk = ReturnType<typeof openDesk>

/** RunInstancePara for machines in the empty world. */
export function runPara(more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    Placement: { Zone: 'ap-guangzhou-3' },
    VirtualPrivateCloud: { VpcId: 'vpc-e0000001', SubnetId: 'subnet-e0000001' },
    InstanceType: 'S5.LARGE8',
    ...more,
  })
}
