import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import * as z from 'zod/mini'

/** One statement of a role on AWS. References of the template (`Fn::GetAtt`, `Fn::Sub`) stay as they are written. */
const AwsStatement = z.strictObject({
  Effect: z.literal('Allow'),
  Action: z.union([z.string(), z.array(z.string())]),
  Resource: z.unknown(),
})

const Role = z.object({
  Type: z.literal('AWS::IAM::Role'),
  Properties: z.object({ Policies: z.array(z.object({ PolicyDocument: z.object({ Statement: z.array(AwsStatement) }) })) }),
})

export interface AwsGrant {
  readonly action: readonly string[]
  readonly resource: unknown
}

/**
 * What the role of a function may do on AWS, from the same fragment that is deployed (`infra/resources/<name>.yml`). Throws when the
 * fragment has no such role, or one that allows something in another form.
 */
export async function awsGrants(root: string, name: string, role: string): Promise<readonly AwsGrant[]> {
  const path = `infra/resources/${name}.yml`
  const { Resources = {} } = z
    .object({ Resources: z.optional(z.record(z.string(), z.unknown())) })
    .parse(parse(await readFile(join(root, path), 'utf8')))
  const parsed = z.safeParse(Role, Resources[role])
  if (!parsed.success) throw new Error(`${path} has no role ${role} with inline policies that allow actions: ${parsed.error.message}`)
  return parsed.data.Properties.Policies.flatMap(({ PolicyDocument }) =>
    PolicyDocument.Statement.map(({ Action, Resource }) => ({
      action: typeof Action === 'string' ? [Action] : Action,
      resource: Resource,
    })),
  )
}
