import { defineConfig } from 'vitest/config'

/** The tests that watch over what is mutated; the whole suite would take hours. */
export default defineConfig({
  test: {
    include: [
      'test/shared/safety/{ledger,ledger-model,guard,guard-settings,budget,budget-cap,freeze-window,protect,kill-switch,carry-out}.test.ts',
      'test/shared/cloud/{sign,retry,limit,client}.test.ts',
    ],
    pool: 'forks',
    testTimeout: 30_000,
  },
})
