import * as z from 'zod/mini'
import { clip } from '#shared/pure/clip.ts'
import { FetchError, type FetchText } from '#shared/runtime/fetch-text.ts'
import type { Reading } from './view.ts'

const Sample = z.tuple([z.number(), z.string()])

const QueryAnswer = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('success'),
    data: z.discriminatedUnion('resultType', [
      z.object({ resultType: z.literal('scalar'), result: Sample }),
      z.object({ resultType: z.literal('vector'), result: z.array(z.object({ value: Sample })) }),
      z.object({ resultType: z.literal('matrix') }),
      z.object({ resultType: z.literal('string') }),
    ]),
  }),
  z.object({ status: z.literal('error'), error: z.optional(z.string()) }),
])

/** Prometheus evaluates a query at a time of ours, so that what it says is not older than what else was seen. */
function queryUrl(url: string, query: string, now: number): string {
  const parameters = new URLSearchParams({ query, time: (now / 1000).toFixed(3) })
  return `${url.replace(/\/+$/, '')}/api/v1/query?${parameters.toString()}`
}

/**
 * Asks a Prometheus for the one figure that a query comes to. Whatever is not one figure is a problem, and no figure: no series, several
 * series, a value that is no number, an answer that does not come. It never counts as 0.
 */
export async function readPrometheus(
  { name, url, query }: { readonly name: string; readonly url: string; readonly query: string },
  fetchText: FetchText,
  now: number,
): Promise<Reading> {
  const problem = (text: string): Reading => ({ name, problem: clip(text, 500) })
  let text: string
  try {
    text = await fetchText(queryUrl(url, query, now), { timeoutMs: 5_000 })
  } catch (error) {
    if (!(error instanceof FetchError)) throw error
    return problem(error.message)
  }
  const answer = z.safeParse(QueryAnswer, parsed(text)).data
  if (answer === undefined) return problem('the answer is none of a Prometheus; look at the address')
  if (answer.status === 'error') return problem(`Prometheus refuses the query: ${answer.error ?? 'it says no reason'}`)
  const { data } = answer
  switch (data.resultType) {
    case 'scalar':
      return figure(data.result[1])
    case 'vector': {
      const [first, ...more] = data.result
      if (first === undefined) return problem('the query finds no series, which says nothing; use `or vector(0)` if that means 0')
      if (more.length > 0)
        return problem(`the query finds ${more.length + 1} series and has to come to one figure; put an aggregation around it`)
      return figure(first.value[1])
    }
    default:
      return problem(`the query comes to a ${data.resultType} and has to come to one figure`)
  }

  function figure(written: string): Reading {
    const value = Number(written)
    return Number.isFinite(value) && written.trim() !== '' ? { name, value } : problem(`the query comes to ${written}, which is no figure`)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
