import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { settingsSchemas } from '#infra/local/local-functions.ts'
import { openApiText } from '#infra/status/openapi.ts'
import { configSchema } from '#shared/runtime/config-schema.ts'
import { Notifiers } from '#shared/runtime/notify/notifier-settings.ts'

const fileName = 'longshore.schema.json'

/**
 * The JSON Schema of longshore.yaml, as text: the common part and every function's settings, as a person writes them (before
 * defaults and conversions). An editor that is told of it completes and checks while typing.
 */
export function configJsonSchema(): string {
  const whole = configSchema(settingsSchemas, 'refuse', Notifiers)
  const schema = z.toJSONSchema(whole, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any' })
  const { $schema, ...rest } = schema
  return `${JSON.stringify({ $schema, title: 'Longshore configuration', ...rest }, null, 2)}\n`
}

if (import.meta.main) {
  const files = [
    { name: fileName, text: configJsonSchema() },
    { name: 'infra/status/openapi.json', text: openApiText() },
  ]
  for (const { name, text } of files) {
    const path = join(import.meta.dirname, '../..', name)
    if (process.argv.includes('--check')) {
      if ((await readFile(path, 'utf8')) !== text) throw new Error(`${name} is not what the schemas say; run \`npm run schema\`.`)
    } else {
      await writeFile(path, text)
      console.log(`${name} written`)
    }
  }
}
