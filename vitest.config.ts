import { defineConfig } from 'vitest/config'
import { CountingReporter } from './infra/build/counting-reporter.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', new CountingReporter()],
  },
})
