import { describe, expect, it } from 'vitest'
import { parseGlob } from '#shared/pure/glob.ts'
import { protectedBy } from '#shared/safety/protect.ts'

function globs(...patterns: string[]) {
  return patterns.map((pattern) => {
    const glob = parseGlob(pattern)
    if (!glob.ok) throw new Error(glob.error)
    return glob.value
  })
}

describe('the protect list', () => {
  const list = globs('cls-1/kube-system/**', 'cls-*/*/Deployment/payments', 'ccr.ccs.tencentyun.com/shop/web:v?')

  it.each([
    ['cls-1/kube-system/Deployment/coredns', 'cls-1/kube-system/**'],
    ['cls-2/default/Deployment/payments', 'cls-*/*/Deployment/payments'],
    ['ccr.ccs.tencentyun.com/shop/web:v1', 'ccr.ccs.tencentyun.com/shop/web:v?'],
    ['cls-2/kube-system/Deployment/coredns', undefined],
    ['cls-2/default/Deployment/payments-api', undefined],
    ['cls-2/a/b/Deployment/payments', undefined],
    ['CLS-1/kube-system/x', undefined],
    ['', undefined],
  ])('protects %j by %j', (target, pattern) => {
    expect(protectedBy(list, target)?.pattern).toBe(pattern)
  })

  it('names the first glob of several, and none where the list is empty', () => {
    expect(protectedBy(globs('b*', '**', 'be'), 'be')?.pattern).toBe('b*')
    expect(protectedBy([], 'be')).toBeUndefined()
  })
})
