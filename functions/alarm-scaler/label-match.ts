import * as z from 'zod/mini'

/** One requirement on labels, as selectors and affinities write it. */
export const LabelRequirement = z.object({ key: z.string(), operator: z.string(), values: z.optional(z.nullable(z.array(z.string()))) })

export type LabelRequirement = z.infer<typeof LabelRequirement>

/** Whether labels meet a requirement. An operator that nobody knows is never met. */
export function meets({ key, operator, values }: LabelRequirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key]
  const list = values ?? []
  const bound = Number(list[0])
  switch (operator) {
    case 'In':
      return value !== undefined && list.includes(value)
    case 'NotIn':
      return value === undefined || !list.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number(value) > bound
    case 'Lt':
      return value !== undefined && Number(value) < bound
    default:
      return false
  }
}

/** Whether labels have all of these. */
export function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value)
}
