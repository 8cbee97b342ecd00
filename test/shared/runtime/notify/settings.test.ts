import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { type Config, ConfigError, loadConfig } from '#shared/runtime/config.ts'
import { hostsOf } from '#shared/runtime/notify/destination.ts'
import type { NotifierSetting } from '#shared/runtime/notify/notifier-settings.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-notifiers-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

async function load(notifiers: unknown): Promise<Config> {
  await writeFile(join(folder, 'longshore.yaml'), stringify({ platform: { region: 'ap-guangzhou' }, notifiers }))
  return await loadConfig({ env: {}, folder, schemas: {} })
}

async function faultsOf(notifiers: unknown): Promise<readonly string[]> {
  const error = await load(notifiers).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigError)
  return (error as ConfigError).faults.map(({ path, text }) => `${path}: ${text}`)
}

const sound = [
  { name: 'ops', kind: 'dingtalk', url: 'env:DINGTALK_URL', secret: 'env:DINGTALK_SECRET', functions: ['cron-scaler'], atLeast: 'warning' },
  { name: 'platform', kind: 'wecom', url: 'ssm:/longshore/wecom-url', perMinute: 10, digestAfter: 3 },
  { name: 'team', kind: 'feishu', url: 'env:FEISHU_URL', secret: 'env:FEISHU_SECRET', host: 'open.larksuite.com' },
  { name: 'slack', kind: 'slack', url: 'env:SLACK_URL' },
  { name: 'own', kind: 'webhook', url: 'env:HOOK_URL', host: 'hooks.example.com:8443' },
  { name: 'mail', kind: 'sns', topic: 'arn:aws:sns:eu-central-1:123456789012:ops' },
]

describe('the section `notifiers`', () => {
  it('holds all kinds', async () => {
    expect((await load(sound)).notifiers).toEqual(sound)
  })

  it('is absent where it is empty or not there, so that nothing is loaded for it', async () => {
    expect((await load([])).notifiers).toBeUndefined()
    expect((await load(undefined)).notifiers).toBeUndefined()
  })

  it('22: a misspelt key or kind is an error with its path and what is meant', async () => {
    expect(await faultsOf([{ ...sound[1], perMinuet: 3 }])).toEqual([
      expect.stringMatching(/^notifiers\[0\]\.perMinuet: unknown key; did you mean "perMinute"\?/) as string,
    ])
    expect(await faultsOf([{ ...sound[3], kind: 'slak' }])).toEqual([expect.stringMatching(/^notifiers\[0\]\.kind: /) as string])
    expect(await faultsOf([{ ...sound[0], functions: ['cron-scalar'] }])).toEqual([
      expect.stringMatching(/^notifiers\[0\]\.functions\[0\]: /) as string,
    ])
  })

  it('19: a URL as it is is refused and not shown: it is a secret', async () => {
    const url = 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-0000'
    const faults = await faultsOf([{ name: 'a', kind: 'wecom', url }])
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(/^notifiers\[0\]\.url: must say where the secret is/)
    expect(faults[0]).not.toContain('693a91f6')
  })

  it.each([
    ['no signature', [{ name: 'a', kind: 'dingtalk', url: 'env:U' }], 'notifiers[0].secret'],
    ['no host of a webhook', [{ name: 'a', kind: 'webhook', url: 'env:U' }], 'notifiers[0].host'],
    ['a host with a path', [{ name: 'a', kind: 'webhook', url: 'env:U', host: 'example.com/x' }], 'notifiers[0].host'],
    ['a topic that is none', [{ name: 'a', kind: 'sns', topic: 'ops' }], 'notifiers[0].topic'],
    ['more messages than bots take', [{ name: 'a', kind: 'slack', url: 'env:U', perMinute: 21 }], 'notifiers[0].perMinute'],
    ['none at all', [{ name: 'a', kind: 'slack', url: 'env:U', perMinute: 0 }], 'notifiers[0].perMinute'],
    ['a name that is no key of a store', [{ name: 'a b', kind: 'slack', url: 'env:U' }], 'notifiers[0].name'],
    ['two of a name', [sound[0], { ...sound[1], name: 'ops' }], 'notifiers[1].name'],
    ['one bot under two names, whose limit would count twice', [sound[3], { ...sound[3], name: 'other' }], 'notifiers[1].url'],
    ['one topic under two names', [sound[5], { ...sound[5], name: 'other' }], 'notifiers[1].topic'],
  ])('refuses %s', async (_, notifiers, path) => {
    const faults = await faultsOf(notifiers)
    expect(faults).toHaveLength(1)
    expect(faults[0]?.startsWith(`${path}: `)).toBe(true)
  })
})

describe('promise 21: hosts that may be called', () => {
  it.each([
    [sound[0], ['oapi.dingtalk.com', 'api.dingtalk.com']],
    [sound[1], ['qyapi.weixin.qq.com']],
    [sound[2], ['open.larksuite.com']],
    [sound[4], ['hooks.example.com:8443']],
    [sound[5], ['sns.eu-central-1.amazonaws.com']],
    [{ ...sound[5], topic: 'arn:aws-cn:sns:cn-north-1:123456789012:ops' }, ['sns.cn-north-1.amazonaws.com.cn']],
    [{ ...sound[5], endpoint: 'https://vpce-1.sns.eu-central-1.vpce.amazonaws.com' }, ['vpce-1.sns.eu-central-1.vpce.amazonaws.com']],
  ])('are what the setting says, not what the URL says: %o', (setting, hosts) => {
    expect(hostsOf(setting as NotifierSetting)).toEqual(hosts)
  })
})
