import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { camPolicy } from '#infra/build/cam-policy.ts'
import { actionsOf } from '#infra/build/permissions.ts'

const root = join(import.meta.dirname, '../../..')
const action = (service: string, name: string) => ({ service, name, effect: 'write' })

describe('camPolicy', () => {
  it('grants what cannot be limited on everything, under both names of the service', () => {
    expect(camPolicy([action('tke', 'ForwardRequest')], { clusterIds: ['cls-1'] })).toEqual({
      version: '2.0',
      statement: [{ effect: 'allow', action: ['ccs:ForwardRequest', 'tke:ForwardRequest'], resource: ['*'] }],
    })
  })

  it('limits what can be limited to the configured clusters, and to what else the manual names', () => {
    const policy = camPolicy(
      [action('tcr', 'DescribeImagePersonal'), action('tke', 'DeleteClusterInstances'), action('tke', 'DescribeClusterInstances')],
      { clusterIds: ['cls-2', 'cls-1'] },
    )
    expect(policy.statement).toEqual([
      { effect: 'allow', action: ['tcr:DescribeImagePersonal'], resource: ['*'] },
      {
        effect: 'allow',
        action: ['ccs:DeleteClusterInstances', 'tke:DeleteClusterInstances'],
        resource: ['qcs::ccs:::cluster/cls-1', 'qcs::ccs:::cluster/cls-2', 'qcs::cvm:::instance/*'],
      },
      {
        effect: 'allow',
        action: ['ccs:DescribeClusterInstances', 'tke:DescribeClusterInstances'],
        resource: ['qcs::ccs:::cluster/cls-1', 'qcs::ccs:::cluster/cls-2'],
      },
    ])
  })

  it('means every cluster when none is configured, and nothing for no action', () => {
    expect(camPolicy([action('tke', 'DescribeClusterInstances')], { clusterIds: [] }).statement[0]?.resource).toEqual([
      'qcs::ccs:::cluster/*',
    ])
    expect(camPolicy([], { clusterIds: ['cls-1'] })).toEqual({ version: '2.0', statement: [] })
  })

  it('limits the removing of tags to the repositories of the policies, under the name that the registry has for it', () => {
    const actions = [action('tcr', 'BatchDeleteImagePersonal'), action('tcr', 'DescribeRepositoryOwnerPersonal')]
    const policy = camPolicy(actions, { clusterIds: [], repositories: ['shop/*', 'pay/**', 'pay/ledger-?', 'shop/*'] })
    expect(policy.statement).toEqual([
      { effect: 'allow', action: ['tcr:BatchDeleteImagePersonal', 'tcr:DescribeRepositoryOwnerPersonal'], resource: ['*'] },
      {
        effect: 'allow',
        action: ['ccr:DeleteTag'],
        resource: ['qcs::ccr:::repo/pay/*:*', 'qcs::ccr:::repo/pay/ledger-*:*', 'qcs::ccr:::repo/shop/*:*'],
      },
      {
        effect: 'allow',
        action: ['ccr:GetUserRepositoryList'],
        resource: ['qcs::ccr:::repo/pay/*', 'qcs::ccr:::repo/pay/ledger-*', 'qcs::ccr:::repo/shop/*'],
      },
    ])
    expect(camPolicy(actions, { clusterIds: [] }).statement[1]?.resource).toEqual(['qcs::ccr:::repo/*'])
  })

  it('never grants a wildcard action', () => {
    const policy = camPolicy([action('tke', 'A'), action('tcr', 'B')], { clusterIds: [] })
    expect(policy.statement.flatMap(({ action: actions }) => actions).some((name) => name.includes('*'))).toBe(false)
  })
})

describe('actionsOf', () => {
  it('reads the actions out of the sources of a bundle, sorted, and passes over everything else', async () => {
    const sources = [
      'shared/cloud/generated/tke/forward-request.ts',
      'shared/cloud/kube.ts',
      'shared/cloud/generated/tcr/delete-image-personal.ts',
      'node_modules/zod/v4/mini/index.js',
      'shared/cloud/generated/actions.ts',
    ]
    expect(await actionsOf(root, sources)).toEqual([
      { service: 'tcr', name: 'DeleteImagePersonal', effect: 'write' },
      { service: 'tke', name: 'ForwardRequest', effect: 'write' },
    ])
  })

  it('refuses a generated file of which it cannot tell what it allows', async () => {
    await expect(actionsOf(root, ['shared/cloud/generated/tke/structures.ts'])).rejects.toThrow('exports no action')
  })
})
