import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compileConfig, readPackagedConfig } from '#infra/build/compile-config.ts'
import { localFunctions, settingsSchemas } from '#infra/local/local-functions.ts'
import { readConfig } from '#infra/local/platform.ts'
import { ConfigError, loadConfig } from '#shared/runtime/config.ts'

const now = Date.parse('2026-11-24T08:00:00Z')

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-calendars-'))
  await mkdir(join(folder, 'calendars'))
  await writeFile(
    join(folder, 'calendars/cn.ics'),
    'BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261001\r\nDTEND;VALUE=DATE:20261008\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n',
  )
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

const text = (calendar: string): string => `platform: { region: ap-guangzhou }
clusters: [{ id: cls-1 }]
functions:
  cron-scaler:
    calendars:
      cn: ${calendar}
    rules:
      - name: day
        cluster: cls-1
        target: { kind: Deployment, name: web }
        schedule: '0 0 8 * * *'
        targetSize: 3
        excludeDates: ['@calendar/cn']
`

const inlined = { calendars: { cn: { holidays: ['2026-10-01..2026-10-07'], workdays: [] } } }

describe('a calendar in a file', () => {
  test('is taken into a configuration that is loaded here, by a path relative to it', async () => {
    await writeFile(join(folder, 'longshore.yaml'), text('{ file: calendars/cn.ics }'))
    const config = await readConfig({ env: {}, path: join(folder, 'longshore.yaml'), folder: tmpdir() })
    expect(config.functions['cron-scaler']).toMatchObject(inlined)
    expect(JSON.stringify(config.functions)).not.toContain('cn.ics')
  })

  test('is packaged with the configuration, and the running function needs no file', async () => {
    await writeFile(join(folder, 'longshore.yaml'), text('{ file: calendars/cn.ics }'))
    const packaged = await readPackagedConfig(folder, localFunctions, now)
    if (packaged === undefined) throw new Error('there is a file')
    const dist = join(folder, 'dist')
    await mkdir(dist)
    await compileConfig(packaged, 'cron-scaler', dist)
    expect(JSON.parse(await readFile(join(dist, 'longshore.json'), 'utf8'))).toMatchObject({ functions: { 'cron-scaler': inlined } })
    await rm(join(folder, 'calendars'), { recursive: true })
    const config = await loadConfig({ env: {}, beside: join(dist, 'longshore.json'), folder: dist, schemas: settingsSchemas })
    expect(config.functions['cron-scaler']).toMatchObject(inlined)
  })

  test.each([
    [
      '{ file: calendars/gone.ics }',
      /functions\.cron-scaler\.calendars\.cn\.file: .*gone\.ics cannot be read \(ENOENT\); paths are relative to the configuration/,
    ],
    ['{ file: calendars, format: ics }', /calendars\.cn\.file: .* cannot be read \(EISDIR\)/],
    ['{ file: longshore.yaml }', /calendars\.cn\.file: longshore\.yaml: line 1: the key "platform" is unknown/],
  ])('%s is refused when it is loaded and when it is packaged', async (calendar, why) => {
    await writeFile(join(folder, 'longshore.yaml'), text(calendar))
    const path = join(folder, 'longshore.yaml')
    await expect(readConfig({ env: {}, path, folder })).rejects.toThrow(why)
    await expect(readConfig({ env: {}, path, folder })).rejects.toBeInstanceOf(ConfigError)
    await expect(readPackagedConfig(folder, localFunctions, now)).rejects.toThrow(why)
  })

  test('of more than 1 MiB is refused unread', async () => {
    await writeFile(join(folder, 'calendars/cn.ics'), 'x'.repeat(1024 * 1024 + 1))
    await writeFile(join(folder, 'longshore.yaml'), text('{ file: calendars/cn.ics }'))
    await expect(readConfig({ env: {}, path: join(folder, 'longshore.yaml'), folder })).rejects.toThrow(
      /has 1048577 bytes; a calendar has at most 1048576/,
    )
  })
})
