import { describe, expect, it } from 'vitest'
import type { TagChoice } from '#functions/redeploy-hook/event.ts'
import { compareAge, isCounted, isNewer, regexesOf, wantedTag } from '#functions/redeploy-hook/rules.ts'
import { config, rule, tag } from './small-world.ts'

function choice(tags: object): TagChoice {
  const [first] = config([rule({ tags })]).settings.rules
  if (first === undefined) throw new Error('there is no rule')
  return first.tags
}

const counted = (tags: object, ...names: readonly string[]): readonly string[] =>
  names.filter((name) => isCounted(choice(tags), { name, patterns: name.startsWith('r') ? ['r.*'] : [] }))

describe('which tags count', () => {
  it.each([
    [{ all: true }, ['latest', '1.0.0', 'r1']],
    [{ list: ['latest'] }, ['latest']],
    [{ regex: 'r.*' }, ['r1']],
    [{ glob: ['1.*', 'lat*'] }, ['latest', '1.0.0']],
    [{ semver: '^1.0.0' }, ['1.0.0']],
  ])('by %j', (tags, names) => {
    expect(counted(tags, 'latest', '1.0.0', 'r1')).toEqual(names)
  })

  it('the expressions of all rules are known once each', () => {
    const { settings } = config([rule({ tags: { regex: 'a' } }), rule({ name: 'b', tags: { regex: 'a' } }), rule({ name: 'c' })])
    expect(regexesOf(settings)).toEqual(['a'])
  })
})

describe('which one is wanted', () => {
  it('none of none', () => {
    expect(wantedTag([], choice({ all: true }))).toBeUndefined()
  })

  it('the one that was pushed last, not the one with the highest version', () => {
    expect(wantedTag([tag('2.0.0', 'a', -5), tag('1.9.9', 'b', -1)], choice({ all: true }))?.tag.name).toBe('1.9.9')
  })

  it('of a range the highest version, and prereleases only where they are asked for', () => {
    const tags = [tag('1.9.9', 'a', -1), tag('v1.10.0', 'b', -50), tag('2.0.0-rc.1', 'c', -1), tag('junk', 'd', -1)]
    expect(wantedTag(tags, choice({ semver: '>=1' }))?.tag.name).toBe('v1.10.0')
    expect(wantedTag(tags, choice({ semver: '>=2.0.0-0' }))?.tag.name).toBe('2.0.0-rc.1')
  })

  it('of two spellings of one version the one that was pushed last, and a guess where nobody knows', () => {
    const ranged = choice({ semver: '*' })
    const known = wantedTag([tag('1.0.0', 'a', -5), tag('v1.0.0', 'b', -1)], ranged)
    expect(known).toMatchObject({ tag: { name: 'v1.0.0' }, isGuess: false })
    expect(known?.tiedWith).toBeUndefined()
    const same = wantedTag([tag('1.0.0', 'a', -1), tag('v1.0.0', 'b', -1), tag('0.9.0', 'c', -1)], ranged)
    expect(same).toMatchObject({ tiedWith: { name: '1.0.0' }, isGuess: false })
    expect(wantedTag([tag('1.0.0', 'a', undefined), tag('v1.0.0', 'b', undefined)], ranged)?.isGuess).toBe(true)
    expect(wantedTag([tag('1.0.0', 'a', undefined), tag('0.9.0', 'b', undefined)], ranged)).toMatchObject({
      tag: { name: '1.0.0' },
      isGuess: false,
    })
  })

  it('no guess where the contents are the same, or only one is without a time', () => {
    expect(wantedTag([tag('a', 'a', undefined), tag('b', 'a', undefined)], choice({ all: true }))?.isGuess).toBe(false)
    expect(wantedTag([tag('a', 'a', undefined), tag('b', 'b', -1)], choice({ all: true }))).toMatchObject({
      tag: { name: 'b' },
      isGuess: false,
    })
    expect(wantedTag([tag('a', 'a', undefined), tag('b', 'b', undefined)], choice({ all: true }))?.isGuess).toBe(true)
  })

  it('the same whatever the order in which tags come', () => {
    const tags = [tag('b', 'b', -1), tag('a', 'a', -1), tag('1.0', 'c', -1), tag('1.0.0', 'd', -1), tag('z', 'e', undefined)]
    const found = tags.map((_, index) => wantedTag([...tags.slice(index), ...tags.slice(0, index)], choice({ all: true })))
    expect(new Set(found.map((one) => one?.tag.name))).toEqual(new Set(['1.0.0']))
    expect(new Set(found.map((one) => one?.tiedWith?.name))).toEqual(new Set(['b']))
  })
})

describe('which one is newer', () => {
  const all = choice({ all: true })
  const ranged = choice({ semver: '*' })

  it.each([
    ['pushed later', tag('a', 'b', 1), tag('b', 'a', 0), true],
    ['pushed earlier', tag('b', 'b', 0), tag('a', 'a', 1), false],
    ['the same content under another name, pushed later', tag('b', 'a', 1), tag('a', 'a', 0), false],
    ['the same tag pushed again in the same second', tag('a', 'b', 0), tag('a', 'a', 0), true],
    ['the same tag as it was before', tag('a', 'a', 0), tag('a', 'b', 1), false],
    ['the same tag, and nobody knows when', tag('a', 'b', undefined), tag('a', 'a', 0), true],
    ['another tag, and nobody knows when', tag('b', 'b', undefined), tag('a', 'a', 0), false],
  ])('%s', (_, candidate, mark, expected) => {
    expect(isNewer(all, candidate, mark)).toBe(expected)
  })

  it('of a range goes by version first', () => {
    expect(isNewer(ranged, tag('1.1.0', 'b', 0), tag('1.0.0', 'a', 5))).toBe(true)
    expect(isNewer(ranged, tag('1.0.0', 'b', 9), tag('1.1.0', 'a', 5))).toBe(false)
    expect(isNewer(ranged, tag('v1.1.0', 'b', 9), tag('1.1.0', 'a', 5))).toBe(true)
    expect(compareAge(ranged, tag('1.0.0', 'a', 1), tag('latest', 'b', 9))).toBeGreaterThan(0)
  })
})
