import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Action, InputShape } from '#cloud/action.ts'
import { allActions } from '#cloud/generated/all-actions.ts'
import type { Catalog } from '#infra/codegen/catalog.ts'
import { kebab } from '#infra/codegen/catalog.ts'
import { effectOf, generate } from '#infra/codegen/generate.ts'

const root = join(import.meta.dirname, '../../..')
const catalog: Catalog = JSON.parse(await readFile(join(root, 'infra/codegen/catalog.json'), 'utf8'))
const files = generate(catalog)

interface SdkField {
  readonly path: string
  readonly type: string
  readonly optional: boolean
}

describe('generated actions', () => {
  it('are the files in the tree, byte for byte', async () => {
    const generated = join(root, 'shared/cloud/generated')
    const present = (await readdir(generated, { recursive: true })).filter((path) => path.endsWith('.ts')).sort()
    expect(present).toEqual([...files.keys()].sort())
    for (const [path, text] of files) expect(await readFile(join(generated, path), 'utf8'), path).toBe(text)
  })

  it('are 97: 37 of tcr and 60 of tke', () => {
    expect(Object.keys(allActions.tcr ?? {})).toHaveLength(37)
    expect(Object.keys(allActions.tke ?? {})).toHaveLength(60)
  })

  it('carry the facts of the catalog', () => {
    for (const [service, facts] of Object.entries(catalog)) {
      for (const [name, action] of Object.entries(facts.actions)) {
        const literal = allActions[service]?.[name]
        expect(literal).toMatchObject({
          service,
          name,
          version: facts.version,
          ratePerSecond: action.rateLimitPerSecond,
          regional: action.regionUsed,
        })
        expect(Object.keys(literal?.input ?? {})).toEqual(action.input.map((field) => field.name))
        for (const field of action.input) {
          expect(literal?.input[field.name]?.required ?? false, `${name}.${field.name}`).toBe(field.required)
          expect(literal?.input[field.name]?.list ?? false, `${name}.${field.name}`).toBe(field.type.startsWith('Array of '))
        }
      }
    }
  })

  it('count everything as a write that is not known to read', () => {
    const reads = flat().filter((action) => action.effect === 'read')
    for (const action of reads) expect(action.name).toMatch(/^(Describe|Get|List|Check|Validate|Query|CollectAllCore$)/)
    for (const action of flat()) expect(action.repeat === undefined, action.name).toBe(action.effect === 'read')
    expect(effectOf('ForwardRequest')).toEqual({ effect: 'write', repeat: 'relative' })
    expect(() => effectOf('ReinstallEverything')).toThrow(/ReinstallEverything/)
  })

  it('page exactly where the request has Offset and Limit', () => {
    for (const action of flat()) {
      expect(action.paging !== undefined, action.name).toBe('Offset' in action.input && 'Limit' in action.input)
    }
  })

  it('have arrays where the public SDK has them', async () => {
    const sdk: Record<string, readonly SdkField[]> = JSON.parse(await readFile(join(root, 'test/vectors/sdk-model-fields.json'), 'utf8'))
    let compared = 0
    for (const [model, fields] of Object.entries(sdk)) {
      const name = model.replace(/(Request|Response)$/, '')
      const service = Object.keys(catalog).find((key) => catalog[key]?.actions[name])
      if (service === undefined) continue
      const text = files.get(`${service}/${kebab(name)}.ts`) ?? ''
      const body = new RegExp(`interface ${model} \\{([^}]*)\\}`).exec(text)?.[1] ?? ''
      for (const field of fields) {
        if (field.path.includes('.')) continue
        const line = new RegExp(`readonly ${field.path}\\??: (.*)`).exec(body)?.[1]
        if (line === undefined) continue
        compared += 1
        expect(line.endsWith('[]'), `${model}.${field.path}: ${line}`).toBe(field.type.startsWith('Array<'))
      }
    }
    expect(compared).toBeGreaterThan(25)
  })
})

describe('kebab', () => {
  it.each([
    ['DescribeClusterAsGroups', 'describe-cluster-as-groups'],
    ['CheckClusterCIDR', 'check-cluster-cidr'],
    ['GetDashboardID', 'get-dashboard-id'],
    ['ForwardRequest', 'forward-request'],
  ])('%s -> %s', (name, file) => {
    expect(kebab(name)).toBe(file)
  })

  it('gives 97 different names', () => {
    expect(new Set(flat().map((action) => `${action.service}/${kebab(action.name)}`)).size).toBe(97)
  })
})

function flat(): Action[] {
  const inputs = (shape: InputShape): boolean =>
    Object.values(shape).every((field) => field.type !== 'object' || field.fields !== undefined)
  const actions = Object.values(allActions).flatMap((actions) => Object.values(actions))
  for (const action of actions) expect(inputs(action.input), action.name).toBe(true)
  return actions
}
