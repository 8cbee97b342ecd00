import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'

/** What the figures depend on. Figures of different machines, or under other load, say nothing about each other. */
export interface MachineFacts {
  readonly cpu: string
  readonly cores: number
  readonly memoryGib: number
  readonly system: string
  readonly node: string
  readonly undici: string
  readonly sdk: string
  /** Runnable processes over the last minute, before the bench began. */
  readonly load: number
}

export function machineFacts(root: string): MachineFacts {
  const versionOf = (name: string): string => {
    const text: unknown = JSON.parse(readFileSync(`${root}/node_modules/${name}/package.json`, 'utf8'))
    return typeof text === 'object' && text !== null && 'version' in text ? String(text.version) : 'unknown'
  }
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    undici: versionOf('undici'),
    sdk: versionOf('tencentcloud-sdk-nodejs-common'),
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  }
}
