import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** That every part of the bench measures what it says: run by choice, with `npm run test:bench`, as it starts many processes. */
export default defineConfig({
  root: join(import.meta.dirname, '../..'),
  test: { include: ['test/bench/**/*.test.ts'], pool: 'forks', fileParallelism: false, testTimeout: 60_000, hookTimeout: 120_000 },
})
