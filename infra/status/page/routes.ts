/** The views in the order of the navigation; each is the first part of its address after `#/`. */
export const viewNames = [
  'overview',
  'decisions',
  'timeline',
  'registry',
  'licence',
  'leases',
  'approvals',
  'dead-letters',
  'journal',
] as const

export type ViewName = (typeof viewNames)[number]

/** What an address shows. `view` is undefined where there is no such view. */
export interface Route {
  readonly view: ViewName | undefined
  readonly query: Readonly<Record<string, string>>
}

/** Reads the part of an address after `#`. None, or only a slash, is the overview; of a parameter given twice the last one counts. */
export function routeOf(hash: string): Route {
  const [path = '', query = ''] = splitOnce(hash.replace(/^#/, ''), '?')
  const name = path.replace(/^\//, '')
  const view = name === '' ? 'overview' : viewNames.find((one) => one === name)
  return { view, query: Object.fromEntries(new URLSearchParams(query)) }
}

/** The address of a view, as a link has it. What is undefined or empty is left out. */
export function hashOf(view: ViewName, query: Readonly<Record<string, string | undefined>> = {}): string {
  return `#/${view}${queryText(query)}`
}

/** `?name=value&…`, or nothing when there is nothing to ask. */
export function queryText(query: Readonly<Record<string, string | undefined>>): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') parameters.set(name, value)
  return parameters.size === 0 ? '' : `?${parameters}`
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)]
}
