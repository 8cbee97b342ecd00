import { describe, expect, it } from 'vitest'
import { wayBack } from '#functions/redeploy-hook/way-back.ts'
import { config, digest, host, repository, tag } from './small-world.ts'

const web = (name: string): string => `${host}/team/web:${name}`
const instead = { image: web('1.0.1'), content: digest('b') }
const seen = repository([tag('1.0.0', 'a', -9), tag('1.0.1', 'b', -1), tag('latest', 'b', -1)])
const unread = { name: 'team/web', tags: [], problem: 'no answer' }
const pinned = (letter: string): string => `${host}/team/web@${digest(letter)}`

describe('the way back', () => {
  it.each([
    ['a name that still stands for it', { image: web('1.0.0'), content: digest('a') }, seen, web('1.0.0')],
    ['a name of which nobody knew the content', { image: web('1.0.0') }, seen, web('1.0.0')],
    ['a name that stands for something else by now', { image: web('1.0.0'), content: digest('c') }, seen, pinned('c')],
    ['a name that stands for what failed', { image: web('latest'), content: digest('a') }, seen, pinned('a')],
    ['a name that is gone', { image: web('0.9'), content: digest('d') }, seen, pinned('d')],
    ['a name that is gone, and nobody knew the content', { image: web('0.9') }, seen, web('0.9')],
    ['a digest', { image: pinned('a'), content: digest('a') }, seen, pinned('a')],
    ['a name, while the registry cannot be read', { image: web('1.0.0'), content: digest('a') }, unread, pinned('a')],
    ['a name without a content, while the registry cannot be read', { image: web('1.0.0') }, unread, web('1.0.0')],
    ['a name of a repository that nobody looked at', { image: 'nginx:1' }, undefined, 'nginx:1'],
    ['a name of another repository than was looked at', { image: 'nginx:1' }, seen, 'nginx:1'],
  ])('%s', (_, previous, read, image) => {
    expect(wayBack(previous, instead, read, config())?.image).toBe(image)
  })

  it.each([
    ['of nothing', undefined, seen],
    ['to the same name, whose content nobody knew', { image: web('1.0.1') }, seen],
    ['to the same name, while the registry cannot be read', { image: web('1.0.1') }, unread],
    ['to a name that stands for what failed, whose content nobody knew', { image: web('latest') }, seen],
    ['to the very content that failed', { image: web('latest'), content: digest('b') }, seen],
  ])('there is none %s', (_, previous, read) => {
    expect(wayBack(previous, instead, read, config())).toBeUndefined()
  })

  it('there is none by an id that is no digest', () => {
    const opaque = config([], { contentIds: 'opaque' })
    expect(wayBack({ image: web('latest'), content: digest('a') }, instead, seen, opaque)).toBeUndefined()
    expect(wayBack({ image: web('1.0.0'), content: digest('a') }, instead, seen, opaque)?.image).toBe(web('1.0.0'))
  })
})
