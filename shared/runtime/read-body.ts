import * as z from 'zod/mini'
import { failure, type Result, success } from '#shared/pure/result.ts'

/** Reads UTF-8. Other bytes are refused: with a sign in their place that stands for anything, two bodies could look the same. */
export function utf8Of(body: Uint8Array): Result<string, string> {
  try {
    return success(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    if (error instanceof TypeError) return failure('the body must be UTF-8')
    throw error
  }
}

/** Reads JSON in UTF-8. */
export function readJsonBody(body: Uint8Array): Result<unknown, string> {
  const text = utf8Of(body)
  if (!text.ok) return text
  try {
    return success(JSON.parse(text.value))
  } catch (error) {
    if (error instanceof SyntaxError) return failure('the body must be JSON')
    throw error
  }
}

/** Reads JSON of a shape, as `shaped` does. */
export function readShape<T>(schema: z.ZodMiniType<T>, body: Uint8Array, shape: string): Result<T, string> {
  const json = readJsonBody(body)
  return json.ok ? shaped(schema, json.value, shape) : json
}

/** Checks a value against a shape. A failure names the first place that does not fit, and nothing of what stands there. */
export function shaped<T>(schema: z.ZodMiniType<T>, value: unknown, shape: string): Result<T, string> {
  const parsed = z.safeParse(schema, value)
  if (parsed.success) return success(parsed.data)
  const path = parsed.error.issues[0]?.path.join('.') ?? ''
  return failure(`the body must be ${shape}${path === '' ? '' : `; ${path} does not fit`}`)
}
