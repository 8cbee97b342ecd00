import { type Endpoint, hostOf, originOf } from './endpoint.ts'

/**
 * The hosts a client of this endpoint may call: the endpoint's own for each service, and those listed besides. What a
 * transport takes as `allowedHosts`. Throws `cloud.not-allowed` when the endpoint cannot be understood.
 *
 * @example allowedHosts({ kind: 'domain', domain: 'tencentcloudapi.com', protocol: 'https' }, ['tke']) // ['tke.tencentcloudapi.com']
 */
export function allowedHosts(
  endpoint: Endpoint,
  services: readonly string[] = ['tke', 'tcr'],
  besides: readonly string[] = [],
): readonly string[] {
  return [...new Set([...services.map((service) => hostOf(originOf(endpoint, service))), ...besides])]
}
