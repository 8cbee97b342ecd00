import type { InputField, InputShape } from '#cloud/action.ts'
import type { Result } from '#shared/pure/result.ts'

/**
 * The parameters of a query or of a form, decoded, in order. A name that occurs twice, and a percent sign that starts no
 * UTF-8 sequence, is an error: what was signed would be ambiguous.
 */
export function parseForm(text: string): Result<ReadonlyMap<string, string>, string> {
  const params = new Map<string, string>()
  for (const pair of text.split('&')) {
    if (pair === '') {
      continue
    }
    const equalsAt = pair.indexOf('=')
    const name = decode(equalsAt === -1 ? pair : pair.slice(0, equalsAt))
    const value = decode(equalsAt === -1 ? '' : pair.slice(equalsAt + 1))
    if (name === undefined || value === undefined) {
      return { ok: false, error: `The parameter "${pair.slice(0, 80)}" is not percent-encoded UTF-8.` }
    }
    if (params.has(name)) {
      return { ok: false, error: `The parameter "${name}" occurs twice.` }
    }
    params.set(name, value)
  }
  return { ok: true, value: params }
}

function decode(text: string): string | undefined {
  if (!text.includes('%') && !text.includes('+')) {
    return text
  }
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (error) {
    if (error instanceof URIError) {
      return undefined
    }
    throw error
  }
}

interface Branch {
  text?: string
  readonly children: Map<string, Branch>
}

/**
 * Flat parameters back to what they stand for: `Filters.0.Name=x` to `{ Filters: [{ Name: 'x' }] }`, with the texts
 * turned into the types that the shape gives them. What the shape does not know stays as it came, for `checkRequest` to
 * refuse by name. An index that leaves a gap is an error, so is a value beside an index (`A=1&A.0=2`).
 */
export function nestFormParams(params: Iterable<readonly [string, string]>, shape: InputShape): Result<Record<string, unknown>, string> {
  const root: Branch = { children: new Map() }
  for (const [name, value] of params) {
    let branch = root
    for (const step of name.split('.')) {
      const next = branch.children.get(step) ?? { children: new Map() }
      branch.children.set(step, next)
      branch = next
    }
    branch.text = value
  }
  return growObject(root, shape, '')
}

function growObject(branch: Branch, shape: InputShape, path: string): Result<Record<string, unknown>, string> {
  const grown: [string, unknown][] = []
  for (const [name, child] of branch.children) {
    const value = grow(child, Object.hasOwn(shape, name) ? shape[name] : undefined, path === '' ? name : `${path}.${name}`)
    if (!value.ok) {
      return value
    }
    grown.push([name, value.value])
  }
  return { ok: true, value: Object.fromEntries(grown) }
}

function grow(branch: Branch, field: InputField | undefined, path: string): Result<unknown, string> {
  if (branch.text !== undefined && branch.children.size > 0) {
    return { ok: false, error: `The parameter "${path}" is both a value and a structure.` }
  }
  if (field === undefined) {
    return { ok: true, value: branch.text ?? {} }
  }
  if (field.list === true) {
    if (branch.text !== undefined) {
      return { ok: true, value: branch.text }
    }
    const { list: _, ...element } = field
    const rows: unknown[] = []
    for (let index = 0; index < branch.children.size; index++) {
      const child = branch.children.get(String(index))
      if (child === undefined) {
        return {
          ok: false,
          error: `The parameter "${path}" is a list; its indices have to run from 0 without a gap, and ${index} is missing.`,
        }
      }
      const row = grow(child, element, `${path}.${index}`)
      if (!row.ok) {
        return row
      }
      rows.push(row.value)
    }
    return { ok: true, value: rows }
  }
  if (field.type === 'object') {
    return branch.text === undefined ? growObject(branch, field.fields ?? {}, path) : { ok: true, value: branch.text }
  }
  return { ok: true, value: branch.text === undefined ? {} : typed(branch.text, field.type) }
}

/** The text as the type it should have; a text that is not of that type stays a text, and the check names it. */
function typed(text: string, type: InputField['type']): unknown {
  switch (type) {
    case 'int':
    case 'uint':
      return /^-?\d+$/.test(text) ? wireInteger(text) : text
    case 'float':
      return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text
    case 'bool':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'string':
    case 'object':
      return text
  }
}

/** An integer of the wire: a number where that is exact, else a bigint. */
export function wireInteger(digits: string): number | bigint {
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : BigInt(digits)
}
