import * as z from 'zod/mini'
import { CloudError } from '#cloud/errors.ts'
import { BatchDeleteImagePersonal } from '#cloud/generated/tcr/batch-delete-image-personal.ts'
import type { ImageChange } from '#functions/image-cleaner/image-change.ts'
import { parseJson } from '#infra/sandbox/kubernetes/json.ts'
import { platformTime } from '#infra/sandbox/tcr/platform-time.ts'
import type { Cleaner, Sabotage } from '../sabotage.ts'
import { forwardedIn, type OtherCall, rewritten, withCalls, withStore } from './other-parts.ts'
import type { PlantedBug } from './planted-bug.ts'

/** Mistakes that somebody might make in the image-cleaner. */
export const imageBugs: readonly PlantedBug[] = [
  {
    name: 'a page of tags that is believed although it lies',
    function: 'image-cleaner',
    noticedBy: ['image-blind'],
    sabotage: () =>
      withTagLists(({ TagInfo }) => {
        const rows = TagInfo.filter(({ TagName }, index) => TagInfo.findIndex((other) => other.TagName === TagName) === index)
        return { TagInfo: rows, TagCount: rows.length }
      }),
  },
  {
    name: 'a list of tags that is kept from the first time it was read',
    function: 'image-cleaner',
    noticedBy: ['image-blind', 'written-unread'],
    sabotage: () => ({ cloud: (cloud) => withCalls(cloud, { read: remembering('always') }) }),
  },
  {
    name: 'a list of tags that stands in for one that cannot be read',
    function: 'image-cleaner',
    noticedBy: ['image-blind'],
    sabotage: () => ({ cloud: (cloud) => withCalls(cloud, { read: remembering('on-failure') }) }),
  },
  {
    name: 'a batch that is removed without a look at its tags',
    function: 'image-cleaner',
    noticedBy: ['written-unread'],
    sabotage: () =>
      withCleaner((cleaner) => ({
        apply: async (step, cloud, config, now) => {
          const { change } = step
          if (change.kind !== 'remove') return await cleaner.apply(step, cloud, config, now)
          await cloud.send(BatchDeleteImagePersonal, { RepoName: change.repository, Tags: change.tags.map(({ name }) => name) })
          return { outcome: 'Applied' }
        },
      })),
  },
  {
    name: 'a look before a batch that sees names only',
    function: 'image-cleaner',
    noticedBy: ['image-moved'],
    sabotage: () =>
      withCleaner((cleaner) => ({
        apply: (step, cloud, config, now) =>
          cleaner.apply(step, { send: (action, ...more) => unmoved(step.change)(cloud, action, more[0], more[1]) }, config, now),
      })),
  },
  {
    name: 'tags that are judged one by one, whatever else has their content',
    function: 'image-cleaner',
    noticedBy: ['image-used'],
    sabotage: () =>
      withTagLists((data) => ({
        ...data,
        TagInfo: data.TagInfo.map((row) => ({ ...row, TagId: `${row.TagId}-${row.TagName}`, ImageId: '' })),
      })),
  },
  {
    name: 'a cluster that cannot be read and counts as one that uses nothing',
    function: 'image-cleaner',
    noticedBy: ['image-blind'],
    sabotage: () => withLists((body) => (body.includes('"items":') && parseJson(body) !== undefined ? body : emptyList)),
  },
  {
    name: 'init containers that nobody looks at',
    function: 'image-cleaner',
    noticedBy: ['image-used'],
    sabotage: () =>
      withLists((body) => body.replaceAll('"initContainers":', '"others":').replaceAll('"initContainerStatuses":', '"others":')),
  },
  {
    name: 'digests of pinned images that nobody looks at',
    function: 'image-cleaner',
    noticedBy: ['image-used'],
    sabotage: () => withLists((body) => body.replaceAll(/@sha256:[0-9a-f]{64}/g, ':none')),
  },
  {
    name: 'what was in use yesterday and is forgotten today',
    function: 'image-cleaner',
    noticedBy: ['image-used-lately'],
    sabotage: () => withSection((section) => ({ ...section, referenceMemory: '1s' })),
  },
  {
    name: 'a tag that was brought back and is removed again',
    function: 'image-cleaner',
    noticedBy: ['image-used'],
    sabotage: () =>
      withCleaner((cleaner) => ({
        plan: (observed, config, now) => {
          if (observed.kind !== 'repository') return cleaner.plan(observed, config, now)
          const back = new Set(observed.repository.tags.flatMap(({ name, isRestored }) => (isRestored === true ? [name] : [])))
          const references =
            back.size === 0 ? observed.references : observed.references.filter(({ tag }) => tag !== undefined && !back.has(tag))
          return cleaner.plan({ ...observed, references }, config, now)
        },
      })),
  },
  {
    name: 'clusters that are looked at once, however long a run takes',
    function: 'image-cleaner',
    noticedBy: ['image-stale'],
    sabotage: () =>
      withCleaner((cleaner) => ({
        observeParts: async function* (cloud, config, now, around) {
          const parts = cleaner.observeParts(cloud, config, now, around)
          for (let part = await parts.next(); part.done !== true; ) part = await parts.next({ ...(yield part.value), now })
        },
      })),
  },
  {
    name: 'images that are sorted by the time at which they were built',
    function: 'image-cleaner',
    noticedBy: ['image-kept'],
    sabotage: () => withTagLists((data) => ({ ...data, TagInfo: data.TagInfo.map((row) => ({ ...row, PushTime: row.CreationTime })) })),
  },
  {
    name: 'a list of protected images that nobody reads',
    function: 'image-cleaner',
    noticedBy: ['image-protected'],
    sabotage: () => withSection((section) => ({ ...section, protect: [] })),
  },
  {
    name: 'a batch that takes the last tag of its repository with it',
    function: 'image-cleaner',
    noticedBy: ['image-last', 'image-unplanned'],
    sabotage: () => {
      const known = new Map<string, readonly string[]>()
      const keep = (repository: string, { TagInfo }: TagData): void => {
        known.set(
          repository,
          TagInfo.map(({ TagName }) => TagName),
        )
      }
      return {
        cloud: (cloud) =>
          withCalls(cloud, {
            read: async (inner, action, request, options) => {
              const answer = await inner.send(action, request, options)
              const repository = listedIn(action.name, request)
              const data = z.safeParse(Answer, answer)
              if (repository !== undefined && data.success) keep(repository, data.data.Data)
              return answer
            },
            write: async (inner, action, request, options) => {
              const repository: unknown = Reflect.get(request, 'RepoName')
              const all = typeof repository === 'string' ? known.get(repository) : undefined
              const copy = structuredClone(request)
              if (action.name === 'BatchDeleteImagePersonal' && all !== undefined) Reflect.set(copy, 'Tags', [...all])
              return await inner.send(action, copy, options)
            },
          }),
      }
    },
  },
  {
    name: 'caps that are counted anew for each repository',
    function: 'image-cleaner',
    noticedBy: ['image-cap'],
    sabotage: () =>
      withCleaner((cleaner) => ({
        plan: (observed, config, now) => {
          if (observed.kind !== 'repository') return cleaner.plan(observed, config, now)
          const removed = { inRun: 0, today: 0, ofRepositoryToday: 0, byPolicy: {} }
          return cleaner.plan({ ...observed, removed }, config, now)
        },
      })),
  },
  {
    name: 'a run that goes on with its caps as they were in the evening',
    function: 'image-cleaner',
    noticedBy: ['image-cap'],
    sabotage: () =>
      withStore((store) => ({
        get: async (key, options) => (isDay(key) ? undefined : await store.get(key, options)),
        put: (key, data, options) => store.put(key, data, isDay(key) ? { ...options, when: 'any' } : options),
      })),
  },
  {
    name: 'a new policy that begins with everything',
    function: 'image-cleaner',
    noticedBy: ['image-canary'],
    sabotage: () => withSection((section) => ({ ...section, canary: { enabled: false } })),
  },
  {
    name: 'a quarantine into which nothing is copied',
    function: 'image-cleaner',
    noticedBy: ['image-uncopied'],
    sabotage: () => withSection(({ quarantine: _, ...section }) => section),
  },
  {
    name: 'a cleaner that removes nothing',
    function: 'image-cleaner',
    noticedBy: ['image-left'],
    sabotage: () => withoutChanges('remove'),
  },
  {
    name: 'a cleaner that brings nothing back',
    function: 'image-cleaner',
    noticedBy: ['image-missing'],
    sabotage: () => withoutChanges('restore'),
  },
]

function withCleaner(change: (cleaner: Cleaner) => Partial<Pick<Cleaner, 'plan' | 'apply' | 'observeParts'>>): Sabotage {
  return { cleaner: (cleaner) => ({ ...cleaner, ...change(cleaner) }) }
}

function withoutChanges(kind: ImageChange['kind']): Sabotage {
  return withCleaner((cleaner) => ({
    plan: (observed, config, now) =>
      cleaner.plan(observed, config, now).filter((step) => step.verdict !== 'change' || step.change.kind !== kind),
  }))
}

const Section = z.record(z.string(), z.unknown())

/** The image-cleaner with other settings than it was given. */
function withSection(change: (section: z.infer<typeof Section>) => object): Sabotage {
  return {
    config: (config) => {
      const section = z.parse(Section, config.functions['image-cleaner'])
      return { ...config, functions: { ...config.functions, 'image-cleaner': change(section) } }
    },
  }
}

const TagRow = z.looseObject({ TagName: z.string(), TagId: z.string(), PushTime: z.string(), CreationTime: z.string() })
const TagData = z.looseObject({ TagCount: z.number(), TagInfo: z.array(TagRow) })
const Answer = z.looseObject({ Data: TagData })
type TagData = z.infer<typeof TagData>

/** The repository whose tags are asked for; undefined for any other call, and for one tag only. */
function listedIn(action: string, request: object): string | undefined {
  const repository: unknown = Reflect.get(request, 'RepoName')
  const isAll = action === 'DescribeImagePersonal' && Reflect.get(request, 'Tag') === undefined
  return isAll && typeof repository === 'string' ? repository : undefined
}

function changedTags<Message>(answer: Message, change: (data: TagData) => TagData): Message {
  const data = z.safeParse(Answer, answer)
  const copy = structuredClone(answer)
  if (data.success && typeof copy === 'object' && copy !== null) Reflect.set(copy, 'Data', change(data.data.Data))
  return copy
}

/** Every list of tags as somebody else would tell it; what shares a tag's content is then not told either. */
function withTagLists(change: (data: TagData) => TagData): Sabotage {
  return {
    cloud: (cloud) =>
      withCalls(cloud, {
        read: async (inner, action, request, options) => {
          const answer = await inner.send(action, request, options)
          if (action.name !== 'DescribeImageFilterPersonal') return changedTags(answer, change)
          const copy = structuredClone(answer)
          Reflect.set(copy, 'Data', { SameImages: [Reflect.get(request, 'Tag')] })
          return copy
        },
      }),
  }
}

/** Answers of single clusters' lists with another body. */
function withLists(rewrite: (body: string) => string): Sabotage {
  return {
    cloud: (cloud) =>
      withCalls(cloud, {
        read: async (inner, action, request, options) => {
          const answer = await inner.send(action, request, options)
          const path = forwardedIn(request)?.path.split('?')[0] ?? ''
          return /^\/api(?:s\/[a-z]+)?\/v[0-9a-z]+\/[a-z]+$/.test(path) ? rewritten(answer, 'ResponseBody', rewrite) : answer
        },
      }),
  }
}

const emptyList = '{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}'

/** Lists of tags that stay what they were when they were read first: always, or where they cannot be read any more. */
function remembering(when: 'always' | 'on-failure'): OtherCall {
  const texts = new Map<string, string>()
  return async (inner, action, request, options) => {
    const repository = listedIn(action.name, request)
    if (repository === undefined) return await inner.send(action, request, options)
    const known = texts.get(repository)
    if (known !== undefined && when === 'always') return JSON.parse(known)
    try {
      const answer = await inner.send(action, request, options)
      texts.set(repository, JSON.stringify(answer))
      return answer
    } catch (error) {
      if (!(error instanceof CloudError) || known === undefined) throw error
      return JSON.parse(known)
    }
  }
}

/** Readings in which the tags of a change are what its plan says of them. */
function unmoved(change: ImageChange): OtherCall {
  const tags = new Map(change.kind === 'remove' ? change.tags.map((tag) => [tag.name, tag] as const) : [])
  return async (inner, action, request, options) => {
    const answer = await inner.send(action, request, options)
    if (action.name !== 'DescribeImagePersonal') return answer
    return changedTags(answer, (data) => ({
      ...data,
      TagInfo: data.TagInfo.map((row) => {
        const tag = tags.get(row.TagName)
        if (tag === undefined) return row
        return { ...row, TagId: tag.contentId, ImageId: tag.imageId ?? '', PushTime: platformTime(tag.pushedMs) }
      }),
    }))
  }
}

function isDay({ partition, sort }: { readonly partition: string; readonly sort: string }): boolean {
  return partition === 'memory/image-cleaner' && sort === 'day'
}
