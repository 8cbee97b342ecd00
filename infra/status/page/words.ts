import { chinese } from './words-chinese.ts'
import { english } from './words-english.ts'

/** Every word of the page, by what it is for. Where a number or a name stands in it, it is a function of that. */
export type Words = { readonly [Key in keyof typeof english]: Widened<(typeof english)[Key]> }

/** The same shape for another language: any text where there is a text, and all of the same keys. */
type Widened<T> = T extends string
  ? string
  : T extends (...values: infer Values) => string
    ? (...values: Values) => string
    : { readonly [Key in keyof T]: Widened<T[Key]> }

export const languages = ['en', 'zh'] as const
export type Language = (typeof languages)[number]

/** The dictionaries; a key that one of them lacks does not compile. */
export const dictionaries: Readonly<Record<Language, Words>> = { en: english, zh: chinese }

/** What `lang` says: the Chinese here is written in simplified characters. */
export const languageTags: Readonly<Record<Language, string>> = { en: 'en', zh: 'zh-Hans' }

/** The language to begin with: the one that was chosen, else the first of the browser's that there is, else English. */
export function languageFor(chosen: string | null, preferred: readonly string[]): Language {
  const own = languages.find((one) => one === chosen)
  if (own !== undefined) return own
  for (const tag of preferred) {
    const found = languages.find((one) => tag.toLowerCase().split('-')[0] === one)
    if (found !== undefined) return found
  }
  return 'en'
}
