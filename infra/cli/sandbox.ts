import { parseArgs } from 'node:util'
import { type AttachTable, parseAttach } from '#infra/sandbox/attach.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import { startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential, sandboxKubeToken } from '#infra/sandbox/test-credentials.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { parseWhole } from './words.ts'

export const sandbox: Command = {
  summary: 'run the sandbox cloud alone, for your own client or kubectl',
  help: `Usage: longshore sandbox [--port N] [--seed N] [--attach CLUSTER=https://host:port[,OPTION]…]…

Serves the platform's API (TKE and TCR) on loopback and prints its address and its test credentials. --port 0 takes any free
port (8781 when absent). --attach sends ForwardRequest of one of its clusters to a real kube-apiserver instead; its options:

  token=TOKEN        bearer token (other processes of this machine can see it; rather use a file)
  token-file=FILE    the same, from a file
  ca-file=FILE       PEM of the authority that signed the server's certificate

Ctrl-C ends it.

Example: longshore sandbox --port 0`,
  run: async (words, io) => {
    const { values } = parseArgs({
      args: [...words],
      options: { port: { type: 'string' }, seed: { type: 'string' }, attach: { type: 'string', multiple: true } },
    })
    const port = values.port === undefined ? 8781 : parseWhole(values.port, '--port', 0, 65_535)
    const seed = values.seed === undefined ? 1 : parseWhole(values.seed, '--seed', 0, 2 ** 31 - 1)
    const attach = attachTable(values.attach ?? [], io.cwd)
    const clock = createSandboxClock()
    const world = createBaseWorld(clock.now(), seed)
    const clusters = Object.keys(world.kubernetes)
    const unknown = [...attach.keys()].find((clusterId) => !clusters.includes(clusterId))
    if (unknown !== undefined) {
      throw new UsageError(`--attach names the cluster ${unknown}, which this sandbox does not have; it has ${clusters.join(', ')}`)
    }
    const running = await startSandbox({ port, seed, clock, world, attach }).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
        throw new Error(`port ${port} of 127.0.0.1 is in use; stop what uses it, or give --port`, { cause: error })
      }
      throw error
    })
    io.out(`endpoint     ${running.url}`)
    io.out(`secret id    ${sandboxCredential.secretId}`)
    io.out(`secret key   ${sandboxCredential.secretKey}`)
    io.out('region       ap-guangzhou')
    io.out(`clusters     ${clusters.join(' ')}`)
    for (const [clusterId, { url, token, ca }] of attach) {
      const withWhat = [
        token === undefined ? 'no token' : 'a token',
        ca === undefined ? "this machine's authorities" : 'an authority of its own',
      ]
      io.out(`attached     ${clusterId} is really ${url}, with ${withWhat.join(' and ')}`)
    }
    io.out(`try          TENCENTCLOUD_SECRET_ID=${sandboxCredential.secretId} TENCENTCLOUD_SECRET_KEY=${sandboxCredential.secretKey} \\`)
    io.out(`               npx longshore call tke DescribeClusters --region ap-guangzhou --endpoint ${running.url}`)
    io.out(`kubectl      kubectl --server ${running.url}/_kubernetes/${clusters[0] ?? 'CLUSTER'}:${sandboxKubeToken} get deployments -A`)
    io.out(`steering     ${running.url}/_sandbox lists what can be switched; Ctrl-C ends it`)
    if (!io.signal.aborted) await new Promise((resolve) => io.signal.addEventListener('abort', resolve, { once: true }))
    await running.close()
    return 0
  },
}

function attachTable(values: readonly string[], folder: string): AttachTable {
  try {
    return parseAttach(values, folder)
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message)
    throw error
  }
}
