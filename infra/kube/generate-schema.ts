import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Reads the API's struct definitions from a Kubernetes source tree and writes the facts the sandbox needs about them
 * (names of fields, their types, what is left out when empty, how lists merge) to `infra/sandbox/kubernetes/schema.json`.
 *
 * One line per field: `containers: "[core/v1.Container] merge=name"`. `[T]` is a list, `{T}` a map, `*T` a pointer (absent
 * and zero differ), `!` means "written even when empty". Run as `node infra/kube/generate-schema.ts <source tree>`.
 */
const packages: readonly { readonly key: string; readonly files: readonly string[] }[] = [
  { key: 'meta/v1', files: ['apimachinery/pkg/apis/meta/v1/types.go'] },
  { key: 'core/v1', files: ['api/core/v1/types.go'] },
  { key: 'apps/v1', files: ['api/apps/v1/types.go'] },
  { key: 'batch/v1', files: ['api/batch/v1/types.go'] },
  { key: 'batch/v1beta1', files: ['api/batch/v1beta1/types.go'] },
  { key: 'autoscaling/v1', files: ['api/autoscaling/v1/types.go'] },
  { key: 'autoscaling/v2beta2', files: ['api/autoscaling/v2beta2/types.go'] },
  { key: 'policy/v1beta1', files: ['api/policy/v1beta1/types.go'] },
  { key: 'coordination/v1', files: ['api/coordination/v1/types.go'] },
  { key: 'apiextensions/v1', files: ['apiextensions-apiserver/pkg/apis/apiextensions/v1/types.go'] },
]

const roots = [
  'core/v1.Namespace',
  'core/v1.Pod',
  'core/v1.Node',
  'core/v1.Service',
  'core/v1.ConfigMap',
  'core/v1.Secret',
  'core/v1.ServiceAccount',
  'core/v1.Event',
  'core/v1.PersistentVolumeClaim',
  'apps/v1.Deployment',
  'apps/v1.StatefulSet',
  'apps/v1.DaemonSet',
  'apps/v1.ReplicaSet',
  'apps/v1.ControllerRevision',
  'batch/v1.Job',
  'batch/v1beta1.CronJob',
  'autoscaling/v1.HorizontalPodAutoscaler',
  'autoscaling/v1.Scale',
  'autoscaling/v2beta2.HorizontalPodAutoscaler',
  'policy/v1beta1.PodDisruptionBudget',
  'policy/v1beta1.Eviction',
  'coordination/v1.Lease',
  'apiextensions/v1.CustomResourceDefinition',
  'meta/v1.DeleteOptions',
]

/** Types with their own JSON form, or whose inside the sandbox does not look at. */
const special: Readonly<Record<string, string>> = {
  'meta/v1.Time': 'time',
  'meta/v1.MicroTime': 'microtime',
  'meta/v1.Duration': 'string',
  'meta/v1.FieldsV1': 'raw',
  'resource.Quantity': 'quantity',
  'intstr.IntOrString': 'intstr',
  'runtime.RawExtension': 'raw',
  'types.UID': 'string',
  'types.NamespacedName': 'raw',
  'apiextensions/v1.JSON': 'raw',
  'apiextensions/v1.JSONSchemaProps': 'raw',
}

const scalars: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'bool',
  int: 'int32',
  int32: 'int32',
  int64: 'int64',
  uint8: 'int32',
  float64: 'float',
}

interface Field {
  readonly name: string
  readonly type: string
  readonly inline: boolean
  readonly keepEmpty: boolean
  readonly merge: string
}

type Definition = { readonly struct: readonly Field[] } | { readonly alias: string }

const imported: Readonly<Record<string, string>> = {
  metav1: 'meta/v1',
  v1: 'core/v1',
  corev1: 'core/v1',
  resource: 'resource',
  intstr: 'intstr',
  runtime: 'runtime',
  types: 'types',
  batchv1: 'batch/v1',
}

function parsePackage(key: string, text: string): Map<string, Definition> {
  const found = new Map<string, Definition>()
  const lines = text.split('\n')
  for (let index = 0; index < lines.length; index += 1) {
    const head = /^type (\w+) (.+)$/.exec(lines[index] ?? '')
    if (head === null) continue
    const [, name = '', rest = ''] = head
    if (!rest.startsWith('struct')) {
      found.set(name, { alias: rest.replace(/\s*\/\/.*$/, '').trim() })
      continue
    }
    const fields: Field[] = []
    if (!rest.includes('}')) {
      for (index += 1; lines[index] !== '}'; index += 1) {
        const line = (lines[index] ?? '').trim()
        const parts = /^(?:(\w+)\s+)?([\w.*[\]]+)\s+`(.+)`/.exec(line)
        if (parts === null) continue
        const [, goName, type = '', tag = ''] = parts
        const json = /json:"([^"]*)"/.exec(tag)?.[1]
        if (json === undefined || json === '-') continue
        const [label = '', ...options] = json.split(',')
        const strategy = /patchStrategy:"([^"]*)"/.exec(tag)?.[1] ?? ''
        const mergeKey = /patchMergeKey:"([^"]*)"/.exec(tag)?.[1] ?? ''
        fields.push({
          name: label,
          type,
          inline: options.includes('inline') || (goName === undefined && label === ''),
          keepEmpty: !options.includes('omitempty'),
          merge: [strategy, mergeKey].filter((part) => part !== '').join('='),
        })
      }
    }
    found.set(name, { struct: fields })
  }
  if (found.size === 0) throw new Error(`no type found in ${key}: is this a Kubernetes source tree?`)
  return found
}

async function main(tree: string): Promise<void> {
  const definitions = new Map<string, Definition>()
  for (const { key, files } of packages) {
    for (const file of files) {
      const text = await readFile(join(tree, 'staging/src/k8s.io', file), 'utf8')
      for (const [name, definition] of parsePackage(key, text)) definitions.set(`${key}.${name}`, definition)
    }
  }
  const schema: Record<string, Record<string, string>> = {}
  const full = (type: string, home: string): string => {
    const dot = type.indexOf('.')
    if (dot < 0) return `${home}.${type}`
    const alias = type.slice(0, dot)
    const target = home === 'apiextensions/v1' && alias === 'v1' ? 'meta/v1' : imported[alias]
    if (target === undefined) throw new Error(`${home} uses package ${alias}, which generate-schema.ts does not know`)
    return `${target}.${type.slice(dot + 1)}`
  }
  const typeOf = (type: string, home: string): string => {
    if (type === '[]byte') return 'bytes'
    if (type.startsWith('*')) return `*${typeOf(type.slice(1), home)}`
    if (type.startsWith('[]')) return `[${typeOf(type.slice(2), home)}]`
    if (type.startsWith('map[')) return `{${typeOf(type.slice(type.indexOf(']') + 1), home)}}`
    const scalar = scalars[type]
    if (scalar !== undefined) return scalar
    const name = full(type, home)
    const known = special[name]
    if (known !== undefined) return known
    const definition = definitions.get(name)
    if (definition === undefined) throw new Error(`${home} uses ${name}, which is in none of the files read`)
    if ('alias' in definition) return typeOf(definition.alias, name.slice(0, name.indexOf('.')))
    visit(name)
    return name
  }
  const fieldsOf = (name: string): Record<string, string> => {
    const home = name.slice(0, name.indexOf('.'))
    const definition = definitions.get(name)
    if (definition === undefined || !('struct' in definition)) throw new Error(`${name} is no struct`)
    const fields: Record<string, string> = {}
    for (const field of definition.struct) {
      if (field.inline) {
        const inner = full(field.type, home)
        if (inner !== 'meta/v1.TypeMeta') Object.assign(fields, fieldsOf(inner))
        continue
      }
      fields[field.name] = [typeOf(field.type, home), field.keepEmpty ? '!' : '', field.merge].filter((part) => part !== '').join(' ')
    }
    return fields
  }
  const visit = (name: string): void => {
    if (Object.hasOwn(schema, name)) return
    schema[name] = {}
    schema[name] = fieldsOf(name)
  }
  for (const name of roots) visit(name)
  const sorted = Object.fromEntries(Object.entries(schema).sort(([left], [right]) => (left < right ? -1 : 1)))
  const target = join(import.meta.dirname, '../sandbox/kubernetes/schema.json')
  await writeFile(target, `${JSON.stringify(sorted, null, 1)}\n`)
  console.log(`${Object.keys(sorted).length} structures written to ${target}`)
}

const [tree] = process.argv.slice(2)
if (tree === undefined) throw new Error('say where the source tree is: node infra/kube/generate-schema.ts <source tree>')
await main(tree)
