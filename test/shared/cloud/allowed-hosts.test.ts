import { expect, it } from 'vitest'
import { allowedHosts } from '#cloud/allowed-hosts.ts'

it('the hosts that may be called follow from the endpoint, for each service, with those listed besides', () => {
  const domain = { kind: 'domain', domain: 'finance.cloud.tencent.com', protocol: 'https' } as const
  expect(allowedHosts(domain)).toEqual(['tke.api3.finance.cloud.tencent.com', 'tcr.api3.finance.cloud.tencent.com'])
  expect(allowedHosts(domain, ['tke'], ['hooks.example.com'])).toEqual(['tke.api3.finance.cloud.tencent.com', 'hooks.example.com'])
  expect(allowedHosts({ kind: 'url', url: 'http://127.0.0.1:8787' })).toEqual(['127.0.0.1:8787'])
})
