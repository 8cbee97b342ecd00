/** A CloudFormation template, as far as it is looked at. */
export interface Template {
  readonly Resources: Readonly<Record<string, TemplateResource>>
}

export interface TemplateResource {
  readonly Type: string
  readonly Properties?: unknown
}

/** How osls writes a function's name in logical ids. */
export function logicalName(name: string): string {
  const text = name.replaceAll('-', 'Dash')
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}

/** How infra/resources writes it. */
export function pascalName(name: string): string {
  return name.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** Whether something in the template is called after a function. */
export function isCalledAfter(name: string, id: string): boolean {
  return id.startsWith(logicalName(name)) || id.startsWith(pascalName(name))
}

/** The logical id that `Fn::GetAtt: [id, Arn]` or `Ref: id` points to. */
export function targetOf(value: unknown): string | undefined {
  const attribute = at(value, 'Fn::GetAtt')
  if (Array.isArray(attribute) && typeof attribute[0] === 'string') return attribute[0]
  const reference = at(value, 'Ref')
  return typeof reference === 'string' ? reference : undefined
}

/** A value that stands alone, or in a list. */
export function listOf(value: unknown): unknown[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

export function at(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
