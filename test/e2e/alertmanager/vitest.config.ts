import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** The check that needs a real Alertmanager: run by choice, with `npm run e2e:alertmanager`. */
export default defineConfig({
  root: join(import.meta.dirname, '../../..'),
  test: {
    include: ['test/e2e/alertmanager/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 5 * 60_000,
    // The first run fetches the programs.
    hookTimeout: 5 * 60_000,
  },
})
