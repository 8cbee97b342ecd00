import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'

/** How often a second this disk makes one small write durable, one after the other. */
export function flushesPerSecond(path: string, sliceMs: number): number {
  const file = openSync(path, 'w')
  try {
    const page = Buffer.alloc(4096)
    const begin = performance.now()
    let count = 0
    while (performance.now() - begin < sliceMs) {
      writeSync(file, page)
      fsyncSync(file)
      count += 1
    }
    return (count * 1000) / (performance.now() - begin)
  } finally {
    closeSync(file)
  }
}
