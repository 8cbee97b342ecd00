import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it } from 'vitest'
import { openApiDocument, openApiText } from '#infra/status/openapi.ts'

describe('infra/status/openapi.json', () => {
  it('is what the schemas say: else run `npm run schema`', async () => {
    expect(await readFile(join(import.meta.dirname, '../../../infra/status/openapi.json'), 'utf8')).toBe(openApiText())
  })

  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(JSON.parse(openApiText()))
    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
    const broken = JSON.parse(openApiText())
    delete broken.paths['/api/platform'].get.responses
    broken.paths['/api/platform'].get.parameters = 'none'
    expect((await new Validator().validate(broken)).valid).toBe(false)
  })

  it('describes parameters as they are read, and who may give orders', () => {
    expect(openApiDocument()).toMatchObject({
      paths: {
        '/api/decisions': {
          get: {
            parameters: expect.arrayContaining([
              expect.objectContaining({
                name: 'limit',
                in: 'query',
                required: false,
                schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
              }),
              expect.objectContaining({ name: 'outcome', style: 'form', explode: true }),
            ]),
            security: [],
          },
        },
        '/api/journal': { get: { parameters: expect.arrayContaining([expect.objectContaining({ name: 'function', required: true })]) } },
        '/api/switch': { post: { operationId: 'switch', security: [{ token: [] }] } },
        '/api/dead-letters/order': { post: { operationId: 'deadLettersOrder' } },
      },
    })
  })
})
