import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import {
  ApprovalsView,
  DeadLettersView,
  DecisionsView,
  FunctionsView,
  JournalView,
  LeasesView,
  LicenceView,
  PlatformView,
  RegistryView,
  TimelineView,
} from '#infra/status/api-schemas.ts'

const root = join(import.meta.dirname, '../../..')
const dayMs = 86_400_000

let child: ChildProcess
let said = ''
let url = ''
let startedMs = 0

/** `npm start -- --speed 600`, as a person types it but for the ports. */
beforeAll(async () => {
  const words = ['start', '--speed', '600', '--port', '0', '--sandbox-port', '0']
  child = spawn(process.execPath, [join(root, 'infra/cli/longshore.mjs'), ...words], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout?.on('data', (piece) => (said += piece))
  child.stderr?.on('data', (piece) => (said += piece))
  while (!/status at (\S+)\/healthz/.test(said)) await sleep(50)
  url = /status at (\S+)\/healthz/.exec(said)?.[1] ?? ''
  startedMs = Date.now()
})

afterAll(async () => {
  child.kill('SIGINT')
  if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve))
  expect(said.trimEnd().endsWith('Stopped.')).toBe(true)
})

async function view<Schema extends z.ZodMiniType>(schema: Schema, path: string): Promise<z.output<Schema>> {
  return z.parse(schema, await (await fetch(`${url}/api/${path}`)).json())
}

describe('a day at 600 times the speed', () => {
  it('passes, and leaves nothing out: each function ran as often as its schedule fired', async () => {
    const first = await view(PlatformView, 'platform')
    const beginMs = Date.parse(first.now)
    let nowMs = beginMs
    while (nowMs < beginMs + dayMs) {
      await sleep(500)
      nowMs = Date.parse((await view(PlatformView, 'platform')).now)
    }
    const wallSeconds = (Date.now() - startedMs) / 1000
    console.log(`a day took ${wallSeconds.toFixed(0)} s; ${Math.round((nowMs - beginMs) / 1000 / wallSeconds)} times faster than the wall`)
    expect(said).not.toMatch(/came to nothing|webhook .* failed|not read/)
    const minutes = Math.floor((nowMs - beginMs) / 60_000)
    const metrics = await (await fetch(`${url}/metrics`)).text()
    for (const name of ['cron-scaler', 'alarm-scaler', 'redeploy-hook']) {
      const runs = Number(new RegExp(`^longshore_runs[^{]*\\{[^}]*"${name}"[^}]*\\} (\\d+)`, 'm').exec(metrics)?.[1])
      expect(runs, name).toBeGreaterThanOrEqual(minutes - 1)
    }
    for (const line of [
      'no node can pull',
      'dead: ',
      'somebody opened the link',
      'alarm-scaler  Applied',
      'rollout-failed|rolled|ImagePull',
    ]) {
      expect(said).toMatch(new RegExp(line))
    }
  })

  it('has something real in every view', async () => {
    expect((await view(FunctionsView, 'functions')).functions.every(({ lastRun, nextRun }) => lastRun && nextRun)).toBe(true)
    expect((await view(DecisionsView, 'decisions')).decisions.length).toBeGreaterThan(20)
    const timeline = await view(TimelineView, 'timeline')
    expect(timeline.replicas.length * timeline.nodes.length * timeline.events.length).toBeGreaterThan(0)
    expect(new Set(timeline.nodes.flatMap(({ points }) => points.map(({ ready }) => ready))).size).toBeGreaterThan(1)
    const registry = await view(RegistryView, 'registry')
    // The space is given back after the seven days of the quarantine.
    expect([registry.keptBytes > 0, registry.repositories.some(({ quarantinedTags }) => quarantinedTags > 0)]).toEqual([true, true])
    const [product] = (await view(LicenceView, 'licence')).products
    expect(new Set(product?.points.map(({ value }) => value)).size).toBeGreaterThan(1)
    expect((await view(LeasesView, 'leases')).leases.length).toBeGreaterThan(0)
    expect((await view(ApprovalsView, 'approvals')).approvals.length).toBeGreaterThan(0)
    expect((await view(DeadLettersView, 'dead-letters')).letters.length).toBeGreaterThan(0)
    const journal = await view(JournalView, 'journal?function=redeploy-hook')
    expect(journal.entries.length).toBeGreaterThan(0)
    expect(journal.verification.state).toBe('intact')
  })
})
