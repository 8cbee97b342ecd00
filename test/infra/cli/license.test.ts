import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { license } from '#infra/cli/license.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import type { Store } from '#shared/safety/store.ts'
import { pemPair } from '../../shared/licence/snapshot-fixture.ts'
import { cellsOf, licenceFolder } from './license-platform.ts'
import { type Ran, runWords } from './run-words.ts'

let folder: string
let store: Store
let memory: MemoryWriter

beforeAll(async () => {
  ;({ folder, store, memory } = await licenceFolder(75))
  const { privatePem, publicPem } = pemPair()
  await writeFile(join(folder, 'licence-key.pem'), privatePem, { mode: 0o600 })
  await writeFile(join(folder, 'licence-public.pem'), publicPem)
}, 30_000)

afterAll(async () => {
  await store?.close()
  if (folder !== undefined) await rm(folder, { recursive: true })
})

const run = async (...words: string[]): Promise<Ran> => await runWords(['license', ...words], { cwd: folder })

/** The words of a line as a shell would split them; the examples quote nothing. */
const examples = license.help
  .split('\n')
  .flatMap((line) => (line.startsWith('Example: longshore ') ? [line.slice('Example: longshore '.length)] : []))

describe('longshore license', () => {
  test.each(examples)('the example of its help works: longshore %s', async (line) => {
    const thisMonth = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 7)
    const words = line.replace('2026-11', thisMonth).split(' ')
    const { code, err } = await runWords(words, { cwd: folder })
    expect([code, err]).toEqual([0, ''])
  })

  test('has an example for each thing that it does', () => {
    for (const verb of ['report', 'headroom', 'export', 'snapshot', 'verify'])
      expect(
        examples.some((line) => line.startsWith(`license ${verb} `)),
        verb,
      ).toBe(true)
  })

  test('verify: one changed byte in the file fails, and the row is named; the other key fails as well', async () => {
    expect((await run('snapshot', '--out', 'one.snapshot', '--key', 'file:licence-key.pem')).code).toBe(0)
    const whole = await readFile(join(folder, 'one.snapshot'), 'utf8')
    const good = await run('verify', 'one.snapshot', '--key', 'licence-public.pem')
    expect([good.code, good.err]).toEqual([0, ''])
    expect(good.out).toContain('is as it was made')
    expect(good.out).toMatch(/ap-guangzhou: [\d,]+ of [\d,]+ hours measured/)
    const row = whole.split('\n').findIndex((line) => line.includes('"UsageValue":"10"')) + 1
    expect(row).toBeGreaterThan(1)
    await writeFile(join(folder, 'changed.snapshot'), whole.replace('"UsageValue":"10"', '"UsageValue":"11"'))
    const bad = await run('verify', 'changed.snapshot', '--key', 'licence-public.pem')
    expect([bad.code, bad.out]).toEqual([1, ''])
    expect(bad.err).toContain(`is NOT as it was made: row ${row}: ap-guangzhou, entry ${row - 1} `)
    await writeFile(join(folder, 'other.pem'), pemPair().publicPem)
    const other = await run('verify', 'one.snapshot', '--key', 'other.pem')
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('ask for the public key that belongs to it')])
  })

  test('verify needs nothing but the file and the public key: no configuration, no store', async () => {
    const elsewhere = join(folder, 'elsewhere')
    await run('snapshot', '--out', 'two.snapshot', '--key', 'file:licence-key.pem')
    await promisify(execFile)('mkdir', [elsewhere])
    for (const name of ['two.snapshot', 'licence-public.pem']) await writeFile(join(elsewhere, name), await readFile(join(folder, name)))
    const { code, err } = await runWords(['license', 'verify', 'two.snapshot', '--key', 'licence-public.pem'], {
      cwd: elsewhere,
      env: { LONGSHORE_CONFIG: '/nowhere/longshore.yaml' },
    })
    expect([code, err]).toEqual([0, ''])
  })

  test('a snapshot can be verified with openssl and sha256sum alone, as the help says', async () => {
    await run('snapshot', '--out', 'three.snapshot', '--key', 'file:licence-key.pem')
    const rows = (await readFile(join(folder, 'three.snapshot'), 'utf8')).trimEnd().split('\n')
    const { signature } = JSON.parse(rows.at(-1) ?? '')
    const { stdout } = await promisify(execFile)('bash', ['-c', 'head -n -1 three.snapshot | sha256sum | cut -d" " -f1'], { cwd: folder })
    await writeFile(join(folder, 'line'), `longshore-licence-snapshot/1 ${stdout.trim()}\n`)
    await writeFile(join(folder, 'signature'), Buffer.from(signature.value, 'base64'))
    const words = ['pkeyutl', '-verify', '-pubin', '-inkey', 'licence-public.pem', '-rawin', '-in', 'line', '-sigfile', 'signature']
    const verified = await promisify(execFile)('openssl', words, { cwd: folder })
    expect(verified.stdout).toContain('Signature Verified Successfully')
    const keyId = await promisify(execFile)('bash', ['-c', 'openssl pkey -pubin -in licence-public.pem -outform DER | sha256sum'], {
      cwd: folder,
    })
    expect(signature.key).toBe(`sha256:${keyId.stdout.slice(0, 64)}`)
  })

  test('the key of a snapshot is in no output, whatever goes wrong', async () => {
    const pem = await readFile(join(folder, 'licence-key.pem'), 'utf8')
    const secret = pem.split('\n')[1] ?? ''
    const runs = [
      await runWords(['license', 'snapshot', '--out', 'four.snapshot', '--key', pem], { cwd: folder }),
      await runWords(['license', 'snapshot', '--out', 'four.snapshot', '--key', 'env:KEY'], { cwd: folder, env: { KEY: secret } }),
      await runWords(['license', 'snapshot', '--out', 'nowhere/four.snapshot', '--key', 'env:KEY'], { cwd: folder, env: { KEY: pem } }),
      await runWords(['license', 'snapshot', '--out', 'four.snapshot', '--key', 'env:KEY'], {
        cwd: folder,
        env: { KEY: pem.replaceAll('\n', '\\n') },
      }),
    ]
    expect(runs.map(({ code }) => code)).toEqual([1, 1, 1, 0])
    for (const { out, err } of runs) expect(`${out}${err}`).not.toContain(secret)
    expect(await readFile(join(folder, 'four.snapshot'), 'utf8')).not.toContain(secret)
    expect(runs[1]?.err).toContain('openssl genpkey -algorithm ed25519')
    expect(runs[2]?.err).toContain('there is no such file or folder')
  })

  test('verify without a file goes through the record in the store, and finds a changed row', async () => {
    const whole = await run('verify')
    expect(whole.code).toBe(0)
    expect(whole.out).toMatch(/^ap-guangzhou: \d+ entries, unbroken; the last is \d+ \(20\d\d-.*\), digest [\w-]{43}$/)
    const parts = await memory.list('record/ap-guangzhou/')
    const part = parts[10]
    if (part === undefined) throw new Error('there is no such part')
    await memory.put(part.key, JSON.parse(JSON.stringify(part.value).replace(/"UsageValue":"(\d)/, '"UsageValue":"9$1')))
    const broken = await run('verify')
    const refused = await run('snapshot', '--out', 'five.snapshot', '--key', 'file:licence-key.pem')
    await memory.put(part.key, part.value)
    expect(broken.code).toBe(1)
    expect(broken.out).toMatch(/^ap-guangzhou: BROKEN at entry \d+ \(.*Z\): its content is not what its digest was made from/)
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringMatching(/the record of ap-guangzhou is broken at entry \d+ .*Nothing was signed/),
    ])
    await expect(readFile(join(folder, 'five.snapshot'))).rejects.toThrow('ENOENT')
    await memory.delete(part.key)
    const cut = await run('verify')
    await memory.put(part.key, part.value)
    expect(cut.out).toMatch(/BROKEN at .*entries are missing or in another order/)
    expect((await run('verify')).code).toBe(0)
  })

  test('verify without a file finds a high-water mark that was lowered after the fact', async () => {
    // The first day may be a part of one, which is compared with nothing.
    const [, month] = await memory.list('day/ap-guangzhou/')
    if (month === undefined) throw new Error('nothing is rolled up')
    const text = JSON.stringify(month.value)
    const [row = ''] = /"max":\["[^\]]*\]/.exec(text) ?? []
    await memory.put(month.key, JSON.parse(text.replace(row, row.replace(/"max":\["\d+"/, '"max":["1"'))))
    const { code, out } = await run('verify')
    await memory.put(month.key, month.value)
    expect(code).toBe(1)
    expect(out).toMatch(/ap-guangzhou: the high-water marks of 20\d\d-\d\d-\d\d are not those of its samples: tke-\S+ says 1, and was \d+$/)
    expect((await run('verify')).code).toBe(0)
  })

  test('report --json is JSON as a whole, and its figures are those of the CSV', async () => {
    const { code, out } = await run('report', '--json')
    expect(code).toBe(0)
    const report = z
      .object({
        regions: z.array(
          z.object({
            region: z.string(),
            hours: z.number(),
            measured: z.number(),
            metrics: z.array(
              z.object({
                metric: z.string(),
                months: z.array(z.object({ month: z.string(), highest: z.nullable(z.object({ used: z.string() })) })),
              }),
            ),
          }),
        ),
      })
      .parse(JSON.parse(out))
    await run('report', '--csv', 'months.csv')
    const [, ...rows] = cellsOf(await readFile(join(folder, 'months.csv'), 'utf8'))
    expect(rows.map(([region, metric, , , month, highest]) => [region, metric, month, highest])).toEqual(
      report.regions.flatMap(({ region, metrics }) =>
        metrics.flatMap(({ metric, months }) => months.map(({ month, highest }) => [region, metric, month, highest?.used ?? ''])),
      ),
    )
  })

  test('without a configuration it is a year that was made up, and that is said', async () => {
    const { code, out, err } = await runWords(['license', 'headroom', '--json'], { cwd: join(import.meta.dirname) })
    expect(err).toContain('There is no longshore.yaml here and none was named. This is the sandbox: a year that was made up')
    const { nodes } = z.object({ nodes: z.record(z.string(), z.object({ free: z.number(), nodes: z.number() })) }).parse(JSON.parse(out))
    const { free, nodes: fit } = nodes['ap-guangzhou'] ?? { free: 0, nodes: 0 }
    expect(free).toBeGreaterThan(8)
    expect([fit, code]).toEqual([Math.floor(free / 16), fit === 0 ? 2 : 0])
  }, 30_000)

  test.each([
    [['report', '--year', '2026', '--month', '2026-11'], '--year and --month are two periods'],
    [['report', '--year', '26'], '--year takes one such as 2026'],
    [['report', '--year', '2026-11'], '--year takes one such as 2026'],
    [['report', '--month', '2026-13'], '--month takes one such as 2026-11'],
    [['report', '--month', '2099-01'], '2099-01 has not begun yet'],
    [['report', '--json', '--html', 'x.html'], '--json prints'],
    [['report', '--html', ''], '--html takes the file'],
    [['report', '--html', 'nowhere/x.html'], 'there is no such file or folder'],
    [['report', '--region', 'ap-guangzho'], 'nothing is measured in ap-guangzho; did you mean "ap-guangzhou"?'],
    [['report', '--node-cores', '16'], 'license report has no option --node-cores'],
    [['headroom', '--node-cores', '0'], '--node-cores takes a whole number from 1'],
    [['export'], 'give the file to write: --csv'],
    [['snapshot', '--out', 'x'], 'say where the private key lies'],
    [['snapshot', '--out', 'x', '--key', 'licence-key.pem'], 'never the key itself'],
    [['snapshot', '--out', 'x', '--key', 'file:licence-public.pem'], 'it is a public key'],
    [['snapshot', '--out', 'x', '--key', 'file:nothing.pem'], 'cannot be read'],
    [['verify', 'longshore.yaml'], 'give the public key'],
    [['verify', 'nothing', '--key', 'licence-public.pem'], 'nothing cannot be read: there is no such file'],
    [['verify', 'longshore.yaml', '--key', 'licence-public.pem'], 'the file is no snapshot'],
    [['verify', 'longshore.yaml', '--key', 'longshore.yaml'], 'it is no public key in PEM'],
    [['verif'], 'did you mean "verify"?'],
    [[], 'say what to do'],
  ])('%j is explained', async (words, text) => {
    const { code, err } = await run(...words)
    expect(code).toBe(1)
    expect(err).toContain(text)
    expect(err).not.toMatch(/\n +at /)
  })
})
