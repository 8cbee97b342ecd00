/** An amount of what a scheduler counts. */
export interface Amounts {
  readonly cpuMilli: number
  readonly memoryBytes: number
}

/** One requirement on labels, as selectors and affinities write it. */
export interface LabelRequirement {
  readonly key: string
  readonly operator: string
  readonly values: readonly string[]
}

export interface Toleration {
  readonly key: string
  readonly operator: string
  readonly value: string
  readonly effect: string
}

export interface Taint {
  readonly key: string
  readonly value: string
  readonly effect: string
}

/** What a pod asks for, and where it may go: the same for all pods of one template. */
export interface PodShape {
  readonly requests: Amounts
  readonly nodeSelector: Readonly<Record<string, string>>
  /** Any of the terms has to fit; absent when there are none. */
  readonly terms?: readonly (readonly LabelRequirement[])[] | undefined
  readonly tolerations: readonly Toleration[]
  /** No two of its kind on one node. */
  readonly isApart: boolean
}

/** What a node shows of itself to a scheduler. */
export interface Place {
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly Taint[]
}

/** Whether a node like this takes pods like these, as far as labels, required affinity and taints go. */
export function admits({ labels, taints }: Place, { nodeSelector, terms, tolerations }: PodShape): boolean {
  return (
    Object.entries(nodeSelector).every(([key, value]) => labels[key] === value) &&
    (terms === undefined || terms.some((term) => term.length > 0 && term.every((one) => meets(one, labels)))) &&
    taints.every((taint) => taint.effect === 'PreferNoSchedule' || tolerations.some((one) => tolerates(one, taint)))
  )
}

/** Whether labels meet a requirement. An operator that nobody knows is never met. */
export function meets({ key, operator, values }: LabelRequirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key]
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0])
    default:
      return false
  }
}

function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if (effect !== '' && effect !== taint.effect) return false
  if (key === '') return operator === 'Exists'
  return key === taint.key && (operator === 'Exists' || value === taint.value)
}
