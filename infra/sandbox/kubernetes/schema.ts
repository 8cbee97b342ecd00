import schemaFacts from './schema.json' with { type: 'json' }

/** The form of one value. A pointer is a value that may be absent although its zero is not. */
export type Shape =
  | { readonly form: 'scalar'; readonly type: ScalarType }
  | { readonly form: 'struct'; readonly name: string }
  | { readonly form: 'list'; readonly item: Shape }
  | { readonly form: 'map'; readonly item: Shape }
  | { readonly form: 'pointer'; readonly to: Shape }

const scalarTypes = ['string', 'bool', 'int32', 'int64', 'float', 'bytes', 'time', 'microtime', 'quantity', 'intstr', 'raw'] as const

export type ScalarType = (typeof scalarTypes)[number]

/** One field of a structure. */
export interface FieldFacts {
  readonly name: string
  readonly shape: Shape
  /** Written even when empty. */
  readonly keepEmpty: boolean
  /** How a strategic merge patch treats it. Without one, lists are replaced and structures merged. */
  readonly merge: { readonly lists: boolean; readonly key: string | undefined; readonly retainKeys: boolean }
}

const table: Readonly<Record<string, Readonly<Record<string, string>>>> = schemaFacts
const compiled = new Map<string, ReadonlyMap<string, FieldFacts>>()

/** The fields of a structure, in the order they are written. Throws on a name schema.json does not have. */
export function fieldsOf(structure: string): ReadonlyMap<string, FieldFacts> {
  const known = compiled.get(structure)
  if (known !== undefined) return known
  const lines = table[structure]
  if (lines === undefined) throw new Error(`schema.json has no structure ${structure}; add it to infra/kube/generate-schema.ts`)
  const fields = new Map(Object.entries(lines).map(([name, line]) => [name, parseField(name, line)]))
  compiled.set(structure, fields)
  return fields
}

function parseField(name: string, line: string): FieldFacts {
  const [type = '', ...flags] = line.split(' ')
  const merge = flags.find((flag) => flag !== '!') ?? ''
  const [strategies = '', key] = merge.split('=')
  return {
    name,
    shape: parseShape(type),
    keepEmpty: flags.includes('!'),
    merge: { lists: strategies.split(',').includes('merge'), key, retainKeys: strategies.includes('retainKeys') },
  }
}

function parseShape(type: string): Shape {
  if (type.startsWith('*')) return { form: 'pointer', to: parseShape(type.slice(1)) }
  if (type.startsWith('[')) return { form: 'list', item: parseShape(type.slice(1, -1)) }
  if (type.startsWith('{')) return { form: 'map', item: parseShape(type.slice(1, -1)) }
  const scalar = scalarTypes.find((known) => known === type)
  return scalar === undefined ? { form: 'struct', name: type } : { form: 'scalar', type: scalar }
}
