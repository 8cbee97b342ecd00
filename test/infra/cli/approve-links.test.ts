import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { deployTokens } from '#functions/redeploy-hook/approval-token.ts'
import { baseClusters, createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { type Ran, runWords } from './run-words.ts'

const secret = 'a secret of sufficient length, for links'
let sandbox: Sandbox
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-approve-'))
  sandbox = await startSandbox({ world: createBaseWorld(Date.now(), 1), rates: false })
})
afterEach(async () => {
  await sandbox.close()
  await rm(folder, { recursive: true })
})

async function approve(
  words: readonly string[],
  approval: string,
  env: Record<string, string> = { APPROVAL_SECRET: secret },
): Promise<Ran> {
  const target = '{ namespace: pay, kind: StatefulSet, name: ledger }'
  await writeFile(
    join(folder, 'longshore.yaml'),
    `platform: { endpoint: '${sandbox.url}', region: ap-guangzhou }
clusters: [{ id: ${baseClusters.production} }]
functions:
  redeploy-hook:
    rules: [{ name: ledger, repository: pay/ledger, tags: { semver: ^1 }, approval: true, targets: [${target}] }]
${approval}
`,
  )
  const keys = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }
  return await runWords(['approve', ...words], { cwd: folder, env: { ...keys, ...env } })
}

const approval = '    approval: { secret: env:APPROVAL_SECRET, baseUrl: https://hooks.example.com }'

it('gives a link for what waits that is bound to it, and shows none unless it is asked', async () => {
  const { code, out } = await approve(['--links'], approval)
  expect(code).toBe(2)
  const [, token = ''] = /https:\/\/hooks\.example\.com\/hooks\/redeploy-hook\/approve\/(\S+)/.exec(out) ?? []
  expect(deployTokens.verify(token, [secret])).toMatchObject({
    ok: true,
    value: { cluster: baseClusters.production, namespace: 'pay', kind: 'StatefulSet', name: 'ledger', repository: 'pay/ledger' },
  })
  expect(out).not.toContain(secret)
  const plain = await approve([], approval)
  expect([plain.code, plain.out.includes('https://')]).toEqual([2, false])
  expect(sandbox.journal.filter(({ effect }) => effect === 'write')).toEqual([])
})

it('says why there are no links', async () => {
  expect(await approve(['--links'], '')).toMatchObject({ code: 1, err: expect.stringContaining('functions.redeploy-hook.approval') })
  expect(await approve(['--links'], approval, {})).toMatchObject({ code: 1, err: expect.stringContaining('APPROVAL_SECRET is not set') })
  expect(await approve(['--links', '--all', '--by', 'me'], approval)).toMatchObject({
    code: 1,
    err: expect.stringContaining('--links is for the list'),
  })
})
