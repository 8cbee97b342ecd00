import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** The checks that need a real Kubernetes API server: run by choice, with `npm run e2e:kube`. */
export default defineConfig({
  root: join(import.meta.dirname, '../../..'),
  test: {
    include: ['test/e2e/kube/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 120_000,
    // The first run compiles the server.
    hookTimeout: 30 * 60_000,
  },
})
