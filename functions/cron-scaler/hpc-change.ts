import * as z from 'zod/mini'

/** What a change of an HPC object is about: labels and annotations by their names, where null is none, and the whole spec. */
const Shape = z.strictObject({
  labels: z.record(z.string(), z.nullable(z.string())),
  annotations: z.record(z.string(), z.nullable(z.string())),
  spec: z.unknown(),
})

export type HpcShape = z.infer<typeof Shape>

const Name = z.string().check(z.minLength(1), z.maxLength(253))

/** What `longshore hpc` brings about: one object as it should be, from what it was. Null is no object. */
export const HpcChange = z.strictObject({
  cluster: Name,
  hpc: z.strictObject({ group: Name, version: Name, resource: Name, kind: Name, namespace: Name, name: Name }),
  /** Of the object that was looked at; another one of the same name is left alone. Absent where there was none. */
  uid: z.optional(z.string()),
  from: z.nullable(Shape),
  to: z.nullable(Shape),
})

export type HpcChange = z.infer<typeof HpcChange>
