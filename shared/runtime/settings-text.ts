import * as z from 'zod/mini'
import { parseDuration } from '#shared/pure/duration.ts'
import { parseGlob } from '#shared/pure/glob.ts'
import type { Result } from '#shared/pure/result.ts'

/** A text that a parser of ours turns into something better; its complaint becomes the schema's. */
export function parsedText<T>(parse: (text: string) => Result<T, string>) {
  return z.pipe(
    z.string(),
    z.transform((text, context) => {
      const parsed = parse(text)
      if (parsed.ok) return parsed.value
      context.issues.push({ code: 'custom', message: parsed.error, input: text })
      return z.NEVER
    }),
  )
}

/** A length of time (`30m`, `1h30m`); comes out as milliseconds. */
export const DurationText = parsedText(parseDuration)

/** A glob; comes out parsed. */
export const GlobText = parsedText(parseGlob)
