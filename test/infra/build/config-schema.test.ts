import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { configJsonSchema } from '#infra/build/config-schema.ts'
import { settingsSchemas } from '#infra/local/local-functions.ts'

const published = await readFile(join(import.meta.dirname, '../../../longshore.schema.json'), 'utf8')

describe('22: the published JSON Schema', () => {
  it('is what the schemas say now', () => {
    expect(published).toBe(configJsonSchema())
  })

  it('allows no unknown key wherever keys are fixed, and explains the first level', () => {
    const objects: Record<string, unknown>[] = []
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      const record = value as Record<string, unknown>
      if (record.type === 'object' && record.properties !== undefined) objects.push(record)
      for (const inner of Object.values(record)) walk(inner)
    }
    walk(JSON.parse(published))
    expect(objects.length).toBeGreaterThan(5)
    expect(objects.filter(({ additionalProperties }) => additionalProperties !== false)).toEqual([])
  })

  it('has the settings of every function', () => {
    const { properties } = JSON.parse(published) as { properties: { functions: { properties: Record<string, unknown> } } }
    expect(Object.keys(properties.functions.properties).sort()).toEqual(Object.keys(settingsSchemas).sort())
  })
})
