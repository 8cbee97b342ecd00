import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { completeLock, type Lock } from '#infra/build/complete-lock.ts'

const text = await readFile(join(import.meta.dirname, '../../package-lock.json'), 'utf8')
const lock: Lock & {
  readonly packages: Record<string, { readonly integrity?: string; readonly resolved?: string; readonly hasInstallScript?: boolean }>
} = JSON.parse(text)

describe('package-lock.json', () => {
  it('names no registry host', () => {
    expect(Object.values(lock.packages).filter(({ resolved }) => resolved !== undefined)).toEqual([])
  })

  it('has every package of every platform, so that npm ci takes it everywhere', () => {
    expect(completeLock(lock).added).toEqual([])
  })

  it('has the hash of everything that is installed here', () => {
    const without = Object.entries(lock.packages).filter(([name, { integrity }]) => name !== '' && integrity === undefined)
    for (const [name, entry] of without) {
      const here =
        (entry.os ?? []).includes('linux') && (entry.cpu ?? []).some((cpu) => cpu === 'x64' || cpu === 'arm64') && entry.libc === undefined
      expect(here, name).toBe(false)
    }
  })

  it('needs no install script: those that have one ship what they need as well', () => {
    const scripts = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript === true)
    // esbuild, @swc/core and classic-level ship their binaries in packages of the platform, es5-ext only prints a message.
    // None of the scripts is run (.npmrc: ignore-scripts), and everything is tested so.
    const known = ['@swc/core', 'classic-level', 'es5-ext', 'esbuild', 'fsevents']
    for (const [name] of scripts) expect(known).toContain(name.replace(/^.*node_modules\//, ''))
  })
})

describe('completeLock', () => {
  it('adds what is missing, with what makes npm skip it elsewhere', () => {
    const { lock: complete, added } = completeLock<Lock>({
      packages: {
        '': {},
        'node_modules/tool': {
          dev: true,
          optionalDependencies: { '@tool/linux-arm64-musl': '1.2.3', '@tool/darwin-x64': '1.2.3', '@tool/wasm': '1.2.3' },
        },
        'node_modules/@tool/darwin-x64': { version: '1.2.3', os: ['darwin'] },
      },
    })
    expect(added).toEqual(['@tool/linux-arm64-musl'])
    expect(complete.packages['node_modules/@tool/linux-arm64-musl']).toEqual({
      version: '1.2.3',
      dev: true,
      optional: true,
      os: ['linux'],
      cpu: ['arm64'],
      libc: ['musl'],
    })
  })
})
