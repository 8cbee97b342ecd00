import { createHash } from 'node:crypto'
import type { CreateUserPersonal } from '#cloud/generated/tcr/create-user-personal.ts'
import type { DescribeUserQuotaPersonal } from '#cloud/generated/tcr/describe-user-quota-personal.ts'
import type { ModifyUserPasswordPersonal } from '#cloud/generated/tcr/modify-user-password-personal.ts'
import { PlatformFault, type Reducer } from '../reducer.ts'
import type { World } from '../world.ts'
import { lookUp, type TcrUser } from './state.ts'

/** The account's login of the personal registry. Throws PlatformFault ErrNoUser while it has none. */
export function registeredUser(world: World): TcrUser {
  const user = lookUp(world.tcr.users, world.account.uin)
  if (user === undefined) {
    throw new PlatformFault(
      'ResourceNotFound.ErrNoUser',
      `The account ${world.account.uin} has no user of the personal registry; create one with CreateUserPersonal.`,
    )
  }
  return user
}

/** Registers the account with the personal registry, as a seed does; an account that is registered stays as it is. */
export function registerUser(world: World, now: number, password = ''): void {
  world.tcr.users[world.account.uin] ??= { createdAt: now, passwordHash: hashOf(password) }
}

export const createUserPersonal: Reducer<typeof CreateUserPersonal> = (request, { world, now }) => {
  if (request.Password === '') {
    throw new PlatformFault('MissingParameter.MissingParameter', 'Password is empty.')
  }
  if (lookUp(world.tcr.users, world.account.uin) !== undefined) {
    throw new PlatformFault('InvalidParameter.ErrUserExist', `The account ${world.account.uin} has a user already.`)
  }
  registerUser(world, now, request.Password)
  return {}
}

export const modifyUserPasswordPersonal: Reducer<typeof ModifyUserPasswordPersonal> = (request, { world }) => {
  const user = registeredUser(world)
  if (request.Password === '') {
    throw new PlatformFault('MissingParameter', 'Password is empty.')
  }
  user.passwordHash = hashOf(request.Password)
  return {}
}

export const describeUserQuotaPersonal: Reducer<typeof DescribeUserQuotaPersonal> = (_request, { world }) => {
  const { namespace, repo, tag, triggers } = world.tcr.limits
  const limits = { namespace, repo, tag, triggers }
  return { Data: { LimitInfo: Object.entries(limits).map(([Type, Value]) => ({ Username: world.account.uin, Type, Value })) } }
}

function hashOf(password: string): string {
  return createHash('sha256').update(password).digest('hex')
}
