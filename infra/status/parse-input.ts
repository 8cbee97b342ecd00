import * as z from 'zod/mini'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { pathText } from '#shared/runtime/config-path.ts'
import { problemsOf } from '#shared/runtime/config-problems.ts'

/** So many things that are wrong are told of: a short request may have thousands. */
const mostProblems = 5

/** Reads what somebody sent by its schema; the failure names the first few parameters or members that are wrong, and what they may be. */
export function parseInput<T>(schema: z.ZodMiniType<T>, value: unknown, what: 'parameter' | 'member'): Result<T, string> {
  const parsed = z.safeParse(schema, value)
  if (parsed.success) return success(parsed.data)
  const found = problemsOf(schema, value)
  const problems = found
    .slice(0, mostProblems)
    .map(({ path, text }) =>
      path.length === 0
        ? text
        : `the ${what} ${headOf(pathText(path))}: ${text.replace(/^unknown key;/, 'there is no such one;').replace(/no key is valid here$/, 'none is taken here')}`,
    )
  const more = found.length - problems.length
  const text = [...problems, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
  return failure(text.endsWith('?') ? text : `${text}.`)
}

/** A name that somebody sent, or the beginning of it. */
function headOf(name: string): string {
  return name.length <= longestName ? name : `${name.slice(0, longestName).toWellFormed()}…`
}

const longestName = 100

/**
 * The parameters of a query. Those of `whole` are numbers where they are written as such, those of `lists` may be given several times or
 * with commas between; any other one that is given twice is a list, which its schema refuses.
 */
export function readQuery(
  query: string,
  { whole, lists }: { readonly whole: ReadonlySet<string>; readonly lists: ReadonlySet<string> },
): Readonly<Record<string, unknown>> {
  const read: [string, unknown][] = []
  for (const [name, given] of Map.groupBy(new URLSearchParams(query), ([key]) => key)) {
    const values = given.map(([, value]) => value)
    const [first = ''] = values
    if (lists.has(name)) read.push([name, values.flatMap((value) => value.split(','))])
    else if (values.length > 1) read.push([name, values])
    else read.push([name, whole.has(name) && /^-?[0-9]{1,15}$/.test(first) ? Number(first) : first])
  }
  return Object.fromEntries(read)
}
