/** What the cluster autoscaler last said of itself. */
export interface AutoscalerStatus {
  /** Epoch milliseconds; absent where it says none that can be read. */
  readonly lastSeenMs?: number | undefined
  readonly groups: readonly AutoscaledGroup[]
}

export interface AutoscaledGroup {
  readonly name: string
  readonly min: number
  readonly max: number
  /** How many machines the group wants now. */
  readonly wanted?: number | undefined
}

const updatedAnnotation = 'cluster-autoscaler.kubernetes.io/last-updated'

/**
 * Reads the status that the cluster autoscaler writes into its ConfigMap, in the old form for people and in the newer one in YAML.
 * Groups without bounds are left out: they say nothing that could be compared.
 */
export function parseAutoscalerStatus(text: string, annotations: Readonly<Record<string, string>>): AutoscalerStatus {
  const groups: AutoscaledGroup[] = []
  // A group begins with its name; the cluster as a whole, which comes first, has none.
  for (const part of text.split(/^\s*(?:-\s*)?name:\s*/im).slice(1)) {
    const name = /^"?([^\s"]+)/.exec(part)?.[1]
    const min = numberIn(part, 'minSize')
    const max = numberIn(part, 'maxSize')
    if (name === undefined || min === undefined || max === undefined) continue
    const wanted = numberIn(part, 'cloudProviderTarget')
    groups.push({ name, min, max, ...(wanted === undefined ? {} : { wanted }) })
  }
  const lastSeenMs = timeOf(
    annotations[updatedAnnotation] ?? /^(?:time:|Cluster-autoscaler status at)\s*"?([^"\n]+)/m.exec(text)?.[1] ?? '',
  )
  return { groups, ...(lastSeenMs === undefined ? {} : { lastSeenMs }) }
}

function numberIn(text: string, name: string): number | undefined {
  const digits = new RegExp(`\\b${name}\\s*[=:]\\s*(\\d{1,9})\\b`).exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** `2026-11-24T10:00:00Z`, or as Go prints it: `2026-11-24 10:00:00.123456789 +0000 UTC`. */
function timeOf(text: string): number | undefined {
  const parts = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,3})?\d*\s*(?:Z|([+-]\d\d):?(\d\d))/.exec(text.trim())
  if (parts === null) return undefined
  const [, date, time, fraction = '', hours = '+00', minutes = '00'] = parts
  const ms = Date.parse(`${date}T${time}${fraction}${hours}:${minutes}`)
  return Number.isNaN(ms) ? undefined : ms
}
