import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** The checks that need a Chromium: run by choice, with `npm run e2e:browser`. Without one they fail and say what to do. */
export default defineConfig({
  root: join(import.meta.dirname, '../../..'),
  test: {
    include: ['test/e2e/browser/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
