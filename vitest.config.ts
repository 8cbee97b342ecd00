import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { CountingReporter } from './infra/build/counting-reporter.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/bench/**'],
    pool: 'forks',
    // One core more than vitest takes by itself, which on two cores is one file at a time: its main process has little to do here.
    maxWorkers: availableParallelism(),
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', new CountingReporter()],
  },
})
