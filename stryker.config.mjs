/**
 * `npm run mutation [-- --mutate FILE]`: mutants of what must not be wrong unnoticed. Slow, so it is a command of its own.
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  testRunner: 'vitest',
  vitest: { configFile: 'infra/build/mutation.vitest.config.ts', related: true },
  plugins: ['@stryker-mutator/vitest-runner'],
  mutate: ['shared/safety/{ledger,ledger-entry,guard,cap,freeze-window,protect}.ts', 'shared/cloud/{sign,retry,retry-quota,limit}.ts'],
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  incremental: true,
  incrementalFile: 'reports/mutation/incremental.json',
  reporters: ['clear-text', 'json', 'progress'],
  clearTextReporter: { allowColor: false, logTests: false },
  jsonReporter: { fileName: 'reports/mutation/mutation.json' },
  thresholds: { high: 95, low: 90, break: 90 },
  // TypeScript 7 has no API that Stryker could read a tsconfig with, and none is needed: the types are stripped.
  tsconfigFile: 'no-such-tsconfig.json',
  tempDirName: 'reports/stryker-tmp',
  timeoutMS: 20_000,
  concurrency: 2,
}
