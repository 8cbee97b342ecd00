import { describe, expect, test } from 'vitest'
import { type Endpoint, hostOf, originOf, publicEndpoint } from '#cloud/endpoint.ts'
import { CloudError } from '#cloud/errors.ts'

const domain = (name: string, protocol: 'https' | 'http' = 'https'): Endpoint => ({ kind: 'domain', domain: name, protocol })
const url = (text: string): Endpoint => ({ kind: 'url', url: text })

describe('originOf', () => {
  test.each([
    [publicEndpoint, 'tke', 'https://tke.tencentcloudapi.com'],
    [domain('ap-guangzhou.tencentcloudapi.com'), 'tke', 'https://tke.ap-guangzhou.tencentcloudapi.com'],
    [domain('api3.finance.cloud.tencent.com'), 'tcr', 'https://tcr.api3.finance.cloud.tencent.com'],
    [domain('finance.cloud.tencent.com'), 'tcr', 'https://tcr.api3.finance.cloud.tencent.com'],
    [domain('Finance.Cloud.Tencent.com', 'http'), 'tke', 'http://tke.api3.finance.cloud.tencent.com'],
    [domain('cloud.internal:8443'), 'tke', 'https://tke.api3.cloud.internal:8443'],
    [domain('cloud.internal:443'), 'tke', 'https://tke.api3.cloud.internal'],
    [domain('cloud.internal:80', 'http'), 'tke', 'http://tke.api3.cloud.internal'],
    [domain('tencentcloudapi.com:8443'), 'tke', 'https://tke.tencentcloudapi.com:8443'],
    // Only the name itself and what is below it, not what merely ends alike.
    [domain('eviltencentcloudapi.com'), 'tke', 'https://tke.api3.eviltencentcloudapi.com'],
    [url('http://127.0.0.1:8787'), 'tke', 'http://127.0.0.1:8787'],
    [url('http://127.0.0.1:8787/'), 'tcr', 'http://127.0.0.1:8787'],
    [url('HTTPS://Gateway.Example.com:443'), 'tke', 'https://gateway.example.com'],
    [url('http://[::1]:8787'), 'tke', 'http://[::1]:8787'],
  ])('%o serves %s at %s', (endpoint, service, origin) => {
    expect(originOf(endpoint, service)).toBe(origin)
    expect(`${origin.split('://')[0]}://${hostOf(origin)}`).toBe(origin)
  })

  test.each([
    [domain('')],
    [domain('https://finance.cloud.tencent.com')],
    [domain('finance.cloud.tencent.com/v3')],
    [domain('user@evil.example')],
    [domain('finance..com')],
    [domain('-finance.com')],
    [domain('finance.com?x')],
    [domain('finance.com#x')],
    [domain('finance .com')],
    [domain('金融.com')],
    [domain(`${'a'.repeat(64)}.com`)],
    [domain(Array.from({ length: 60 }, () => 'abc').join('.'))],
    [domain('cloud.internal:99999')],
    [url('')],
    [url('finance.cloud.tencent.com')],
    [url('ftp://example.com')],
    [url('https://example.com/path')],
    [url('https://example.com/?a=1')],
    [url('https://example.com/#a')],
    [url('file:///etc/passwd')],
  ])('%o is refused before anything is sent', (endpoint) => {
    expect(() => originOf(endpoint, 'tke')).toThrow(CloudError)
    expect(() => originOf(endpoint, 'tke')).toThrow('nothing was sent')
  })

  test.each(['', 'tke.evil', 'tke/x', 'TKE', '-tke'])('the service %j is refused', (service) => {
    expect(() => originOf(publicEndpoint, service)).toThrow('no host label')
  })

  test.each([
    'https://admin:hunter2@example.com',
    'ftp://admin:hunter2@example.com',
    'admin:hunter2@example.com',
    'https://admin:hunter2@exa mple.com',
  ])('a password in the address (%#) is refused and not printed', (address) => {
    expect(() => originOf(url(address), 'tke')).toThrow(/tke: the platform's address .*nothing was sent/)
    expect(() => originOf(url(address), 'tke')).not.toThrow('hunter2')
  })

  test('the host whose address holds a password is named', () => {
    expect(() => originOf(url('https://admin:hunter2@example.com'), 'tke')).toThrow('example.com')
  })
})
