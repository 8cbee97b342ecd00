import { parseArgs } from 'node:util'
import { parseAttach } from '#infra/sandbox/attach.ts'
import { startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential, sandboxKubeToken } from '#infra/sandbox/test-credentials.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { parseWhole } from './words.ts'

export const sandbox: Command = {
  summary: 'run the sandbox cloud alone, for your own client or kubectl',
  help: `Usage: longshore sandbox [--port N] [--seed N] [--attach CLUSTER=https://host:port[,token-file=FILE][,ca-file=FILE]]…

Serves the platform's API (TKE and TCR) on loopback and prints its address and its test credentials. --port 0 takes any free
port (8781 when absent). --attach sends ForwardRequest of a cluster to a real kube-apiserver instead. Ctrl-C ends it.`,
  run: async (words, io) => {
    const { values } = parseArgs({
      args: [...words],
      options: { port: { type: 'string' }, seed: { type: 'string' }, attach: { type: 'string', multiple: true } },
    })
    const port = values.port === undefined ? 8781 : parseWhole(values.port, '--port', 0, 65_535)
    const seed = values.seed === undefined ? 1 : parseWhole(values.seed, '--seed', 0, 2 ** 31 - 1)
    const running = await startSandbox({ port, seed, attach: attachTable(values.attach ?? []) }).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
        throw new Error(`port ${port} of 127.0.0.1 is in use; stop what uses it, or give --port`, { cause: error })
      }
      throw error
    })
    const clusters = Object.keys(running.world.kubernetes)
    io.out(`endpoint     ${running.url}`)
    io.out(`secret id    ${sandboxCredential.secretId}`)
    io.out(`secret key   ${sandboxCredential.secretKey}`)
    io.out('region       ap-guangzhou')
    io.out(`clusters     ${clusters.join(' ')}`)
    io.out(`try          TENCENTCLOUD_SECRET_ID=${sandboxCredential.secretId} TENCENTCLOUD_SECRET_KEY=${sandboxCredential.secretKey} \\`)
    io.out(`               npx longshore call tke DescribeClusters --region ap-guangzhou --endpoint ${running.url}`)
    io.out(`kubectl      kubectl --server ${running.url}/_kubernetes/${clusters[0] ?? 'CLUSTER'}:${sandboxKubeToken} get deployments -A`)
    io.out(`steering     ${running.url}/_sandbox lists what can be switched; Ctrl-C ends it`)
    if (!io.signal.aborted) await new Promise((resolve) => io.signal.addEventListener('abort', resolve, { once: true }))
    await running.close()
    return 0
  },
}

function attachTable(values: readonly string[]) {
  try {
    return parseAttach(values)
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message)
    throw error
  }
}
