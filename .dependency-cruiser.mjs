/**
 * The direction of imports: pure <- cloud <- safety <- runtime <- functions <- infra, and nothing imports tests.
 * Every rule says what to do instead.
 * @type {import('dependency-cruiser').IConfiguration}
 */
export default {
  forbidden: [
    {
      name: 'pure-imports-nothing',
      comment: 'shared/pure has no I/O, no clock and no packages (a hash of Node is none of these): pass what it needs as an argument.',
      severity: 'error',
      from: { path: '^shared/pure/' },
      to: { pathNot: ['^shared/pure/', '^(node:)?crypto$'] },
    },
    {
      name: 'cloud-stands-alone',
      comment: 'shared/cloud is usable on its own: it may use shared/pure, Node and (in transport.ts) undici. Move the rest up.',
      severity: 'error',
      from: { path: '^shared/cloud/' },
      to: { path: '^(shared/(safety|runtime)|functions|infra|test)/' },
    },
    {
      name: 'safety-below-runtime',
      comment: 'shared/safety knows the cloud but not what runs it: take configuration and ports as arguments.',
      severity: 'error',
      from: { path: '^shared/safety/' },
      to: { path: '^(shared/runtime|functions|infra|test)/' },
    },
    {
      name: 'runtime-below-functions',
      comment: 'shared/runtime runs any function: take the definition as an argument instead of importing one.',
      severity: 'error',
      from: { path: '^shared/runtime/' },
      to: { path: '^(functions|infra|test)/' },
    },
    {
      name: 'licence-below-functions',
      comment: 'shared/licence is what several functions and the tools know of a licence: take settings and ports as arguments.',
      severity: 'error',
      from: { path: '^shared/licence/' },
      to: { path: '^(functions|infra|test)/' },
    },
    {
      name: 'a-function-is-an-island',
      comment: 'A function never imports another: move what both need to shared/.',
      severity: 'error',
      from: { path: '^functions/([^/]+)/' },
      to: { path: '^functions/', pathNot: '^functions/$1/' },
    },
    {
      name: 'functions-do-not-know-infra',
      comment: 'What ships must not depend on tools: move it to shared/, or pass it in.',
      severity: 'error',
      from: { path: '^functions/' },
      to: { path: '^(infra|test)/' },
    },
    {
      name: 'a-plan-is-pure',
      comment:
        'plan.ts imports its own folder’s pure files, shared/pure and the arithmetic of shared/licence, nothing else: observe.ts translates, apply.ts acts.',
      severity: 'error',
      from: { path: '^functions/[^/]+/plan\\.ts$' },
      to: {
        pathNot: [
          '^shared/pure/',
          '^shared/licence/(?!([^/]*-store|retention|kept)\\.ts$)',
          '^functions/[^/]+/(?!(observe|apply|handler)\\.ts$)[^/]+\\.ts$',
          '^shared/runtime/definition\\.ts$',
        ],
      },
    },
    {
      name: 'the-page-runs-in-a-browser',
      comment:
        'infra/status/page is bundled for a browser: it knows the shapes of /api (types only), Preact and uPlot, and nothing of the rest. Ask the API instead.',
      severity: 'error',
      from: { path: '^infra/status/page/' },
      to: { pathNot: ['^infra/status/page/', 'node_modules/(preact|@preact/signals|uplot)/'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nobody-imports-the-page',
      comment: 'The page’s code is for a browser: page-bundle.ts bundles it, and nothing else may take it along.',
      severity: 'error',
      from: { path: '^(shared|functions|infra)/', pathNot: '^infra/status/page/' },
      to: { path: '^infra/status/page/' },
    },
    {
      name: 'infra-does-not-import-tests',
      comment: 'Nothing imports tests: move what a tool needs to infra/.',
      severity: 'error',
      from: { path: '^(shared|functions|infra)/' },
      to: { path: '^test/' },
    },
    {
      name: 'one-importer-of-undici',
      comment: 'Only shared/cloud/transport.ts imports undici (520 KiB in a bundle); everything else sends through a Transport.',
      severity: 'error',
      from: { path: '^(shared|functions)/', pathNot: '^shared/cloud/transport\\.ts$' },
      to: { path: 'node_modules/undici' },
    },
    {
      name: 'one-importer-of-middy',
      comment: 'Only shared/runtime/define-*.ts import @middy/core: export a definition and let them make the handler.',
      severity: 'error',
      from: { path: '^(shared|functions|infra)/', pathNot: '^shared/runtime/define-[^/]+\\.ts$' },
      to: { path: 'node_modules/@middy/' },
    },
    {
      name: 'sandbox-checks-with-its-own-code',
      comment: 'The sandbox verifies signatures with its own code, so that one bug cannot cancel itself out.',
      severity: 'error',
      from: { path: '^infra/sandbox/' },
      to: { path: '^shared/cloud/(sign|client|flatten|transport|transport-https)\\.ts$' },
    },
    {
      name: 'functions-import-single-actions',
      comment: 'all-actions.ts is for tools: it would put 97 actions into a bundle. Import the action’s own file.',
      severity: 'error',
      from: { path: '^(functions|shared)/', pathNot: '^shared/cloud/generated/' },
      to: { path: '^shared/cloud/generated/all-actions\\.ts$' },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or a third is missing.',
      severity: 'error',
      from: { path: '^(shared|functions|infra)/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-dev-packages-in-what-ships',
      comment:
        'A function’s bundle must not need a development package: make it a dependency, or do without. (@aws-sdk comes with the Lambda runtime.)',
      severity: 'error',
      from: { path: '^(shared|functions)/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-optional', 'npm-no-pkg', 'npm-unknown'],
        pathNot: ['@types/', 'node_modules/@aws-sdk/'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'not-unresolvable',
      comment: 'The file or package does not exist: check the spelling, and write the extension .ts.',
      severity: 'error',
      from: {},
      // Types of the Lambda events live in @types/aws-lambda; there is no package aws-lambda to resolve.
      to: { couldNotResolve: true, pathNot: '^aws-lambda$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|reports|coverage)/' },
    parser: 'swc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.json'],
    },
  },
}
