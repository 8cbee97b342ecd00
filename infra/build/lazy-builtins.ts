import { createRequire, isBuiltin } from 'node:module'
import type { Plugin } from 'esbuild'

/**
 * Loads Node's own modules when something of them is first used, not when the bundle starts.
 *
 * An `import` of a built-in makes Node evaluate every export of it: of `node:crypto` that is WebCrypto, of `node:http` the whole of
 * fetch, about 10 and 30 ms at a cold start. Here an import becomes an object of getters over `process.getBuiltinModule`, which
 * loads a module without looking at its exports. The names are those of the Node that builds, which is the Node that runs.
 */
export const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup: (build) => {
    const require = createRequire(import.meta.url)
    build.onResolve({ filter: /^[a-z]/ }, ({ path }) => {
      if (!isBuiltin(path)) return undefined
      return { path: path.startsWith('node:') ? path : `node:${path}`, namespace: 'lazy-builtins', sideEffects: false }
    })
    build.onLoad({ filter: /.*/, namespace: 'lazy-builtins' }, ({ path }) => {
      const names = Object.keys(require(path)).filter((name) => name !== 'default')
      const contents = [
        'let it',
        `const load = () => (it ??= process.getBuiltinModule(${JSON.stringify(path)}))`,
        `for (const name of ${JSON.stringify(names)}) Object.defineProperty(exports, name, { enumerable: true, get: () => load()[name] })`,
      ]
      return { contents: contents.join('\n'), loader: 'js' }
    })
  },
}
