import { describe, expect, it } from 'vitest'
import { queue, type Tools } from '#functions/redeploy-hook/definition.ts'
import type { Seen } from '#functions/redeploy-hook/observe.ts'
import type { Decision } from '#shared/pure/step.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { Processed } from '#shared/runtime/queue-definition.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { config, digest, host, noon, observed, rule, tag, workload } from './small-world.ts'

const request = {
  uid: 'uid-web',
  cluster: 'cls-1',
  namespace: 'default',
  kind: 'Deployment',
  name: 'web',
  container: 'app',
  repository: 'team/web',
  tag: '1.0.1',
  contentId: digest('b'),
  expiresAt: noon + 60_000,
  nonce: 'n1',
}

const asked = config([rule({ approval: true })])
const world = observed([tag('1.0.0', 'a', -120), tag('1.0.1', 'b', -1)], [workload(`${host}/team/web:1.0.0`)])

function decision(outcome: Decision['outcome'], code: string): Decision {
  return { key: 'k', target: 'cls-1/default/Deployment/web', before: '', after: '', outcome, reason: { code, text: code } } as Decision
}

/** Works on an approval of which the run that writes it down comes to this. Answers also which runs there were. */
async function agree(first: Decision, { isLeft = false } = {}): Promise<{ readonly ended: Processed; readonly parts: readonly string[] }> {
  const parts: string[] = []
  const tools: Tools = {
    run: async (look, _event, _attempt, part) => {
      parts.push(part)
      if (part === 'look') return { decisions: [] } as unknown as RunReport
      const [step] = look.plan(world as unknown as Seen, asked as never, noon)
      const own = { ...first, key: step?.key ?? '' }
      return { decisions: [...(isLeft ? [decision('Held', 'unknown-outcome')] : []), own] } as unknown as RunReport
    },
  }
  const event = { id: 'e', source: 'approve', group: 'team/web', payload: { kind: 'approval', request }, receivedAt: noon, attempt: 1 }
  const attempt = { now: noon, remainingMs: () => 60_000, signal: new AbortController().signal, log: silentLog }
  const store = openMemoryStore(new MemoryDisk())
  const opened = { config: {} as never, store, log: silentLog }
  return { ended: await queue.process(event, tools, attempt, opened), parts }
}

describe('an approval by a link', () => {
  it('waits while a freeze window, a cap or the kill switch keeps it from being written down', async () => {
    for (const code of ['guard.freeze-window', 'guard.cap', 'guard.kill-switch']) {
      const { ended, parts } = await agree(decision('Held', code))
      expect(ended).toMatchObject({ kind: 'later', code })
      expect(ended.kind === 'later' && ended.at).toBeGreaterThan(noon)
      expect(parts).toEqual(['agree'])
    }
  })

  it('is written down again when the workload has changed in between', async () => {
    for (const code of ['world-changed', 'conflict']) {
      expect((await agree(decision('Skipped', code))).ended).toMatchObject({ kind: 'failed', code })
    }
  })

  it('is no longer open because of what an earlier run has left open', async () => {
    expect((await agree(decision('Applied', 'approved'), { isLeft: true })).ended).toEqual({ kind: 'done' })
  })

  it('is done when nothing waits for it, or it is written down; the look after it is a run of its own', async () => {
    expect((await agree(decision('Skipped', 'approval-outdated'))).ended).toEqual({ kind: 'done' })
    const { ended, parts } = await agree(decision('Applied', 'approved'))
    expect(ended).toEqual({ kind: 'done' })
    expect(parts).toEqual(['agree', 'look'])
  })
})
