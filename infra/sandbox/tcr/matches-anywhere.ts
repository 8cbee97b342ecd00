import { createContext, Script } from 'node:vm'

const timeoutMs = 50
const inputs = { pattern: '', text: '' }
const context = createContext(inputs)
const script = new Script('new RegExp(pattern, "u").test(text)')

/**
 * Whether a stranger's pattern matches somewhere in a text. One that takes longer than 50 ms does not match: JavaScript's
 * engine backtracks where the platform's does not, and a bad pattern must not hold up the sandbox. Throws SyntaxError for
 * what is no pattern.
 */
export function matchesAnywhere(pattern: string, text: string): boolean {
  new RegExp(pattern, 'u')
  Object.assign(inputs, { pattern, text })
  try {
    return script.runInContext(context, { timeout: timeoutMs }) === true
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') {
      return false
    }
    throw error
  }
}
