#!/usr/bin/env node
// Starts the command line on a Node that runs TypeScript as it is. Plain JavaScript, because an older Node reads it first.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('./entry.ts', import.meta.url))

if (runsTypeScript(process.versions.node)) {
  await import('./entry.ts')
} else {
  const node = lockedNode()
  if (node === undefined) {
    console.error(
      `Longshore needs Node 22.19 or newer (24 is what the cloud runs); this is ${process.versions.node} at ${process.execPath}.\n` +
        'On Linux `npm ci` brings the right one along; elsewhere install Node 24 and try again.',
    )
    process.exit(1)
  }
  const child = spawn(node, [entry, ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both; the child decides when it is done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
  child.on('error', (error) => {
    console.error(`Cannot start ${node}: ${error.message}. Run \`npm ci\` again.`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]))
}

/** 22.19 is the first release that both strips types without a flag and satisfies undici. */
function runsTypeScript(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 19)
}

function lockedNode() {
  const path = fileURLToPath(new URL(`../../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url))
  return process.platform === 'linux' && existsSync(path) ? path : undefined
}
