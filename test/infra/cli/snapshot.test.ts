import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { type Ran, runWords } from './run-words.ts'

let folder: string
let sandbox: Sandbox
let listener: Server
let connections = 0
const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-snapshot-'))
  sandbox = await startSandbox({ rates: false })
  listener = createServer((socket) => {
    connections += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const config = (endpoint: string): string =>
    `mode: enforce
platform: { endpoint: '${endpoint}', region: ap-guangzhou }
store: { kind: sqlite, path: ./store.db }
clusters: [{ id: ${baseClusters.staging}, name: staging }]
functions: {}
`
  await writeFile(join(folder, 'longshore.yaml'), config(sandbox.url))
  await writeFile(join(folder, 'elsewhere.yaml'), config(`http://127.0.0.1:${port}`))
})

afterAll(async () => {
  await sandbox.close()
  await new Promise((resolve) => listener.close(resolve))
  await rm(folder, { recursive: true })
})

const run = async (...words: string[]): Promise<Ran> => await runWords(words, { cwd: folder, env })

describe('longshore snapshot and longshore rehearse', () => {
  it('take a picture with calls that only read, and go on from it without a connection', async () => {
    const taken = await run('snapshot', '--out', 'world.json', '--config', 'longshore.yaml')
    expect(taken.code, taken.err).toBe(0)
    expect(taken.out).toContain('world.json: 1 cluster, ')
    expect(sandbox.journal.length).toBeGreaterThan(30)
    expect(sandbox.journal.filter(({ effect }) => effect !== 'read')).toEqual([])
    expect(await readFile(join(folder, 'world.json'), 'utf8')).not.toContain(sandboxCredential.secretKey)
    // A store is what somebody remembers. There is none, and no half of a file.
    expect((await readdir(folder)).toSorted()).toEqual(['elsewhere.yaml', 'longshore.yaml', 'world.json'])

    const calls = sandbox.journal.length
    const gone = await run(
      'rehearse',
      'world.json',
      '--hours',
      '1',
      '--speed',
      'max',
      '--config',
      'elsewhere.yaml',
      '--json',
      '--html',
      'out.html',
    )
    expect(gone.code, gone.err).toBe(0)
    expect(gone.err).toContain('out.html is written')
    const clusters = [{ id: baseClusters.staging, name: 'staging', isKnown: true }]
    expect(JSON.parse(gone.out)).toMatchObject({ isDone: true, source: 'platform', clusters })
    expect(connections).toBe(0)
    expect(sandbox.journal.length).toBe(calls)
    expect(await readdir(folder)).not.toContain('store.db')
  })

  it.each([
    ['snapshot', 'give the file to write'],
    ['snapshot --out x.json --sandbox --config longshore.yaml', 'leave --config out'],
    ['snapshot --out x.json --seed 2', 'add --sandbox'],
    ['snapshot --out none/x.json --sandbox', 'there is no such file or folder'],
    ['snapshot --out x.json --config nowhere.yaml', 'nowhere.yaml'],
    ['rehearse', 'name a snapshot'],
    ['rehearse a.json b.json', 'name one snapshot'],
    ['rehearse a.json --sandbox', 'leave the file out'],
    ['rehearse none.json', 'there is no such file or folder'],
    ['rehearse longshore.yaml', 'it is no JSON'],
    ['rehearse --sandbox --days 0', '--days takes a whole number'],
    ['rehearse --sandbox --days 1 --hours 1', 'give one of them'],
    ['rehearse --sandbox --speed 600', '--speed takes "max" and nothing else'],
    ['rehearse --sandbox --zone Mars/North', 'no time zone "Mars/North"'],
    ['rehearse --sandbox --events none.json', 'none.json'],
    ['rehearse --sandbox --dayz 1', 'did you mean "--days"?'],
  ])('refuse with what to do: %s', async (line, says) => {
    const ran = await run(...line.split(' '))
    expect(ran.code).toBe(1)
    expect(ran.err).toContain(says)
    expect(ran.out).toBe('')
  })
})
