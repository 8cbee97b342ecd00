import { describe, expect, it } from 'vitest'
import { isLoopback, ProxyError, proxyPasswords, proxyRule } from '#cloud/proxy.ts'

const https = (hostname: string, port = 443) => ({ hostname, port, tls: true })
const http = (hostname: string, port = 80) => ({ hostname, port, tls: false })

describe('proxies from the environment', () => {
  it('are none without variables, and for an empty value', () => {
    expect(proxyRule({})(https('a.example'))).toBeUndefined()
    expect(proxyRule({ https_proxy: ' ' })(https('a.example'))).toBeUndefined()
  })

  it('are chosen by the protocol of the target', () => {
    const rule = proxyRule({ https_proxy: 'http://secure.example:3128', http_proxy: 'https://plain.example' })
    expect(rule(https('a.example'))).toEqual({
      name: 'secure.example:3128',
      hostname: 'secure.example',
      port: 3128,
      tls: false,
      authorization: undefined,
    })
    expect(rule(http('a.example'))).toEqual({
      name: 'plain.example:443',
      hostname: 'plain.example',
      port: 443,
      tls: true,
      authorization: undefined,
    })
  })

  it('are read in either case, lower case first, also when it is empty', () => {
    expect(proxyRule({ HTTPS_PROXY: 'http://upper:1' })(https('a.example'))?.name).toBe('upper:1')
    expect(proxyRule({ HTTPS_PROXY: 'http://upper:1', https_proxy: 'http://lower:2' })(https('a.example'))?.name).toBe('lower:2')
    expect(proxyRule({ HTTPS_PROXY: 'http://upper:1', https_proxy: '' })(https('a.example'))).toBeUndefined()
    expect(proxyRule({ HTTP_PROXY: 'http://upper:1', NO_PROXY: 'a.example' })(http('a.example'))).toBeUndefined()
  })

  it('may be written without protocol, with user and with an IPv6 address', () => {
    expect(proxyRule({ http_proxy: 'proxy.example:8080' })(http('a.example'))?.port).toBe(8080)
    expect(proxyRule({ http_proxy: 'http://me:p%3A%40@proxy:1' })(http('a.example'))?.authorization).toBe(`Basic ${btoa('me:p:@')}`)
    expect(proxyRule({ http_proxy: 'http://me@proxy:1' })(http('a.example'))?.authorization).toBe(`Basic ${btoa('me:')}`)
    expect(proxyRule({ http_proxy: 'http://[fd00::1]:3128' })(http('a.example'))).toMatchObject({
      hostname: 'fd00::1',
      name: '[fd00::1]:3128',
    })
  })

  it.each([
    'socks5://proxy:1080',
    'http://',
    'ftp://user:hunter2@proxy',
    'http://user:hunter2@pro xy',
    'http://user:hunter2%@proxy:3128',
    'user:hunter2%zz@proxy:3128',
    'http://hunter2%e5%90:x@proxy',
  ])('that cannot be used (%s) are an error that names the variable and shows nothing', (https_proxy) => {
    const make = () => proxyRule({ https_proxy })
    expect(make).toThrow(/https_proxy/)
    expect(make).not.toThrow(/hunter2/)
    expect(make).toThrow(ProxyError)
    expect(() => proxyRule({ HTTPS_PROXY: https_proxy })).toThrow(/variable HTTPS_PROXY/)
  })

  it('say how to write a percent sign', () => {
    expect(() => proxyRule({ http_proxy: 'http://user:100%@proxy:3128' })).toThrow(/http_proxy holds a % .* as %25/)
    expect(proxyRule({ http_proxy: 'http://user:100%25@proxy:3128' })(http('a.example'))?.authorization).toBe(`Basic ${btoa('user:100%')}`)
  })

  it('tell their passwords, as written and as meant, with or without protocol, used or not, sound or not', () => {
    const passwords = proxyPasswords({
      https_proxy: ' user:p%2Fone@proxy.example:3128 ',
      HTTPS_PROXY: 'https://user:two@proxy.example',
      http_proxy: 'user:three%@proxy.example:3128',
      HTTP_PROXY: 'socks5://user:four@proxy.example',
      no_proxy: 'user:five@proxy.example',
    })
    expect(new Set(passwords)).toEqual(new Set(['p%2Fone', 'p/one', 'two', 'three%', 'four']))
    expect(proxyPasswords({ https_proxy: 'proxy:3128', http_proxy: 'http://me@proxy', HTTP_PROXY: '', HTTPS_PROXY: 'http://a b' })).toEqual(
      [],
    )
  })

  it.each([
    ['*', 'anything.example', 443, true],
    ['a.example', 'a.example', 443, true],
    ['A.EXAMPLE', 'a.example', 443, true],
    ['example', 'a.example', 443, true],
    ['.example', 'a.example', 443, true],
    ['*.example', 'a.example', 443, true],
    ['.a.example', 'a.example', 443, true],
    ['example', 'notexample', 443, false],
    ['a.example', 'b.a.example', 443, true],
    ['b.a.example', 'a.example', 443, false],
    ['a.example:443', 'a.example', 443, true],
    ['a.example:8443', 'a.example', 443, false],
    ['x.example, a.example  b.example', 'b.example', 443, true],
    ['10.0.0.1', '10.0.0.1', 443, true],
    ['0.0.1', '10.0.0.1', 443, false],
    ['10.0.0.0/8', '10.200.3.4', 443, true],
    ['10.0.0.0/8', '11.0.0.1', 443, false],
    ['10.0.0.0/8', 'ten.example', 443, false],
    ['fd00::/8', 'fd12::1', 443, true],
    ['fd12::1', 'fd12::1', 443, true],
    ['[fd12::1]:443', 'fd12::1', 443, true],
    ['[fd12::1]:80', 'fd12::1', 443, false],
    ['10.0.0.0/99,999.0.0.0/8,,', '10.0.0.1', 443, false],
    ['', 'a.example', 443, false],
  ])('no_proxy %j, target %s:%d: bypassed is %s', (no_proxy, hostname, port, bypassed) => {
    expect(proxyRule({ https_proxy: 'http://proxy:1', no_proxy })(https(hostname, port)) === undefined).toBe(bypassed)
  })

  it('never stand between this machine and itself', () => {
    const rule = proxyRule({ http_proxy: 'http://proxy:1' })
    for (const hostname of ['localhost', 'x.localhost', '127.0.0.1', '127.8.8.8', '::1']) {
      expect(isLoopback(hostname)).toBe(true)
      expect(rule(http(hostname))).toBeUndefined()
    }
    for (const hostname of ['127.0.0.1.example', 'localhost.example', '128.0.0.1', '::2']) expect(isLoopback(hostname)).toBe(false)
  })
})
