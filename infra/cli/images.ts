import { isAbsolute, join } from 'node:path'
import { parseArgs } from 'node:util'
import { ByteCount, type ReportPart, type RepositoryReport, reportImages } from '#functions/image-cleaner/report.ts'
import { type Glob, matchesGlob, parseGlob } from '#shared/pure/glob.ts'
import type { Command } from './command.ts'
import { Stopped, stoppedCode, UsageError } from './command.ts'
import { type ImageWorld, withImages } from './image-world.ts'
import { ImageHints } from './images-hints.ts'
import { openImagesPage } from './images-page.ts'
import { tableSink } from './images-table.ts'
import { bytesOf, changesOf, fates, type ReportSink, type ReportTotals, totalsText } from './images-text.ts'
import { createProgress } from './progress.ts'

export const images: Command = {
  summary: 'say of every image in the registry what becomes of it and why',
  help: `Usage: longshore images report [--repository GLOB]… [--changes] [--json | --html FILE] [--config FILE | --sandbox]

Reads all clusters and the registry, and says of every tag what a run of the image cleaner that began now would do with it: kept,
going, or waiting (nothing keeps it, and caps or a canary leave it for another day), each with all reasons. Bytes are counted
once for each content, however many tags and repositories have it. Nothing is changed, whatever the mode.

  --repository GLOB  only these, such as 'shop/*'; may be given more than once. Caps and bytes are then counted over these only
  --changes          shows only what goes or waits; counts are those of everything all the same
  --json             one JSON document, written while it is made, with one line for each repository
  --html FILE        one file that can be read anywhere and calls nothing
  --config FILE      the configuration; longshore.yaml when absent. --sandbox: on a fresh sandbox

Hints name what the configuration says for nothing: a policy that is for no repository or keeps nothing anywhere, a rule or a
protection that no tag is like. Exit code 1 when something could not be read: it is named, and nothing of it would be removed.

Example: longshore images report --html images.html --sandbox`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        sandbox: { type: 'boolean' },
        json: { type: 'boolean' },
        html: { type: 'string' },
        repository: { type: 'string', multiple: true },
        changes: { type: 'boolean' },
      },
    })
    if (positionals[0] !== 'report' || positionals.length > 1) throw new UsageError('say what of the images: longshore images report')
    if (values.json === true && values.html !== undefined) throw new UsageError('--json and --html are two forms; choose one')
    const globs = (values.repository ?? []).map(readGlob)
    const file = values.html === undefined ? undefined : isAbsolute(values.html) ? values.html : join(io.cwd, values.html)
    return await withImages(io, values, async (world) => {
      const progress = createProgress(io, world.print)
      const sink =
        file !== undefined
          ? await openImagesPage(file, world)
          : values.json === true
            ? jsonSink(progress.print, world)
            : tableSink(progress.print, world, io.terminalColumns ?? (() => undefined))
      const totals = new Totals(world)
      let names = 0
      const only = (name: string): boolean => {
        totals.hints.exists(name)
        const isMeant = globs.length === 0 || globs.some((glob) => matchesGlob(glob, name))
        if (isMeant) names += 1
        return isMeant
      }
      try {
        progress.at(0, 0, 'the clusters')
        const { cloud, config, around, now } = world
        for await (const part of reportImages({ cloud, config, now, around, only })) {
          if (part.kind === 'repository') totals.add(part.report)
          else totals.problems.push(...problemsOf(part, world))
          if (part.kind === 'clusters') totals.hints.addClusters(part.clusters)
          const shown = values.changes === true ? changesIn(part) : part
          if (shown !== undefined) await sink.add(shown)
          progress.at(totals.repositories, names, part.kind === 'repository' ? part.report.repository : '')
        }
        io.signal.throwIfAborted()
        progress.end()
        if (globs.length > 0 && names === 0)
          totals.problems.push(`no repository is like ${globs.map(({ pattern }) => pattern).join(' or ')}`)
        const done = totals.done(globs.length === 0 && totals.problems.length === 0)
        await sink.end(done)
        if (file !== undefined) for (const line of pageLines(file, done, world)) world.print(line)
      } catch (error) {
        progress.end()
        await sink.abandon?.()
        if (!(error instanceof Stopped) && !io.signal.aborted) throw error
        io.err('Stopped before it was done.')
        return stoppedCode(io.signal)
      }
      for (const problem of totals.problems) io.err(world.redact(problem))
      return totals.problems.length > 0 ? 1 : 0
    })
  },
}

/** What is said of a page that was written. */
function pageLines(file: string, { repositories, counts, bytes, hints }: ReportTotals, { config }: ImageWorld): readonly string[] {
  return [`${file}: ${totalsText(repositories, counts, bytes, config.settings.quarantine?.days)}`, ...hints.map((hint) => `Hint: ${hint}.`)]
}

/** A part as it is shown to somebody who asks for changes; undefined where there is none in a repository. */
function changesIn(part: ReportPart): ReportPart | undefined {
  if (part.kind !== 'repository') return part
  const report = changesOf(part.report)
  return report.contents.length === 0 ? undefined : { kind: 'repository', report }
}

function readGlob(text: string): Glob {
  const glob = parseGlob(text)
  if (!glob.ok) throw new UsageError(`--repository: ${glob.error}`)
  return glob.value
}

class Totals {
  repositories = 0
  readonly hints: ImageHints
  readonly problems: string[] = []
  readonly #counts = { kept: 0, going: 0, waiting: 0 }
  readonly #bytes = new ByteCount()

  constructor({ config }: ImageWorld) {
    this.hints = new ImageHints(config.settings)
  }

  add(report: RepositoryReport): void {
    this.repositories += 1
    this.hints.add(report)
    this.#bytes.add(report)
    for (const fate of fates) this.#counts[fate] += report.counts[fate]
    if (report.whole?.code === 'repository-incomplete') this.problems.push(`${report.repository}: ${report.whole.text}`)
  }

  done(isWhole: boolean): ReportTotals {
    const { repositories, problems, hints } = this
    return { repositories, counts: this.#counts, bytes: this.#bytes.total(), problems, hints: hints.texts(isWhole) }
  }
}

function problemsOf(part: Exclude<ReportPart, { readonly kind: 'repository' }>, { clusterName }: ImageWorld): readonly string[] {
  if (part.kind === 'problem') return [`${part.target}: ${part.text}`]
  const unread = part.clusters.flatMap(({ id, problem }) =>
    problem === undefined ? [] : [`${clusterName(id)} cannot be read: ${problem}`],
  )
  return part.all === undefined ? unread : [...unread, part.all.text]
}

/** One document, written part by part: one line for each repository, so that it can also be read line by line. */
function jsonSink(print: (line: string) => void, { now, config }: ImageWorld): ReportSink {
  let isFirst = true
  let clusters: Extract<ReportPart, { readonly kind: 'clusters' }> | undefined
  const open = (): void => {
    const { quarantine } = config.settings
    const facts = {
      at: new Date(now).toISOString(),
      mode: config.mode,
      ...(quarantine === undefined ? {} : { quarantine }),
      clusters: (clusters?.clusters ?? []).map(({ elsewhere: _, ...cluster }) => cluster),
      ...(clusters?.all === undefined ? {} : { nothingIsRemoved: clusters.all }),
    }
    print(`${JSON.stringify(facts).slice(0, -1)},"repositories":[`)
  }
  let isOpen = false
  // A comma ends the line before, so each repository waits for what comes after it.
  let held: string | undefined
  const flush = (isLast: boolean): void => {
    if (held !== undefined) print(isLast ? held : `${held},`)
    held = undefined
  }
  return {
    add: (part) => {
      if (part.kind === 'clusters') clusters = part
      if (part.kind !== 'repository') return
      if (!isOpen) open()
      isOpen = true
      if (!isFirst) flush(false)
      isFirst = false
      held = JSON.stringify(repositoryJson(part.report))
    },
    end: ({ repositories, counts, bytes, problems, hints }) => {
      if (!isOpen) open()
      flush(true)
      print(
        `],"totals":${JSON.stringify({ repositories, tags: counts, bytes })},"problems":${JSON.stringify(problems)},"hints":${JSON.stringify(hints)}}`,
      )
    },
  }
}

function repositoryJson(report: RepositoryReport): object {
  const { repository, policies, whole, counts, contents } = report
  return {
    repository,
    policies,
    ...(whole === undefined ? {} : { whole }),
    counts,
    bytes: { kept: bytesOf(report, 'kept'), going: bytesOf(report, 'going'), waiting: bytesOf(report, 'waiting') },
    tags: contents.flatMap(({ tags, fate, reasons, place, uses }) =>
      tags.map(({ name, contentId, imageId, pushedMs, sizeBytes }) => ({
        name,
        verdict: fate,
        reasons,
        contentId,
        ...(imageId === undefined ? {} : { imageId }),
        sharesContentWith: tags.filter((tag) => tag.name !== name).map((tag) => tag.name),
        place,
        pushedAt: new Date(pushedMs).toISOString(),
        sizeBytes,
        uses: uses.map(({ cluster, object, via, seenMs }) => ({ cluster, object, via, seenAt: new Date(seenMs).toISOString() })),
      })),
    ),
  }
}
