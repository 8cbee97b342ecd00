import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createResolver, SecretUnavailableError } from '#shared/runtime/reference.ts'

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

  it('comes from another reader where one is given', async () => {
    const resolve = createResolver({ env: {}, readParameter: (name) => Promise.resolve(`value of ${name}`) })
    expect(await resolve('ssm:/a/b')).toBe('value of /a/b')
    expect(asked).toEqual([])
  })
})
