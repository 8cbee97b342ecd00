import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** One action of the platform that a bundle can send. */
export interface PlatformAction {
  readonly service: string
  readonly name: string
  readonly effect: string
}

const actionFile = /^shared\/cloud\/generated\/([a-z0-9]+)\/([a-z0-9-]+)\.ts$/

/**
 * The actions that a bundle can send: those whose files are in it. Everything the client sends comes from such a file, so the list
 * is complete; and a file of which nothing is used is not in the bundle, so it is least. Sorted by service and name.
 */
export async function actionsOf(root: string, sources: readonly string[]): Promise<PlatformAction[]> {
  const actions: PlatformAction[] = []
  for (const source of sources) {
    if (!actionFile.test(source)) continue
    const module: unknown = await import(pathToFileURL(join(root, source)).href)
    const found = typeof module === 'object' && module !== null ? Object.values(module).filter(isAction) : []
    if (found.length === 0) throw new Error(`${source} is in a bundle but exports no action; packaging cannot say what it may do.`)
    actions.push(...found.map(({ service, name, effect }) => ({ service, name, effect })))
  }
  return actions.sort((left, right) => (actionText(left) < actionText(right) ? -1 : 1))
}

/** `tke:ForwardRequest`, as permission lists write it. */
export function actionText(action: Pick<PlatformAction, 'service' | 'name'>): string {
  return `${action.service}:${action.name}`
}

function isAction(value: unknown): value is PlatformAction {
  return (
    typeof value === 'object' &&
    value !== null &&
    'service' in value &&
    typeof value.service === 'string' &&
    'name' in value &&
    typeof value.name === 'string' &&
    'effect' in value &&
    typeof value.effect === 'string'
  )
}
