import { describe, expect, it } from 'vitest'
import { logHints, pollDiff } from '#functions/redeploy-hook/poll-diff.ts'
import { digest, minute, noon, repository, tag } from './small-world.ts'

type Before = NonNullable<Parameters<typeof pollDiff>[0]>

function seen(...tags: readonly [string, string, number | null][]): Before {
  return {
    format: 1,
    firstMs: noon - 60 * minute,
    tags: tags.map(([name, letter, minutes]) => [name, digest(letter), minutes === null ? null : noon + minutes * minute]),
  }
}

const names = (before: Before | undefined, ...tags: readonly ReturnType<typeof tag>[]): readonly (string | undefined)[] =>
  pollDiff(before, repository(tags)).map((hint) => hint.tag)

describe('the poll', () => {
  it('is silent at its first look', () => {
    expect(names(undefined, tag('1', 'a', -5))).toEqual([])
  })

  it('sees what is new, what stands for something else, and what was pushed again', () => {
    const before = seen(['same', 'a', -9], ['moved', 'b', -9], ['again', 'c', -9], ['gone', 'd', -9])
    expect(names(before, tag('same', 'a', -9), tag('moved', 'e', -1), tag('again', 'c', -1), tag('new', 'f', -2))).toEqual([
      'again',
      'moved',
      'new',
    ])
  })

  it('makes nothing of what is gone, of a look that failed, or of nothing', () => {
    const before = seen(['1', 'a', -9])
    expect(names(before)).toEqual([])
    expect(pollDiff(before, { name: 'team/web', tags: [], problem: 'no answer' })).toEqual([])
    expect(names(seen())).toEqual([])
  })

  it('takes names that every object has for tags', () => {
    expect(names(seen(), tag('constructor', 'a', -1))).toEqual(['constructor'])
    expect(names(seen(['constructor', 'a', null]), tag('constructor', 'a', undefined))).toEqual([])
  })

  it('says what the sources say', () => {
    const [hint] = pollDiff(seen(), repository([tag('1', 'a', -5)]))
    expect(hint).toEqual({ source: 'poll', repository: 'team/web', tag: '1', digest: digest('a'), pushedMs: noon - 5 * minute })
    const [opaque] = pollDiff(seen(), repository([tag('1', 'a', undefined, { isDigest: false })]))
    expect(opaque).toEqual({ source: 'poll', repository: 'team/web', tag: '1' })
  })
})

describe('the log of triggers', () => {
  const line = (name: string, minutes: number, trigger = 't') => ({
    repository: 'team/web',
    tag: name,
    trigger,
    atMs: noon + minutes * minute,
  })

  it('tells of each push once, from after the last look on', () => {
    const lines = [line('b', 1), line('a', 2), line('a', 3, 'other'), line('old', 0), line('older', -1)]
    expect(logHints(lines, noon)).toEqual([
      { source: 'poll', repository: 'team/web', tag: 'a', pushedMs: noon + 3 * minute },
      { source: 'poll', repository: 'team/web', tag: 'b', pushedMs: noon + minute },
    ])
  })
})
