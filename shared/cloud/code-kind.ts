import type { CloudErrorKind } from './errors.ts'

/**
 * The platform's error codes by what a program can do about them: the manual's common codes, and those of TKE and TCR whose
 * second part says more than the first. What is not listed is judged by its first part.
 */
const kindByCode: ReadonlyMap<string, CloudErrorKind> = new Map<string, CloudErrorKind>([
  ['AuthFailure', 'cloud.credentials'],
  ['AuthFailure.SignatureExpire', 'cloud.clock-skew'],
  ['AuthFailure.UnauthorizedOperation', 'cloud.forbidden'],
  ['DryRunOperation', 'cloud.rejected'],
  ['FailedOperation', 'cloud.rejected'],
  ['InternalError', 'cloud.unavailable'],
  ['InvalidAction', 'cloud.rejected'],
  ['InvalidParameter', 'cloud.rejected'],
  ['InvalidParameterValue', 'cloud.rejected'],
  ['LimitExceeded', 'cloud.limit-exceeded'],
  ['MissingParameter', 'cloud.rejected'],
  ['NoSuchVersion', 'cloud.rejected'],
  ['OperationDenied', 'cloud.conflict'],
  ['RequestLimitExceeded', 'cloud.rate-limited'],
  ['ResourceBusy', 'cloud.conflict'],
  ['ResourceInUse', 'cloud.conflict'],
  ['ResourceInsufficient', 'cloud.limit-exceeded'],
  ['ResourceNotFound', 'cloud.not-found'],
  ['ResourceUnavailable', 'cloud.conflict'],
  ['UnauthorizedOperation', 'cloud.forbidden'],
  ['UnknownParameter', 'cloud.rejected'],
  ['UnsupportedOperation', 'cloud.rejected'],
  ['UnsupportedProtocol', 'cloud.rejected'],
  ['UnsupportedRegion', 'cloud.rejected'],

  ['InternalError.AccountUserNotAuthenticated', 'cloud.forbidden'],
  ['InternalError.CamNoAuth', 'cloud.forbidden'],
  ['InternalError.ErrMustAdmin', 'cloud.forbidden'],
  ['InternalError.ErrUnauthorized', 'cloud.forbidden'],
  ['InternalError.ErrorTcrUnauthorized', 'cloud.forbidden'],

  ['InternalError.ClusterNotFound', 'cloud.not-found'],
  ['InternalError.CvmNotFound', 'cloud.not-found'],
  ['InternalError.DbRecordNotFound', 'cloud.not-found'],
  ['InternalError.ErrNotExist', 'cloud.not-found'],
  ['InternalError.ImageIdNotFound', 'cloud.not-found'],
  ['InternalError.PodNotFound', 'cloud.not-found'],
  ['InternalError.RouteTableNotFound', 'cloud.not-found'],
  ['InternalError.TaskNotFound', 'cloud.not-found'],
  ['InternalError.VpcPeerNotFound', 'cloud.not-found'],
  // The platform's own spelling.
  ['InternalError.VpcRecodrNotFound', 'cloud.not-found'],
  ['InvalidParameter.ClusterNotFound', 'cloud.not-found'],

  ['InternalError.ErrAuthAssigned', 'cloud.conflict'],
  ['InternalError.ErrConflict', 'cloud.conflict'],
  ['InternalError.ErrorConflict', 'cloud.conflict'],
  ['InternalError.ErrorTcrResourceConflict', 'cloud.conflict'],
  ['InternalError.GatewayAlreadyAssociatedCidr', 'cloud.conflict'],
  ['InternalError.KubeJarvisAlreadyRunning', 'cloud.conflict'],
  ['InternalError.ResourceExistAlready', 'cloud.conflict'],
  ['InternalError.RouteTableNotEmpty', 'cloud.conflict'],
  ['InternalError.TaskLifeStateError', 'cloud.conflict'],
  ['InvalidParameter.ErrNamespaceExist', 'cloud.conflict'],
  ['InvalidParameter.ErrRepoExist', 'cloud.conflict'],
  ['InvalidParameter.ErrTriggerExist', 'cloud.conflict'],
  ['InvalidParameter.ErrUserExist', 'cloud.conflict'],
  ['InvalidParameter.GatewayAlreadyAssociatedCidr', 'cloud.conflict'],
  ['InvalidParameter.RouteTableNotEmpty', 'cloud.conflict'],

  ['InternalError.ErrorOverLimit', 'cloud.limit-exceeded'],
  ['InternalError.QuotaMaxClsLimit', 'cloud.limit-exceeded'],
  ['InternalError.QuotaMaxNodLimit', 'cloud.limit-exceeded'],
  ['InternalError.QuotaMaxRtLimit', 'cloud.limit-exceeded'],
  ['InternalError.QuotaUSGLimit', 'cloud.limit-exceeded'],

  // What machines or network said no with: no stock, no address.
  ['InternalError.CvmCommon', 'cloud.rejected'],
  ['InternalError.VpcCommon', 'cloud.rejected'],

  ['InternalError.CidrConflictWithOtherCluster', 'cloud.rejected'],
  ['InternalError.CidrConflictWithOtherRoute', 'cloud.rejected'],
  ['InternalError.CidrConflictWithVpcCidr', 'cloud.rejected'],
  ['InternalError.CidrConflictWithVpcGlobalRoute', 'cloud.rejected'],
  ['InternalError.CidrInvalid', 'cloud.rejected'],
  ['InternalError.CidrMaskSizeOutOfRange', 'cloud.rejected'],
  ['InternalError.CidrOutOfRouteTable', 'cloud.rejected'],
  ['InternalError.ErrorTcrInvalidMediaType', 'cloud.rejected'],
  ['InternalError.InvalidPrivateNetworkCidr', 'cloud.rejected'],
  ['InternalError.OsNotSupport', 'cloud.rejected'],
  ['InternalError.Param', 'cloud.rejected'],
  ['InternalError.PublicClusterOpNotSupport', 'cloud.rejected'],
])

/**
 * Codes of the family InternalError that say no all the same: a quota, or what machines and network had none of, passed on. Every other
 * code of that family leaves it open whether a write was carried out.
 */
const refusals: ReadonlySet<string> = new Set([
  'InternalError.CvmCommon',
  'InternalError.QuotaMaxClsLimit',
  'InternalError.QuotaMaxNodLimit',
  'InternalError.QuotaMaxRtLimit',
  'InternalError.QuotaUSGLimit',
  'InternalError.VpcCommon',
])

/**
 * Whether an answer with this code leaves it open what became of a write.
 *
 * @example leavesOpen('InternalError.Db') // true
 * @example leavesOpen('InternalError.QuotaMaxNodLimit') // false
 * @example leavesOpen('ResourceInUse') // false
 */
export function leavesOpen(code: string): boolean {
  return codeFamily(code) === 'InternalError' && !refusals.has(code)
}

/** The first part of a code: `ResourceNotFound` of `ResourceNotFound.ErrNoRepo`. */
export function codeFamily(code: string): string {
  const dot = code.indexOf('.')
  return dot === -1 ? code : code.slice(0, dot)
}

/**
 * What a platform code means. A code that nobody listed counts by its first part, and as `cloud.rejected` when that is
 * unknown too.
 *
 * @example kindOfCode('ResourceNotFound.ErrNoRepo') // 'cloud.not-found'
 * @example kindOfCode('InternalError.ClusterNotFound') // 'cloud.not-found'
 * @example kindOfCode('InternalError.SomethingNew') // 'cloud.unavailable'
 */
export function kindOfCode(code: string): CloudErrorKind {
  return kindByCode.get(code) ?? kindByCode.get(codeFamily(code)) ?? 'cloud.rejected'
}
