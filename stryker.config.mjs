/**
 * What all groups of `npm run mutation` have in common; infra/build/mutation.ts adds each group's files, and
 * infra/build/mutation.vitest.config.ts its tests.
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  testRunner: 'vitest',
  vitest: { configFile: 'infra/build/mutation.vitest.config.ts', related: false },
  plugins: ['@stryker-mutator/vitest-runner'],
  coverageAnalysis: 'perTest',
  // Constants are part of what must be right, so mutants of what runs only while a file is loaded count too.
  ignoreStatic: false,
  warnings: { slow: false },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false, reportScoreTable: false },
  logLevel: 'warn',
  // TypeScript 7 has no API that Stryker could read a tsconfig with, and none is needed: the types are stripped.
  tsconfigFile: 'no-such-tsconfig.json',
  tempDirName: 'reports/stryker-tmp',
  ignorePatterns: ['dist', 'coverage', '.serverless', '.longshore', 'reports'],
  // Far more than any test takes, so that a busy machine does not make a mutant look as if it never ended.
  timeoutMS: 15_000,
  timeoutFactor: 2.5,
}
