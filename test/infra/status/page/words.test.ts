import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OutcomeName } from '../../../../infra/status/api-schemas.ts'
import { viewNames } from '../../../../infra/status/page/routes.ts'
import { outcomeIds } from '../../../../infra/status/page/view-shapes.ts'
import { dictionaries, languageFor, languages } from '../../../../infra/status/page/words.ts'

/** Every text by its path; functions are asked with words and figures that can be found again. */
function textsOf(words: object, path = ''): Map<string, string> {
  return new Map(
    Object.entries(words).flatMap(([key, value]) => {
      if (typeof value === 'string') return [[`${path}${key}`, value] as const]
      if (typeof value === 'function') return [[`${path}${key}`, String(value(2, '2', '2'))] as const]
      return [...textsOf(value, `${path}${key}.`)]
    }),
  )
}

const english = textsOf(dictionaries.en)
const chinese = textsOf(dictionaries.zh)

describe('the dictionaries', () => {
  test('have the same keys, and a text for each', () => {
    expect([...chinese.keys()]).toEqual([...english.keys()])
    for (const language of languages) {
      for (const [key, text] of textsOf(dictionaries[language])) expect([language, key, text.trim()]).not.toEqual([language, key, ''])
    }
  })

  test('have Chinese in the Chinese one, with its own punctuation, and none in the English one', () => {
    const without = [...chinese].filter(([, text]) => !/\p{Script=Han}/u.test(text)).map(([key]) => key)
    // The title of the window is the name of the view and that of the product.
    expect(without).toEqual(['title'])
    for (const [key, text] of chinese) expect([key, /\p{Script=Han}[,;:?!()]/u.test(text)]).toEqual([key, false])
    for (const [key, text] of english) expect([key, /\p{Script=Han}/u.test(text)]).toEqual([key, false])
  })

  test('name the same code, commands and figures in both', () => {
    const marks = (text: string): readonly string[] => (text.match(/`[^`]+`/g) ?? []).sort()
    for (const [key, text] of english) expect([key, marks(chinese.get(key) ?? '')]).toEqual([key, marks(text)])
  })

  test('have a word for every view and every outcome that the API has', () => {
    expect(Object.keys(dictionaries.en.views)).toEqual(viewNames)
    expect(Object.keys(dictionaries.en.about)).toEqual(viewNames)
    expect([...outcomeIds].sort()).toEqual([...OutcomeName.options].sort())
    expect(Object.keys(dictionaries.en.outcomes).sort()).toEqual([...OutcomeName.options].sort())
  })

  test('speak of one thing and of many', () => {
    const { en } = dictionaries
    expect([en.matching(1, '1'), en.matching(2, '2'), en.hours(1), en.hours(24), en.hours(168)]).toEqual([
      '1 decision',
      '2 decisions',
      '1 hour',
      '24 hours',
      '7 days',
    ])
  })

  test('have no word that the page does not say', () => {
    const folder = join(import.meta.dirname, '../../../../infra/status/page')
    const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.tsx'))
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('\n')
    const unsaid = Object.keys(dictionaries.en).filter((key) => !new RegExp(`(text|words\\.value)\\.${key}\\b`).test(sources))
    expect(unsaid).toEqual([])
  })
})

describe('the language', () => {
  test.each([
    ['zh', ['en'], 'zh'],
    [null, ['zh-TW', 'en'], 'zh'],
    [null, ['de-DE', 'ZH-cn', 'en'], 'zh'],
    [null, ['de', 'fr'], 'en'],
    [null, [], 'en'],
    ['klingon', ['zh-Hans'], 'zh'],
  ] as const)('chosen %j with %j preferred is %s', (chosen, preferred, language) => {
    expect(languageFor(chosen, preferred)).toBe(language)
  })
})
