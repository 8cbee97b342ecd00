import { parseArgs } from 'node:util'
import type { Settings } from '#functions/image-cleaner/event.ts'
import { recallHistory, type SeenTag } from '#functions/image-cleaner/history.ts'
import type { Copy } from '#functions/image-cleaner/plan-copies.ts'
import { type ContentReport, type Fate, type RepositoryReport, reportImages } from '#functions/image-cleaner/report.ts'
import { recallCopies } from '#functions/image-cleaner/run-memory.ts'
import { sizeText } from '#functions/image-cleaner/size-text.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { dateText } from './date-text.ts'
import { type ImageWorld, withImages } from './image-world.ts'
import { nearestOnes } from './nearest-ones.ts'

export const explain: Command = {
  summary: 'say why an image is kept, or why it goes',
  help: `Usage: longshore explain <image> [--config FILE | --sandbox] [--json]

Reads all clusters and the image's repository, and says of each of its tags what the next run of the image cleaner does with it
and everything that says so: the rules of policies, what asks for it (cluster, object, when it was seen), what was in use
lately, tags of the same content, protection, clusters that cannot be read, caps and canaries. Nothing is changed.

<image> is a repository (shop/web), a tag of one (shop/web:v1), either with the registry's host, or a digest (sha256:…, or at
least its first 12 digits), which is looked for in the whole registry. Caps are counted as if nothing else were removed.

Exit code 0: the image is there. 1: it is not, or something could not be read; names that are alike are suggested.

Example: longshore explain shop/storefront:latest --sandbox`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { config: { type: 'string' }, sandbox: { type: 'boolean' }, json: { type: 'boolean' } },
    })
    const [text, ...more] = positionals
    if (text === undefined || more.length > 0) throw new UsageError('name one image, such as shop/web:v1')
    return await withImages(io, values, async (world) => {
      const query = readImageQuery(text, world.config.settings.hosts)
      const found = await lookFor(query, world)
      if (values.json === true) {
        world.print(JSON.stringify(explanationJson(text, found, world), null, 2))
      } else {
        for (const line of explanationLines(found, world)) world.print(line)
      }
      for (const problem of found.problems) io.err(world.redact(problem))
      if (found.matches.length > 0) return 0
      for (const line of await unknownLines(query, found, world)) io.err(world.redact(line))
      return 1
    })
  },
}

/** What somebody asks about. */
export type ImageQuery =
  | {
      readonly kind: 'name'
      readonly repository: string
      readonly tag?: string | undefined
      readonly digest?: string | undefined
      /** The host it was written with, where that is none of this registry's. */
      readonly foreignHost?: string | undefined
    }
  | { readonly kind: 'digest'; readonly digest: string }

/** Reads what a person writes for an image. Without a tag all tags are meant, not `latest`. Throws UsageError. */
export function readImageQuery(text: string, hosts: readonly string[]): ImageQuery {
  const plain = text.trim().replace(/^[a-z][a-z0-9+.-]*:\/\//, '')
  const bare = /^(?:sha256:)?([0-9a-f]{12,64})$/.exec(plain)
  if (bare !== null) return { kind: 'digest', digest: `sha256:${bare[1] ?? ''}` }
  const [path = '', digest, ...rest] = plain.split('@')
  if (rest.length > 0 || (digest !== undefined && !/^sha256:[0-9a-f]{12,64}$/.test(digest)))
    throw new UsageError(`"${text}" has no digest such as sha256:0123… behind its @`)
  const colon = path.lastIndexOf(':')
  const hasTag = colon > path.lastIndexOf('/')
  const tag = hasTag ? path.slice(colon + 1) : undefined
  const full = hasTag ? path.slice(0, colon) : path
  const slash = full.indexOf('/')
  const host = slash === -1 ? '' : full.slice(0, slash).toLowerCase()
  const isOurs = hosts.some((one) => one.toLowerCase() === host)
  const looksLikeHost = /[.:]/.test(host) || host === 'localhost'
  const repository = isOurs || looksLikeHost ? full.slice(slash + 1) : full
  if (repository === '' || tag === '' || /\s/.test(full))
    throw new UsageError(`"${text}" is no image; write it as shop/web, shop/web:v1 or sha256:…`)
  return {
    kind: 'name',
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
    ...(looksLikeHost && !isOurs ? { foreignHost: host } : {}),
  }
}

interface Match {
  readonly report: RepositoryReport
  readonly content: ContentReport
}

interface Found {
  readonly matches: readonly Match[]
  /** Of the repository that was asked for, where it is there. */
  readonly tags?: readonly string[] | undefined
  readonly repositories: readonly string[]
  readonly problems: readonly string[]
}

async function lookFor(query: ImageQuery, { cloud, config, around, now, clusterName }: ImageWorld): Promise<Found> {
  const repositories: string[] = []
  const matches: Match[] = []
  const problems: string[] = []
  let tags: readonly string[] | undefined
  if (query.kind === 'name' && query.foreignHost !== undefined) return { matches, repositories, problems }
  const only = (name: string): boolean => {
    repositories.push(name)
    return query.kind === 'digest' || name === query.repository
  }
  for await (const part of reportImages({ cloud, config, now, around, only })) {
    if (part.kind === 'problem') problems.push(`${part.target}: ${part.text}`)
    if (part.kind === 'clusters') {
      for (const { id, problem } of part.clusters) if (problem !== undefined) problems.push(`${clusterName(id)} cannot be read: ${problem}`)
    }
    if (part.kind !== 'repository') continue
    const { report } = part
    // What could not be read has no tags, and nobody knows whether this one is among them.
    if (report.whole?.code === 'repository-incomplete') problems.push(`${report.repository}: ${report.whole.text}`)
    else if (query.kind === 'name') tags = report.contents.flatMap((content) => content.tags.map(({ name }) => name))
    for (const content of report.contents) if (isMeant(content, query)) matches.push({ report, content })
  }
  return { matches, repositories, problems, ...(tags === undefined ? {} : { tags }) }
}

function isMeant({ tags }: ContentReport, query: ImageQuery): boolean {
  const { digest } = query
  const hasDigest = tags.some(({ contentId, imageId, parts = [] }) =>
    [contentId, imageId, ...parts].some((id) => digest !== undefined && id?.startsWith(digest) === true),
  )
  if (query.kind === 'digest') return hasDigest
  // With a tag beside it only the digest counts, as for container runtimes.
  if (digest !== undefined) return hasDigest
  return query.tag === undefined || tags.some(({ name }) => name === query.tag)
}

const fateWords: Readonly<Record<Fate, string>> = {
  kept: 'is kept',
  going: 'goes with the next run',
  waiting: 'is kept by nothing, but does not go yet',
}

function explanationLines({ matches }: Found, { config, now, clusterName, readable }: ImageWorld): readonly string[] {
  const { timeZone } = config.settings
  return matches.flatMap(({ report, content }, index) => {
    const { tags, fate, reasons, uses, place, pushedMs, sizeBytes } = content
    const [newest] = tags
    const shared = tags.length > 1 ? `, one content under ${tags.length} names, which stay or go together` : ''
    const present = uses.filter(({ seenMs }) => seenMs >= now)
    // What was seen earlier says no more where something is seen now.
    const lately = present.length > 0 ? [] : uses.filter(({ seenMs }) => seenMs < now)
    return [
      ...(index === 0 ? [] : ['']),
      `${report.repository}:${tags.map(({ name }) => name).join(' = ')} ${fateWords[fate]}${shared}`,
      row('content', `${newest?.contentId ?? ''}, ${sizeText(sizeBytes)}`),
      row('pushed', `${formatInstant(pushedMs, timeZone)}, number ${place} of ${report.contents.length} by push time`),
      row('policies', report.policies.join(', ') || 'none'),
      ...reasons
        // Everything that uses it follows by itself.
        .filter(({ code }) => uses.length === 0 || (code !== 'referenced' && code !== 'referenced-lately'))
        .map(({ code, text }) => row(fate === 'kept' ? 'kept' : code === 'expired' ? 'goes' : 'waits', `${readable(text)} [${code}]`)),
      ...byPlace(present).map(({ cluster, object, vias }) =>
        row('in use', `by ${object} in ${clusterName(cluster)} (${vias.join(', ')}), seen now`),
      ),
      ...lately.map(({ cluster, object, seenMs }) =>
        row('was used', `by ${object} in ${clusterName(cluster)}, last seen at ${formatInstant(seenMs, timeZone)}`),
      ),
    ]
  })
}

/** A pod that asks for an image and reports to run it is one place. */
function byPlace(uses: ContentReport['uses']) {
  return [...Map.groupBy(uses, ({ cluster, object }) => `${cluster} ${object}`).values()].flatMap((own) => {
    const [first] = own
    return first === undefined ? [] : [{ cluster: first.cluster, object: first.object, vias: [...new Set(own.map(({ via }) => via))] }]
  })
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(8)}  ${text}`
}

function explanationJson(text: string, { matches, problems }: Found, { now, clusterName }: ImageWorld): object {
  return {
    image: text,
    at: new Date(now).toISOString(),
    problems,
    matches: matches.map(({ report, content }) => {
      const { tags, fate, reasons, uses, place, pushedMs, sizeBytes } = content
      return {
        repository: report.repository,
        tags: tags.map(({ name, contentId, imageId, pushedMs: ownMs }) => ({
          name,
          contentId,
          ...(imageId === undefined ? {} : { imageId }),
          pushedAt: new Date(ownMs).toISOString(),
        })),
        verdict: fate,
        policies: report.policies,
        place,
        of: report.contents.length,
        pushedAt: new Date(pushedMs).toISOString(),
        sizeBytes,
        reasons,
        uses: uses.map(({ cluster, object, via, tag, digest, seenMs }) => ({
          cluster,
          clusterName: clusterName(cluster),
          object,
          via,
          ...(tag === undefined ? {} : { tag }),
          ...(digest === undefined ? {} : { digest }),
          seenAt: new Date(seenMs).toISOString(),
          now: seenMs >= now,
        })),
      }
    }),
  }
}

/** What there is instead of an image that is not there. */
async function unknownLines(query: ImageQuery, found: Found, world: ImageWorld): Promise<readonly string[]> {
  const { settings } = world.config
  if (query.kind === 'digest') return [`No tag of this registry has the content ${query.digest}.`]
  const { repository, tag, digest, foreignHost } = query
  if (foreignHost !== undefined)
    return [`${foreignHost} is not this registry, which is known as ${settings.hosts.join(', ')} (functions.image-cleaner.hosts).`]
  const copies = await recallCopies(world.memory)
  if (repository === settings.quarantine?.repository) return quarantineLines(repository, tag, copies, settings)
  if (found.tags === undefined) {
    // Why nobody knows has been said already.
    if (found.repositories.includes(repository) || (found.repositories.length === 0 && found.problems.length > 0)) return []
    const near = nearestOnes(repository, found.repositories)
    return [
      `There is no repository ${repository}.${near.length === 0 ? '' : ` Did you mean ${near.join(', ')}?`}`,
      ...goneLines(repository, tag, copies, [], settings),
    ]
  }
  const what = digest ?? tag
  if (what === undefined) return [`${repository} has no tags.`]
  const near = tag === undefined ? [] : nearestOnes(tag, found.tags)
  const history = (await recallHistory(world.memory, repository))?.tags ?? []
  return [
    `${repository} has no ${digest === undefined ? `tag ${what}` : `content ${what}`}.${near.length === 0 ? '' : ` Did you mean ${near.join(', ')}?`}`,
    ...goneLines(repository, tag, copies, history, settings),
  ]
}

function quarantineLines(repository: string, tag: string | undefined, copies: readonly Copy[], { timeZone }: Settings): readonly string[] {
  const copy = copies.find((one) => one.copy === tag)
  if (copy === undefined)
    return [`${repository} is the quarantine, where removed tags are kept for some time; \`longshore restore\` lists them.`]
  return [
    `${repository}:${copy.copy} is the copy of ${copy.repository}:${copy.name}, which was removed; it is kept until ${formatInstant(copy.untilMs, timeZone)}.`,
  ]
}

/** When a tag was removed, and how it comes back. */
function goneLines(
  repository: string,
  tag: string | undefined,
  copies: readonly Copy[],
  history: readonly SeenTag[],
  { timeZone }: Settings,
): readonly string[] {
  if (tag === undefined) return []
  const removed = history.findLast((row) => row.name === tag && row.removedDay !== undefined)?.removedDay
  const copy = copies.find((one) => one.repository === repository && one.name === tag)
  return [
    ...(removed === undefined ? [] : [`The image cleaner removed it on ${dateText(removed)}.`]),
    ...(copy === undefined
      ? []
      : [`A copy is kept until ${formatInstant(copy.untilMs, timeZone)}: longshore restore ${repository}:${tag}`]),
  ]
}
