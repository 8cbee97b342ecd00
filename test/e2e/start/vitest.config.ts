import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** A whole day on the sandbox, in a process of its own: run by choice, with `npm run e2e:start`. */
export default defineConfig({
  root: join(import.meta.dirname, '../../..'),
  test: {
    include: ['test/e2e/start/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 15 * 60_000,
    hookTimeout: 60_000,
  },
})
