import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface LoopbackPlatform {
  readonly port: number
  stop(): void
}

/** Starts loopback-platform.ts in a process of its own, so that it takes no time from the clients that are measured. */
export async function startPlatform(): Promise<LoopbackPlatform> {
  const child = fork(fileURLToPath(new URL('loopback-platform.ts', import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: unknown) => {
      if (typeof message === 'object' && message !== null && 'port' in message && typeof message.port === 'number') resolve(message.port)
      else reject(new Error('The bench platform did not say its port.'))
    })
    child.once('exit', (code) => reject(new Error(`The bench platform ended with code ${code} before it listened.`)))
  })
  return {
    port,
    stop: () => {
      child.removeAllListeners('exit')
      child.disconnect()
    },
  }
}
