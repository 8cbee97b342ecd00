import { fork } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import { Settings } from '#functions/license-meter/event.ts'
import { sumsOf } from '#shared/licence/metric.ts'
import { openStore } from '#shared/runtime/kernel.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { writeRecord } from './licence-record.ts'
import { goal, type Measured, type Section } from './section.ts'

export interface LicenceRow {
  readonly command: string
  /** In the record. */
  readonly samples: number
  readonly products: number
  /** From the start of the process to its end. */
  readonly seconds: number
  /** Of the processors: what it takes when nobody else works on the machine. */
  readonly cpuSeconds: number
  /** The most memory that its process ever had. */
  readonly peakMib: number
}

const Told = z.object({ seconds: z.number(), cpuSeconds: z.number(), peakMib: z.number() })

const region = 'ap-guangzhou'

/** That a report does not take longer, nor more memory, for the years that lie behind it. */
export const licence: Section = {
  name: 'licence',
  title: 'The command line on the licence record of a region, every hour measured, in processes of their own, on a store in a file:',
  measure: async ({ quick }) => {
    const years = quick ? 2 : 10
    const { rows } = await measureLicence({ years, products: 50, rounds: quick ? 1 : 3, commands })
    const yearly = rows.filter(({ command }) => yearlyCommands.includes(command))
    return {
      rows,
      goals: [
        goal(`a report of a year, of ${years} years of 50 products`, Math.max(...yearly.map(({ seconds }) => seconds)), { most: 2 }, 's'),
        goal('its memory', Math.max(...yearly.map(({ peakMib }) => peakMib)), { most: 300 }, 'MiB'),
      ],
    }
  },
}

const lastYear = String(new Date().getUTCFullYear() - 1)
const yearlyCommands = [`report --year ${lastYear}`, `report --year ${lastYear} --html year.html`]

const commands = [
  ...yearlyCommands,
  `report --month ${lastYear}-10 --html month.html`,
  // Another zone than that of the rollups: from the samples.
  `report --year ${lastYear} --config utc.yaml`,
  'headroom --config unlimited.yaml',
  `export --month ${lastYear}-10 --csv month.csv`,
  `snapshot --year ${lastYear} --out year.snapshot --key file:key.pem`,
  'verify year.snapshot --key public.pem',
  'verify',
]

/** Runs commands on a record of so many years; of several rounds the quickest counts, and the most memory. */
export async function measureLicence({
  years,
  products,
  rounds,
  commands: lines,
}: {
  readonly years: number
  readonly products: number
  readonly rounds: number
  readonly commands: readonly string[]
}): Promise<Measured<LicenceRow>> {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-bench-'))
  try {
    const samples = await prepare(folder, { days: Math.floor(years * 365.25), products, nowMs: Date.now() })
    const rows: LicenceRow[] = []
    for (const command of lines) {
      const runs: z.infer<typeof Told>[] = []
      for (let round = 0; round < rounds; round += 1) runs.push(await run(folder, command.split(' ')))
      const least = (of: (one: z.infer<typeof Told>) => number): number => Math.round(Math.min(...runs.map(of)) * 100) / 100
      const peakMib = Math.round(Math.max(...runs.map((one) => one.peakMib)))
      rows.push({
        command,
        samples,
        products,
        seconds: least(({ seconds }) => seconds),
        cpuSeconds: least(({ cpuSeconds }) => cpuSeconds),
        peakMib,
      })
    }
    return { rows }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function prepare(
  folder: string,
  size: { readonly days: number; readonly products: number; readonly nowMs: number },
): Promise<number> {
  const configOf = (settings: object): string =>
    JSON.stringify({
      platform: { region },
      store: { kind: 'sqlite', path: 'state.db' },
      functions: { 'license-meter': { passMeans: 'over', ...settings } },
    })
  const entitlements = [{ product: 'product-*', cores: 10_000 }]
  await writeFile(join(folder, 'longshore.yaml'), configOf({ entitlements }))
  await writeFile(join(folder, 'utc.yaml'), configOf({ entitlements, timeZone: 'UTC' }))
  await writeFile(join(folder, 'unlimited.yaml'), configOf({ entitlements: [{ product: 'product-*', cores: 'unlimited' }] }))
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  await writeFile(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await writeFile(join(folder, 'public.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
  const settings = z.parse(Settings, { entitlements })
  const store = await openStore({ kind: 'sqlite', path: join(folder, 'state.db') }, { clock: systemClock, random: Math.random })
  try {
    const memory = createMemory(store, { function: 'license-meter', now: () => size.nowMs })
    return await writeRecord(memory, { region, ...size, rules: { zone: settings.timeZone, sums: sumsOf(settings.entitlements, region) } })
  } finally {
    await store.close()
  }
}

/** As Node runs the command line, with the types still in it. */
async function run(folder: string, words: readonly string[]): Promise<z.infer<typeof Told>> {
  const path = fileURLToPath(new URL('run-licence.ts', import.meta.url))
  return await new Promise((resolve, reject) => {
    const child = fork(path, [folder, ...words], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    let told: unknown
    child.once('message', (message) => {
      told = message
    })
    child.once('error', reject)
    child.once('exit', (code) => {
      const parsed = z.safeParse(Told, told)
      if (parsed.success && code === 0) resolve(parsed.data)
      else reject(new Error(`longshore license ${words.join(' ')} ended with code ${code}.`))
    })
  })
}
