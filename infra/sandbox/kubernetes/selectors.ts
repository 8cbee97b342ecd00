import type { LabelSelector, SelectorRequirement, StringMap } from './shapes.ts'

/** A selector that cannot be parsed; the message is the API's. */
export class SelectorFault extends Error {
  override readonly name = 'SelectorFault'
}

type Operator = 'in' | 'notin' | 'exists' | 'absent' | 'greater' | 'less'

interface Requirement {
  readonly key: string
  readonly operator: Operator
  readonly values: readonly string[]
}

/** Whether labels fit. */
export type LabelMatcher = (labels: StringMap | undefined) => boolean

const matchers = new WeakMap<LabelSelector, LabelMatcher>()

/**
 * Makes a matcher of the selector an object carries. No selector matches nothing, an empty one everything. Throws
 * SelectorFault on an operator that does not exist or values that do not fit it.
 */
export function matcherOf(selector: LabelSelector | null | undefined): LabelMatcher {
  if (selector === null || selector === undefined) return () => false
  const known = matchers.get(selector)
  if (known !== undefined) return known
  const requirements = [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]): Requirement => ({ key, operator: 'in', values: [value] })),
    ...(selector.matchExpressions ?? []).map(requirementOf),
  ]
  const matcher: LabelMatcher = (labels) => requirements.every((requirement) => fits(requirement, labels ?? {}))
  matchers.set(selector, matcher)
  return matcher
}

function requirementOf({ key, operator, values = [] }: SelectorRequirement): Requirement {
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) throw new SelectorFault(`for 'in', 'notin' operators, values set can't be empty`)
      return { key, operator: operator === 'In' ? 'in' : 'notin', values }
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) throw new SelectorFault('values set must be empty for exists and does not exist')
      return { key, operator: operator === 'Exists' ? 'exists' : 'absent', values }
    default:
      throw new SelectorFault(`"${operator}" is not a valid pod selector operator`)
  }
}

function fits({ key, operator, values }: Requirement, labels: StringMap): boolean {
  const present = Object.hasOwn(labels, key)
  const value = present ? (labels[key] ?? '') : ''
  switch (operator) {
    case 'in':
      return present && values.includes(value)
    case 'notin':
      return !present || !values.includes(value)
    case 'exists':
      return present
    case 'absent':
      return !present
    case 'greater':
    case 'less': {
      if (!present || !/^[+-]?\d+$/.test(value)) return false
      const bound = Number.parseInt(values[0] ?? '', 10)
      const number = Number.parseInt(value, 10)
      return operator === 'greater' ? number > bound : number < bound
    }
  }
}

/** Parses the text form of a label selector (`app=web,tier in (a,b),!old`). Throws SelectorFault. */
export function parseLabelSelector(text: string): LabelMatcher {
  const requirements = new SelectorParser(text).parse()
  return (labels) => requirements.every((requirement) => fits(requirement, labels ?? {}))
}

const special = '(),=!<>'

class SelectorParser {
  private readonly tokens: { readonly text: string; readonly word: boolean }[] = []
  private position = 0

  constructor(text: string) {
    let index = 0
    while (index < text.length) {
      const character = text.charAt(index)
      if (' \t\r\n'.includes(character)) {
        index += 1
      } else if (special.includes(character)) {
        const two = text.slice(index, index + 2)
        const symbol = two === '==' || two === '!=' ? two : character
        this.tokens.push({ text: symbol, word: false })
        index += symbol.length
      } else {
        let end = index
        while (end < text.length && !special.includes(text.charAt(end)) && !' \t\r\n'.includes(text.charAt(end))) end += 1
        this.tokens.push({ text: text.slice(index, end), word: true })
        index = end
      }
    }
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = []
    if (this.tokens.length === 0) return requirements
    for (;;) {
      const first = this.peek()
      if (first === undefined || !(first.word || first.text === '!')) {
        throw new SelectorFault(`found '${first?.text ?? ''}', expected: !, identifier, or 'end of string'`)
      }
      requirements.push(this.wrapped())
      const separator = this.take()
      if (separator === undefined) return requirements
      if (separator.text !== ',' || separator.word) throw new SelectorFault(`found '${separator.text}', expected: ',' or 'end of string'`)
      const following = this.peek()
      if (following === undefined || !(following.word || following.text === '!')) {
        throw new SelectorFault(`found '${following?.text ?? ''}', expected: identifier after ','`)
      }
    }
  }

  private wrapped(): Requirement {
    try {
      return this.requirement()
    } catch (error) {
      if (error instanceof SelectorFault) throw new SelectorFault(`unable to parse requirement: ${error.message}`)
      throw error
    }
  }

  private peek(): { readonly text: string; readonly word: boolean } | undefined {
    return this.tokens[this.position]
  }

  private take(): { readonly text: string; readonly word: boolean } | undefined {
    const token = this.tokens[this.position]
    this.position += 1
    return token
  }

  private requirement(): Requirement {
    let negated = false
    if (this.peek()?.text === '!' && this.peek()?.word === false) {
      negated = true
      this.position += 1
    }
    const key = this.take()
    if (key === undefined || !key.word) throw new SelectorFault(`found '${key?.text ?? ''}', expected: !, identifier, or 'end of string'`)
    const problem = labelKeyProblem(key.text)
    if (problem !== undefined) throw new SelectorFault(`invalid label key ${JSON.stringify(key.text)}: ${problem}`)
    const next = this.peek()
    if (negated || next === undefined || (next.text === ',' && !next.word)) {
      return { key: key.text, operator: negated ? 'absent' : 'exists', values: [] }
    }
    const operator = this.take()
    switch (operator?.text) {
      case 'in':
      case 'notin':
        return { key: key.text, operator: operator.text, values: this.values() }
      case '=':
      case '==':
        return { key: key.text, operator: 'in', values: [this.exactValue()] }
      case '!=':
        return { key: key.text, operator: 'notin', values: [this.exactValue()] }
      case '>':
      case '<': {
        const value = this.exactValue()
        if (!/^[+-]?\d+$/.test(value)) throw new SelectorFault("for 'Gt', 'Lt' operators, the value must be an integer")
        return { key: key.text, operator: operator.text === '>' ? 'greater' : 'less', values: [value] }
      }
      default:
        throw new SelectorFault(`found '${operator?.text ?? ''}', expected: '=', '!=', '==', 'in', notin'`)
    }
  }

  private exactValue(): string {
    const next = this.peek()
    if (next === undefined || (!next.word && next.text === ',')) return ''
    this.position += 1
    if (!next.word) throw new SelectorFault(`found '${next.text}', expected: identifier`)
    return checkedValue(next.text)
  }

  private values(): string[] {
    const open = this.take()
    if (open?.text !== '(') throw new SelectorFault(`found '${open?.text ?? ''}' expected: '('`)
    const values: string[] = []
    let wanted = true
    for (;;) {
      const token = this.take()
      if (token === undefined) throw new SelectorFault(`found '', expected: ',' or ')'`)
      if (token.word) {
        values.push(checkedValue(token.text))
        wanted = false
      } else if (token.text === ',') {
        if (wanted) values.push('')
        wanted = true
      } else if (token.text === ')') {
        if (wanted) values.push('')
        return [...new Set(values)].sort()
      } else {
        throw new SelectorFault(`found '${token.text}', expected: ',', or ')'`)
      }
    }
  }
}

function checkedValue(value: string): string {
  const problem = labelValueProblem(value)
  if (problem !== undefined) throw new SelectorFault(`invalid label value: ${JSON.stringify(value)}: at key: "": ${problem}`)
  return value
}

const namePart = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)$/
const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/

const qualifiedNameText =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const labelValueText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
export const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

/** What is wrong with the key of a label or an annotation; undefined when nothing is. */
export function labelKeyProblem(key: string): string | undefined {
  const parts = key.split('/')
  const name = parts.length === 2 ? parts[1] : parts[0]
  if (parts.length > 2) {
    return `a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`
  }
  const prefix = parts.length === 2 ? parts[0] : undefined
  if (prefix === '') return 'prefix part must be non-empty'
  if (prefix !== undefined && (prefix.length > 253 || !subdomain.test(prefix))) return `prefix part ${subdomainText}`
  if (name === undefined || name === '') return 'name part must be non-empty'
  if (name.length > 63) return 'name part must be no more than 63 characters'
  return namePart.test(name) ? undefined : qualifiedNameText
}

/** What is wrong with the value of a label; undefined when nothing is. */
export function labelValueProblem(value: string): string | undefined {
  if (value.length > 63) return 'must be no more than 63 characters'
  return value === '' || namePart.test(value) ? undefined : labelValueText
}

export interface FieldRequirement {
  readonly field: string
  readonly value: string
  readonly equal: boolean
}

/** Parses the text form of a field selector (`metadata.name=web,status.phase!=Running`). Throws SelectorFault. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitTerms(text)
    .filter((term) => term !== '')
    .map((term) => {
      const parts = /^(.*?)(!=|==|=)(.*)$/s.exec(term)
      if (parts === null) throw new SelectorFault(`invalid selector: '${text}'; can't understand '${term}'`)
      const [, field = '', operator = '', value = ''] = parts
      return { field, equal: operator !== '!=', value: value.replaceAll(/\\([\\,=])/g, '$1') }
    })
}

function splitTerms(text: string): string[] {
  const terms: string[] = []
  let term = ''
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index)
    if (character === '\\' && index + 1 < text.length) {
      term += character + text.charAt(index + 1)
      index += 1
    } else if (character === ',') {
      terms.push(term)
      term = ''
    } else {
      term += character
    }
  }
  return [...terms, term]
}
