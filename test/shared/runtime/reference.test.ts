import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createResolver, readLambdaParameter, SecretUnavailableError } from '#shared/runtime/reference.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-reference-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

describe('createResolver', () => {
  it('reads the environment it was given, and names a variable that is not set', async () => {
    const resolve = createResolver({ env: { KEY: 's3cret', EMPTY: '' } })
    expect(await resolve('env:KEY')).toBe('s3cret')
    await expect(resolve('env:OTHER')).rejects.toThrow('env:OTHER: the environment variable OTHER is not set')
    await expect(resolve('env:EMPTY')).rejects.toThrow(SecretUnavailableError)
  })

  it('reads a file anew each time, without its last line break', async () => {
    const path = join(folder, 'key')
    const resolve = createResolver({ env: {} })
    await writeFile(path, 'one\n')
    expect(await resolve(`file:${path}`)).toBe('one')
    await writeFile(path, 'two\r\n')
    expect(await resolve(`file:${path}`)).toBe('two')
    await writeFile(path, '\n')
    await expect(resolve(`file:${path}`)).rejects.toThrow('the file is empty')
    await expect(resolve(`file:${path}.gone`)).rejects.toThrow('the file cannot be read (ENOENT)')
  })

  it('never repeats what is no reference: it may be the secret', async () => {
    const resolve = createResolver({ env: {} })
    for (const text of ['hunter2hunter2', 'vault:hunter2hunter2', '']) {
      const error = await resolve(text).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(SecretUnavailableError)
      expect(String(error)).not.toContain('hunter2')
      expect(String(error)).toContain('env:NAME')
    }
  })
})

describe('a name behind env: that is not set', () => {
  it.each(['MY_KEY', '_KEY', 'TENCENTCLOUD_SECRET_KEY', 'K8S_TOKEN_2', 'A', 'INTERNATIONALISATIONKEY', 'X'.repeat(50)])(
    '%s is shown',
    async (name) => {
      await expect(createResolver({ env: {} })(`env:${name}`)).rejects.toThrow(`env:${name}: the environment variable ${name} is not set`)
    },
  )

  it.each([
    'AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE',
    'Gu5t9xGARNpq86cd98joQYCN3EXAMPLE',
    'hunter2',
    'correct_horse_battery_staple',
    'AKIAIOSFODNN7EXAMPLE',
    'X_AKIAIOSFODNN7EXAMPLE',
    '0123456789ABCDEF',
    'MFRGGZDFMZTWQ2LKNNWG23TPOA',
    'not a name',
  ])('%s is not: it may be the secret itself', async (name) => {
    const error = await createResolver({ env: {} })(`env:${name}`).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(SecretUnavailableError)
    expect(`${String(error)} ${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain(name)
    expect(String(error)).toContain('give the name of a variable, in capitals')
  })

  it('is read all the same where it is set', async () => {
    expect(await createResolver({ env: { my_key1: 'value' } })('env:my_key1')).toBe('value')
  })
})

describe('a reference that does not answer', () => {
  it('is an error once the time is over: a file that nobody writes to', async () => {
    const path = join(folder, 'pipe')
    await promisify(execFile)('mkfifo', [path])
    const resolve = createResolver({ env: {}, timeoutMs: 60 })
    const startedAt = performance.now()
    try {
      await expect(resolve(`file:${path}`)).rejects.toThrow(/^file:\/.*pipe: nothing came within 60 ms/)
      expect(performance.now() - startedAt).toBeLessThan(1000)
    } finally {
      // Lets the thread go that waits inside the system for somebody to write.
      await (await open(path, constants.O_RDWR | constants.O_NONBLOCK)).close()
    }
  })

  it('is an error once the time is over: a parameter store, which is told', async () => {
    let told = false
    const readParameter = (_name: string, signal?: AbortSignal): Promise<string> => {
      signal?.addEventListener('abort', () => {
        told = true
      })
      return new Promise(() => undefined)
    }
    const error = await createResolver({ env: {}, timeoutMs: 30, readParameter })('ssm:/a/b').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(SecretUnavailableError)
    expect(String(error)).toContain('ssm:/a/b: nothing came within 30 ms')
    expect(told).toBe(true)
  })

  it('fails without a trace when its own error comes too late', async () => {
    const readParameter = (): Promise<string> => new Promise((_resolve, reject) => setTimeout(() => reject(new Error('late')), 60))
    await expect(createResolver({ env: {}, timeoutMs: 20, readParameter })('ssm:/a/b')).rejects.toThrow('within 20 ms')
    await sleep(80)
  })

  it('leaves no timer behind when it answers', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    await createResolver({ env: {}, readParameter: () => Promise.resolve('value') })('ssm:/a/b')
    expect(timers()).toBe(before)
  })
})

describe('a parameter of the parameter store', () => {
  let server: Server
  const asked: { target: string | undefined; body: unknown }[] = []
  beforeEach(async () => {
    asked.length = 0
    server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as { Name: string }
        asked.push({ target: String(request.headers['x-amz-target']), body })
        response.setHeader('content-type', 'application/x-amz-json-1.1')
        if (body.Name === '/longshore/key') response.end(JSON.stringify({ Parameter: { Name: body.Name, Value: 'from-ssm' } }))
        else if (body.Name === '/longshore/empty') response.end(JSON.stringify({ Parameter: { Name: body.Name, Value: '' } }))
        else {
          response.statusCode = 400
          response.end(JSON.stringify({ __type: 'ParameterNotFound', message: 'secret message of the server' }))
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    vi.stubEnv('AWS_ENDPOINT_URL_SSM', `http://127.0.0.1:${port}`)
    vi.stubEnv('AWS_REGION', 'eu-west-1')
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATEST')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
    vi.stubEnv('AWS_MAX_ATTEMPTS', '1')
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  it('is read decrypted with the SDK that is found at run time', async () => {
    const resolve = createResolver({ env: {} })
    expect(await resolve('ssm:/longshore/key')).toBe('from-ssm')
    expect(asked).toEqual([{ target: 'AmazonSSM.GetParameter', body: { Name: '/longshore/key', WithDecryption: true } }])
  })

  it('says which one is missing and which permission it takes, without the store’s own words', async () => {
    const resolve = createResolver({ env: {} })
    await expect(resolve('ssm:/longshore/other')).rejects.toThrow('ssm:/longshore/other: the parameter store refused (ParameterNotFound)')
    await expect(resolve('ssm:/longshore/other')).rejects.not.toThrow(/secret message/)
    await expect(resolve('ssm:/longshore/empty')).rejects.toThrow('the parameter is empty')
  })

  it('is given up together with its connection when the store does not answer in time', async () => {
    let closed = false
    const hanging = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', () => undefined)
      socket.on('close', () => {
        closed = true
      })
    })
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
    const address = hanging.address()
    vi.stubEnv('AWS_ENDPOINT_URL_SSM', `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`)
    await expect(createResolver({ env: {}, timeoutMs: 150 })('ssm:/longshore/key')).rejects.toThrow(
      'ssm:/longshore/key: nothing came within 150 ms',
    )
    await expect.poll(() => closed, { interval: 5 }).toBe(true)
    await expect(readLambdaParameter('/longshore/key', AbortSignal.timeout(50))).rejects.toThrow(
      'the parameter store did not answer in time',
    )
    await new Promise((resolve) => hanging.close(resolve))
  })

  it('comes from another reader where one is given', async () => {
    const resolve = createResolver({ env: {}, readParameter: (name) => Promise.resolve(`value of ${name}`) })
    expect(await resolve('ssm:/a/b')).toBe('value of /a/b')
    expect(asked).toEqual([])
  })
})
