import { describe, expect, it } from 'vitest'
import { localHookFunction } from '#infra/local/local-function.ts'
import { localHooks } from '#infra/local/local-hooks.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { RunOptions } from '#shared/runtime/run.ts'
import { hookDefinition } from '../../shared/runtime/hook-definition.ts'
import { openProbeTools, probeQueue } from './probe-function.ts'

const queue = { definition: probeQueue(() => ({ kind: 'done' })), openTools: openProbeTools }

const config: Config = {
  mode: 'plan',
  platform: {
    endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
    region: 'ap-guangzhou',
    allowInsecureHttp: false,
    allowedHosts: [],
    credentials: { kind: 'none' },
  },
  clusters: [],
  store: { kind: 'memory' },
  functions: { 'redeploy-hook': { header: [] } },
}

describe('a function with webhooks and no schedule', () => {
  const webhook = hookDefinition()
  const fn = localHookFunction(
    {
      ...webhook,
      problems: ({ settings }) => [
        ...(settings.header?.length === 0 ? [{ path: 'header', text: 'names no secret' }] : []),
        { path: '', text: 'x' },
      ],
    },
    localHooks(webhook, queue),
  )

  it('has nothing to run, to plan or to undo, and says so', async () => {
    const options = {} as RunOptions
    const why = /redeploy-hook acts on what is sent to it and has no schedule/
    await expect(fn.run(options)).rejects.toThrow(why)
    await expect(fn.plan({ ...options, key: undefined, redact: (text) => text })).rejects.toThrow(why)
    await expect(fn.undo({} as Parameters<typeof fn.undo>[0], options)).rejects.toThrow(why)
  })

  it('is checked together with the rest of the configuration all the same', async () => {
    expect(await fn.problems(config)).toEqual([
      { path: 'functions.redeploy-hook.header', text: 'names no secret' },
      { path: 'functions.redeploy-hook', text: 'x' },
    ])
    await expect(fn.problems({ ...config, functions: { 'redeploy-hook': { haeder: [] } } })).rejects.toThrow('did you mean "header"')
  })

  it('is one function: webhooks and queue of two are a mistake', () => {
    expect(() => localHooks({ ...webhook, name: 'alarm-scaler' }, queue)).toThrow('alarm-scaler takes in events for redeploy-hook')
  })
})
