import * as z from 'zod/mini'
import { OrderResult, Problem } from './api-schemas.ts'
import { orderRoutes } from './order-routes.ts'
import { listParameters, viewRoutes } from './view-routes.ts'

const problem = { $ref: '#/components/responses/Problem' }

/** `/api/…` as OpenAPI 3.1 describes it, made from the schemas that answers are typed by. Plain JSON. */
export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Longshore status',
      version: '1',
      summary: 'What the functions of one process do, as the status page shows it.',
      description:
        'Served by `npm start` on loopback. Everything can be read without a token; orders are taken only where one is configured. What is absent is not known, never zero.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://127.0.0.1:8780' }],
    tags: [{ name: 'views' }, { name: 'orders' }],
    paths: Object.fromEntries([
      ...viewRoutes.map((route) => [
        route.path,
        {
          get: {
            operationId: operationOf(route.path),
            tags: ['views'],
            summary: route.summary,
            parameters: parametersOf(route.query),
            security: [],
            responses: {
              200: { description: 'As it is now.', content: jsonOf(schemaOf(route.answer, 'output')) },
              400: problem,
              403: problem,
              503: problem,
            },
          },
        },
      ]),
      ...orderRoutes.map((route) => [
        route.path,
        {
          post: {
            operationId: operationOf(route.path),
            tags: ['orders'],
            summary: route.summary,
            security: [{ token: [] }],
            requestBody: { required: true, content: jsonOf(schemaOf(route.body, 'input')) },
            responses: {
              200: { description: 'What it came to; `done` says whether it was done.', content: jsonOf(schemaOf(OrderResult, 'output')) },
              400: problem,
              401: problem,
              403: problem,
              413: problem,
              415: problem,
              503: problem,
            },
          },
        },
      ]),
    ]),
    components: {
      responses: { Problem: { description: 'Why it was not answered or not done.', content: jsonOf(schemaOf(Problem, 'output')) } },
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'The token that `npm start` was given with --token.' } },
    },
  }
}

/** The same as the text of `openapi.json`. */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(), null, 2)}\n`
}

function operationOf(path: string): string {
  return path.slice('/api/'.length).replaceAll(/[-/]([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function jsonOf(schema: object): object {
  return { 'application/json': { schema } }
}

function schemaOf(schema: z.core.$ZodType, io: 'input' | 'output'): Readonly<Record<string, unknown>> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    // The format says it already, in fewer words than the expression that checks it.
    override: ({ jsonSchema }) => {
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern
    },
  })
  return rest
}

/** A query's members, one parameter each. */
function parametersOf(query: z.core.$ZodType): readonly object[] {
  const { properties, required } = schemaOf(query, 'input')
  const needed: readonly unknown[] = Array.isArray(required) ? required : []
  return Object.entries(properties ?? {}).map(([name, schema]: [string, object]) => {
    const { description, ...rest } = { description: undefined, ...schema }
    return {
      name,
      in: 'query',
      required: needed.includes(name),
      ...(description === undefined ? {} : { description }),
      ...(listParameters.has(name) ? { style: 'form', explode: true } : {}),
      schema: rest,
    }
  })
}
