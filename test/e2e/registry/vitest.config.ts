import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** The checks that need a real Docker registry: run by choice, with `npm run e2e:registry`. */
export default defineConfig({
  root: join(import.meta.dirname, '../../..'),
  test: {
    include: ['test/e2e/registry/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 120_000,
    // The first run fetches the programs.
    hookTimeout: 5 * 60_000,
  },
})
