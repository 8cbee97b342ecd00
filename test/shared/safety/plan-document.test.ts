import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRedactor } from '#shared/runtime/redact.ts'
import { canonicalJson, contentDigest, plainCopy, sealMethod, sealOf } from '#shared/safety/canonical-json.ts'
import {
  createPlanDocument,
  digestOf,
  listPlans,
  loadPlan,
  matchPlan,
  type PlanDocument,
  PlanError,
  planLifetimeMs,
  type StepLike,
  savePlan,
  selectSteps,
  verifyPlan,
} from '#shared/safety/plan-document.ts'
import type { Store } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const start = 1_790_000_000_000
const functionName = 'cron-scaler'

function step(number: number, more: Partial<StepLike> = {}): StepLike {
  return {
    key: `key-${number}`,
    target: `cls-1/default/Deployment/web-${number}`,
    before: 'replicas 2',
    after: 'replicas 5',
    reason: { code: 'fired', text: `rule ${number} has fired 3 s ago` },
    verdict: 'change',
    change: { to: { kind: 'replicas', replicas: 5 }, number },
    undo: { to: { kind: 'replicas', replicas: 2 } },
    ...more,
  }
}

const idle: StepLike = {
  key: 'idle',
  target: 'cls-1/default/Deployment/idle',
  before: '',
  after: '',
  reason: { code: 'same', text: 'is as it should be' },
  verdict: 'no-change',
}

function document(
  steps: readonly StepLike[],
  more: { createdAt?: number; key?: string; redact?: (text: string) => string } = {},
): PlanDocument {
  const { createdAt = start, ...seal } = more
  return createPlanDocument(
    { function: functionName, createdAt, configHash: contentDigest({ a: 1 }), observedHash: contentDigest([1, 2]), steps },
    seal,
  )
}

function storeWith(): { store: Store; disk: MemoryDisk } {
  const disk = new MemoryDisk()
  return { store: openMemoryStore(disk), disk }
}

function kindOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof PlanError) return error.kind
    throw error
  }
  return 'none'
}

async function kindOfLoad(store: Store, digest: string, more: { now?: number; key?: string; name?: string } = {}): Promise<string> {
  try {
    await loadPlan(store, more.name ?? functionName, digest, {
      now: more.now ?? start,
      ...(more.key === undefined ? {} : { key: more.key }),
    })
  } catch (error) {
    if (error instanceof PlanError) return error.kind
    throw error
  }
  return 'none'
}

describe('a plan document', () => {
  it('holds the steps as plain JSON, and its digest names what they would do', () => {
    const plan = document([step(1), idle])
    expect(plan).toMatchObject({
      format: 1,
      function: functionName,
      createdAt: start,
      steps: [
        { key: 'key-1', verdict: 'change', change: { number: 1 } },
        { key: 'idle', verdict: 'no-change' },
      ],
    })
    expect(plan.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(plan.digest).toBe(digestOf(plan.steps))
    expect(plan.seal).toMatch(/^sha256:/)
    expect(kindOf(() => verifyPlan(plan))).toBe('none')
    expect(plan.steps.some(({ redacted }) => redacted !== undefined)).toBe(false)
  })

  it('has the digest of its changes: of all that is carried out, and of nothing else', () => {
    const { digest } = document([step(1), step(2)])
    const same: StepLike[][] = [
      [step(2), step(1)],
      [idle, step(1), step(2)],
      [step(1, { reason: { code: 'other', text: 'other' } }), step(2)],
    ]
    for (const steps of same) expect(document(steps, { createdAt: start + 5 }).digest).toBe(digest)
    const others: StepLike[][] = [
      [step(1)],
      [],
      [step(1), step(2), step(2)],
      [step(1), step(2), step(3)],
      [step(1), step(2, { key: 'other' })],
      [step(1), step(2, { target: 'other' })],
      [step(1), step(2, { before: 'other' })],
      [step(1), step(2, { after: 'other' })],
      [step(1), step(2, { change: { to: 6 } })],
      [step(1), step(2, { undo: undefined })],
    ]
    const digests = others.map((steps) => document(steps).digest)
    expect(new Set([digest, ...digests]).size).toBe(others.length + 1)
  })

  it('that was changed in any place does not fit its seal any more', () => {
    for (const key of [undefined, 'a key']) {
      const seal = key === undefined ? {} : { key }
      const plan = document([step(1), idle], seal)
      expect(kindOf(() => verifyPlan(plan, seal))).toBe('none')
      const changes: Partial<PlanDocument>[] = [
        { function: 'image-cleaner' },
        { createdAt: start + 1 },
        { configHash: 'x' },
        { observedHash: 'x' },
        { digest: 'x' },
        { seal: 'x' },
        { steps: [] },
        { steps: [...plan.steps].reverse() },
        ...(['key', 'target', 'before', 'after', 'change', 'undo', 'reason', 'verdict'] as const).map((name) => ({
          steps: [
            { ...plan.steps[0], [name]: name === 'reason' ? { code: 'x', text: 'x' } : 'x' } as PlanDocument['steps'][number],
            ...plan.steps.slice(1),
          ],
        })),
      ]
      for (const change of changes)
        expect(
          kindOf(() => verifyPlan({ ...plan, ...change }, seal)),
          JSON.stringify(change),
        ).toBe('plan.tampered')
    }
  })

  it('whose steps are not those of its digest is refused although it is sealed', () => {
    const { seal: _, ...plan } = document([step(1)])
    const forged = { ...plan, steps: document([step(2)]).steps }
    expect(kindOf(() => verifyPlan({ ...forged, seal: sealOf(forged, undefined) }))).toBe('plan.other-digest')
  })

  it('that was sealed with a key needs the same key', () => {
    const keyed = document([step(1)], { key: 'one' })
    expect(() => verifyPlan(keyed)).toThrow('was sealed with a key, which was not given')
    expect(() => verifyPlan(keyed, { key: 'two' })).toThrow('changed after it was made, or sealed with another key')
    expect(() => verifyPlan(document([step(1)]), { key: 'one' })).toThrow('was sealed without the key')
  })

  it('says which change is no plain JSON', () => {
    expect(() => document([step(1, { change: { at: new Date(0) } })])).toThrow(/web-1 cannot be kept: at is a Date/)
    expect(kindOf(() => document([step(1, { undo: () => undefined })]))).toBe('plan.invalid')
  })

  it('19: holds no secret, and a step that held one cannot be approved', () => {
    const redactor = createRedactor()
    redactor.add('Sup3r-secret')
    const redact = (text: string): string => redactor.text(text)
    const steps = [
      step(1),
      step(2, { reason: { code: 'c', text: 'because of Sup3r-secret' } }),
      step(3, { change: { env: ['x=Sup3r-secret'] } }),
      step(4, { change: { 'Sup3r-secret': 1 } }),
      step(5, { before: 'Sup3r-secret' }),
      step(6, { undo: { env: 'Sup3r-secret' } }),
    ]
    const plan = document(steps, { redact })
    expect(JSON.stringify(plan)).not.toContain('Sup3r-secret')
    expect(plan.steps.map(({ redacted }) => redacted ?? false)).toEqual([false, false, true, true, true, true])
    expect(kindOf(() => verifyPlan(plan))).toBe('none')
    const matched = matchPlan(plan, steps, { redact })
    expect(matched.approved).toEqual([steps[0], steps[1]])
    expect(matched.unreviewed).toEqual(steps.slice(2))
    // Nor by a step that says literally what is left of it, or because the plan said so.
    const literal = step(3, { change: { env: ['x=[redacted]'] } })
    expect(matchPlan(plan, [literal]).approved).toEqual([])
    expect(matchPlan(document([literal]), [step(3, { change: { env: ['x=Sup3r-secret'] } })], { redact }).approved).toEqual([])
  })
})

describe('carrying out a reviewed plan', () => {
  it('2: takes the steps of now that are exactly those that were reviewed', () => {
    const plan = document([step(1), step(2), step(3), idle])
    const now = [
      step(1, { reason: { code: 'fired', text: 'a minute later' } }),
      step(2, { before: 'replicas 3' }),
      step(4),
      { ...step(3), verdict: 'no-change' as const },
      idle,
    ]
    const { approved, unreviewed, gone } = matchPlan(plan, now)
    expect(approved).toEqual([now[0]])
    expect(approved[0]).toBe(now[0])
    expect(unreviewed).toEqual([now[1], now[2]])
    expect(gone.map(({ key }) => key)).toEqual(['key-2', 'key-3'])
  })

  it('2: never anything that was not in the plan, whatever has become of the world', () => {
    const someStep = fc
      .record({
        number: fc.nat({ max: 4 }),
        before: fc.constantFrom('replicas 2', 'replicas 3'),
        to: fc.nat({ max: 2 }),
        verdict: fc.constantFrom('change' as const, 'held' as const),
      })
      .map(({ number, before, to, verdict }) => step(number, { before, verdict, change: { to } }))
    fc.assert(
      fc.property(fc.array(someStep, { maxLength: 8 }), fc.array(someStep, { maxLength: 8 }), (then, now) => {
        const plan = document(then)
        const { approved, unreviewed, gone } = matchPlan(plan, now)
        const does = ({ key, target, before, after, change }: StepLike): string => JSON.stringify([key, target, before, after, change])
        const reviewed = new Set(then.filter(({ verdict }) => verdict === 'change').map(does))
        for (const one of approved) expect(one.verdict === 'change' && reviewed.has(does(one))).toBe(true)
        for (const one of unreviewed) expect(reviewed.has(does(one))).toBe(false)
        expect(approved.length + unreviewed.length).toBe(now.filter(({ verdict }) => verdict === 'change').length)
        expect(gone.some((one) => approved.some((other) => does(other) === does(one as StepLike)))).toBe(false)
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  it('takes a part of it, by key or by target, and refuses a name that fits nothing', () => {
    const steps = [step(1), step(2), step(11)]
    const keys = (selection: Parameters<typeof selectSteps>[1]): string[] => selectSteps(steps, selection).map(({ key }) => key)
    expect(keys({})).toEqual(['key-1', 'key-2', 'key-11'])
    expect(keys({ keys: ['key-11', 'key-1'] })).toEqual(['key-1', 'key-11'])
    expect(keys({ targets: ['cls-1/**/web-1*'] })).toEqual(['key-1', 'key-11'])
    expect(keys({ targets: ['**/web-1'], keys: ['key-2'] })).toEqual(['key-1', 'key-2'])
    expect(kindOf(() => keys({ keys: ['key-1', 'key-7'] }))).toBe('plan.invalid')
    expect(kindOf(() => keys({ targets: ['web-1'] }))).toBe('plan.invalid')
    expect(kindOf(() => keys({ targets: ['[x'] }))).toBe('plan.invalid')
  })
})

describe('plans in a store', () => {
  it('are found by their digest or its beginning, as they were, for a week', async () => {
    const { store } = storeWith()
    const plan = document([step(1), idle])
    await savePlan(store, plan, { now: start })
    for (const digest of [plan.digest, plan.digest.slice(0, 8)])
      expect(await loadPlan(store, functionName, digest, { now: start })).toEqual(plainCopy(plan))
    expect(await listPlans(store, functionName, { now: start })).toEqual([{ digest: plan.digest, createdAt: start }])
    const almost = start + planLifetimeMs - 1
    expect(await kindOfLoad(store, plan.digest, { now: almost })).toBe('none')
    expect(await kindOfLoad(store, plan.digest, { now: almost + 1 })).toBe('plan.unknown')
    expect(await listPlans(store, functionName, { now: almost + 1 })).toEqual([])
    expect(await kindOfLoad(store, plan.digest, { name: 'image-cleaner' })).toBe('plan.unknown')
  })

  it('may be empty, and may be large', async () => {
    for (const steps of [
      [],
      Array.from({ length: 4000 }, (_, number) => step(number)),
      [step(1, { change: 'x'.repeat(300_000) }), step(2)],
    ]) {
      const { store } = storeWith()
      const plan = document(steps)
      await savePlan(store, plan, { now: start })
      expect(await loadPlan(store, functionName, plan.digest, { now: start })).toEqual(plainCopy(plan))
    }
  })

  it('are kept anew when the same plan is made again', async () => {
    const { store } = storeWith()
    const first = document([step(1)])
    const second = document([step(1, { reason: { code: 'fired', text: 'later' } })], { createdAt: start + planLifetimeMs - 5 })
    await savePlan(store, first, { now: start })
    await savePlan(store, first, { now: start })
    await savePlan(store, second, { now: second.createdAt })
    expect(second.digest).toBe(first.digest)
    expect(await loadPlan(store, functionName, first.digest, { now: start + planLifetimeMs })).toEqual(plainCopy(second))
    expect(await listPlans(store, functionName, { now: start + planLifetimeMs })).toHaveLength(1)
  })

  it('are refused when the digest is none, fits none or fits several', async () => {
    const { store } = storeWith()
    for (const digest of ['', 'abc', 'xyzxyzxyz', 'ABCDEF0123', `${'a'.repeat(65)}`])
      expect(await kindOfLoad(store, digest)).toBe('plan.invalid')
    expect(await kindOfLoad(store, 'abcdef01')).toBe('plan.unknown')
    const plan = document([step(1)])
    await savePlan(store, plan, { now: start })
    const twin = `${plan.digest.slice(0, 8)}${'0'.repeat(56)}`
    await store.put({ partition: `plans/${functionName}`, sort: `plan/${twin}` }, {}, { when: 'any', now: start })
    expect(await kindOfLoad(store, plan.digest.slice(0, 8))).toBe('plan.ambiguous')
    expect(await kindOfLoad(store, plan.digest)).toBe('none')
    expect(await kindOfLoad(store, twin)).toBe('plan.corrupt')
    await expect(listPlans(store, functionName, { now: start })).rejects.toMatchObject({ kind: 'plan.corrupt' })
  })

  it('are refused when they were tampered with or are not whole', async () => {
    const plan = document([step(1), step(2)], { key: 'k' })
    const partition = `plans/${functionName}`
    const tampers: [string, (store: Store, data: Record<string, unknown>, steps: Record<string, unknown>[]) => Promise<unknown>][] = [
      [
        'plan.tampered',
        (store, data) => store.put({ partition, sort: `plan/${plan.digest}` }, { ...data, createdAt: 1 }, { when: 'any', now: start }),
      ],
      [
        'plan.corrupt',
        (store, data) => store.put({ partition, sort: `plan/${plan.digest}` }, { ...data, extra: 1 }, { when: 'any', now: start }),
      ],
      [
        'plan.corrupt',
        (store, data) => store.put({ partition, sort: `plan/${plan.digest}` }, { ...data, parts: 2 }, { when: 'any', now: start }),
      ],
      [
        'plan.corrupt',
        (store, data) =>
          store.put({ partition, sort: `plan/${plan.digest}` }, { ...data, function: 'image-cleaner' }, { when: 'any', now: start }),
      ],
      [
        'plan.tampered',
        (store, data) => store.put({ partition, sort: `plan/${plan.digest}` }, { ...data, parts: 0 }, { when: 'any', now: start }),
      ],
      ['plan.tampered', (store, _, steps) => store.put(partKey, { steps: steps.slice(1) }, { when: 'any', now: start })],
      [
        'plan.tampered',
        (store, _, steps) => store.put(partKey, { steps: [{ ...steps[0], change: { to: 99 } }, steps[1]] }, { when: 'any', now: start }),
      ],
      ['plan.corrupt', (store) => store.put(partKey, { steps: 'none' }, { when: 'any', now: start })],
      ['plan.corrupt', (store) => store.delete(partKey, { when: 'any', now: start })],
    ]
    const partKey = { partition, sort: `steps/${plan.digest}/${plan.seal.slice(-32)}/000000` }
    for (const [kind, tamper] of tampers) {
      const { store } = storeWith()
      await savePlan(store, plan, { now: start })
      const head = await store.get({ partition, sort: `plan/${plan.digest}` }, { now: start })
      const part = await store.get(partKey, { now: start })
      await tamper(
        store,
        head?.data as Record<string, unknown>,
        ((part?.data ?? { steps: [] }) as { steps: Record<string, unknown>[] }).steps,
      )
      expect(await kindOfLoad(store, plan.digest, { key: 'k' })).toBe(kind)
    }
    const { store } = storeWith()
    await savePlan(store, plan, { now: start })
    const elsewhere = 'a'.repeat(64)
    const original = await store.get({ partition, sort: `plan/${plan.digest}` }, { now: start })
    await store.put({ partition, sort: `plan/${elsewhere}` }, (original?.data ?? {}) as object, { when: 'any', now: start })
    expect(await kindOfLoad(store, elsewhere, { key: 'k' })).toBe('plan.corrupt')
    expect(await kindOfLoad(store, plan.digest)).toBe('plan.tampered')
    expect(await kindOfLoad(store, plan.digest, { key: 'k' })).toBe('none')
  })

  it('are not there before they are whole', async () => {
    const plan = document(Array.from({ length: 2000 }, (_, number) => step(number)))
    const disk = new MemoryDisk()
    let writes = 0
    const store = openMemoryStore(disk, {
      before: ({ operation }) => {
        writes += 1
        if (operation === 'put' && writes === 3) throw new Error('killed')
      },
    })
    await expect(savePlan(store, plan, { now: start })).rejects.toThrow('killed')
    expect(await kindOfLoad(openMemoryStore(disk), plan.digest)).toBe('plan.unknown')
  })
})

describe('canonical JSON', () => {
  const value = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('node'), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie('node'), { maxKeys: 5 }),
    ),
  })).node

  it('is the same for what a store gives back, and for members in any order', () => {
    fc.assert(
      fc.property(value, (one) => {
        const text = canonicalJson(one)
        expect(canonicalJson(plainCopy(one))).toBe(text)
        expect(canonicalJson(reversed(one))).toBe(text)
        expect(contentDigest(reversed(one))).toBe(contentDigest(one))
      }),
      { seed: 7, numRuns: 400 },
    )
  })

  function reversed(one: unknown): unknown {
    if (Array.isArray(one)) return one.map(reversed)
    if (typeof one !== 'object' || one === null) return one
    return Object.fromEntries(
      Object.entries(one)
        .reverse()
        .map(([name, member]) => [name, reversed(member)]),
    )
  }

  it('sorts by code, leaves out what is undefined, and keeps numbers exact', () => {
    expect(canonicalJson({ b: 1n, a: [true, null], c: undefined, 10: 'x', 9: 'y', B: -0, ä: 1e21 })).toBe(
      '{"10":"x","9":"y","B":0,"a":[true,null],"b":1,"ä":1e+21}',
    )
    expect(canonicalJson(9007199254740993n)).toBe('9007199254740993')
    expect(canonicalJson({ a: { b: [] } })).toBe('{"a":{"b":[]}}')
  })

  it('refuses what JSON cannot carry, and says where', () => {
    for (const [bad, message] of [
      [{ a: [1, { b: Number.NaN }] }, /a\[1\]\.b is NaN/],
      [{ a: new Map() }, /a is a Map/],
      [[undefined], /undefined/],
      [undefined, /undefined/],
      [() => 1, /function/],
    ] as const) {
      expect(() => canonicalJson(bad)).toThrow(message)
    }
    const circle: Record<string, unknown> = {}
    circle.self = circle
    expect(() => canonicalJson(circle)).toThrow(/contains itself/)
    const ring: unknown[] = []
    ring.push([ring])
    expect(() => canonicalJson(ring)).toThrow(/contains itself/)
    const sparse: unknown[] = []
    sparse[1] = 1
    expect(() => canonicalJson(sparse)).toThrow(/undefined/)
  })

  it('is sealed in one of two ways', () => {
    const plain = sealOf({ a: 1 }, undefined)
    const keyed = sealOf({ a: 1 }, 'k')
    expect([sealMethod(plain), sealMethod(keyed)]).toEqual(['sha256', 'hmac-sha256'])
    expect(sealOf({ a: 1 }, 'l')).not.toBe(keyed)
    expect(sealOf({ a: 2 }, 'k')).not.toBe(keyed)
    for (const none of [
      '',
      'sha256:',
      `md5:${'0'.repeat(64)}`,
      `sha256:${'0'.repeat(63)}`,
      `xsha256:${'0'.repeat(64)}`,
      `hmac-sha256:${'G'.repeat(64)}`,
    ]) {
      expect(sealMethod(none)).toBeUndefined()
    }
  })
})
