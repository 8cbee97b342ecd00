import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import type { ContentReport, ReportPart, RepositoryReport } from '#functions/image-cleaner/report.ts'
import { sizeText } from '#functions/image-cleaner/size-text.ts'
import { type Html, html } from '#infra/report/html.ts'
import { htmlPage } from '#infra/report/html-page.ts'
import { htmlTable } from '#infra/report/html-table.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import type { ImageWorld } from './image-world.ts'
import {
  bytesOf,
  countsLine,
  inOrderOfFate,
  minuteText,
  namesText,
  type ReportSink,
  type ReportTotals,
  reasonsText,
} from './images-text.ts'

/** Chooses what is shown; without a script, so that the page runs nothing. */
const filterStyle = `
body:has(#show-changes:checked) :is(tr, section).kept,
body:has(#show-going:checked) :is(tr, section):is(.kept, .waiting) {
  display: none;
}

@media print {
  fieldset.filter {
    display: none;
  }
}
`

/** So many contents of one repository are shown; what goes and waits comes first. */
const mostRows = 2000

type Summary = readonly [name: Html, kept: number, going: number, waiting: number, goingSize: string, why: string]

/**
 * Writes a report as one page. What there is to say about a repository goes to a file beside it as soon as it is known, so that
 * never more than one is in memory; the page is put together at the end and takes the place of an older one at once.
 */
export async function openImagesPage(path: string, world: ImageWorld): Promise<ReportSink> {
  const { config, now, redact, readable } = world
  const { timeZone } = config.settings
  const partPath = `${path}.${randomUUID()}.part`
  const newPath = `${path}.${randomUUID()}.new`
  const part = await open(partPath, 'wx')
  const summaries: Summary[] = []
  let clusters: Extract<ReportPart, { readonly kind: 'clusters' }> | undefined
  const abandon = async (): Promise<void> => {
    await part.close()
    await rm(partPath, { force: true })
    await rm(newPath, { force: true })
  }
  return {
    abandon,
    add: async (one) => {
      if (one.kind === 'clusters') clusters = one
      if (one.kind !== 'repository') return
      const { report } = one
      const { kept, going, waiting } = report.counts
      const id = `repository-${summaries.length}`
      const why = readable(report.whole?.text ?? '')
      summaries.push([
        html`<a href="#${id}">${report.repository}</a>`,
        kept,
        going,
        waiting,
        going === 0 ? '' : sizeText(bytesOf(report, 'going')),
        why,
      ])
      const left = report.contents.length - mostRows
      const section = html`<section class="${going > 0 ? 'going' : waiting > 0 ? 'waiting' : 'kept'}">
<h2 id="${id}">${report.repository}</h2>
<p>${countsLine(report)}. ${report.policies.length === 0 ? '' : `Policies: ${report.policies.join(', ')}.`} ${why}</p>
${contentTable(report, inOrderOfFate(report.contents).slice(0, mostRows), world)}
${left > 0 ? html`<p class="faint">${left} more are kept or wait; <code>longshore images report --json</code> has all of them.</p>` : undefined}
</section>
`
      await part.appendFile(redact(section.markup))
    },
    end: async (totals) => {
      const marker = `here-${randomUUID()}`
      const head = summaryOf(totals, summaries, clusters, world)
      const page = htmlPage({
        title: `Images, ${formatInstant(now, timeZone)}`,
        styles: [filterStyle],
        body: html`${head}
<main>${marker}</main>`,
      })
      const [before = '', after = ''] = redact(page).split(marker)
      let file: FileHandle | undefined
      try {
        file = await open(newPath, 'wx')
        await file.appendFile(before)
        for await (const chunk of createReadStream(partPath)) await file.appendFile(chunk)
        await file.appendFile(after)
      } finally {
        await file?.close()
      }
      await rename(newPath, path)
      await abandon()
    },
  }
}

const fateClasses = { kept: 'good', going: 'bad', waiting: 'warn' } as const

function contentTable(
  { repository, whole }: RepositoryReport,
  contents: readonly ContentReport[],
  { config, readable }: Pick<ImageWorld, 'config' | 'readable'>,
): Html {
  const { timeZone } = config.settings
  return htmlTable({
    caption: `Tags of ${repository}, times of ${timeZone}`,
    columns: [
      { title: 'Tag', kind: 'name' },
      { title: 'Verdict', kind: 'moment' },
      { title: 'Pushed', kind: 'moment' },
      { title: 'Size', kind: 'number' },
      { title: 'Why', kind: 'prose' },
    ],
    rowClasses: contents.map(({ fate }) => fate),
    stacks: true,
    rows: contents.map((content) => [
      namesText(content),
      html`<span class="${fateClasses[content.fate]}">${content.fate}</span>`,
      minuteText(content.pushedMs, timeZone),
      sizeText(content.sizeBytes),
      // What holds for all of it stands above the table.
      readable(reasonsText({ reasons: content.reasons.filter(({ code }) => code !== whole?.code) })),
    ]),
  })
}

function summaryOf(
  { repositories, counts, bytes, problems, hints }: ReportTotals,
  summaries: readonly Summary[],
  clusters: Extract<ReportPart, { readonly kind: 'clusters' }> | undefined,
  { config, now, clusterName, readable }: ImageWorld,
): Html {
  const { timeZone, quarantine } = config.settings
  const later =
    quarantine === undefined
      ? ''
      : ` What is removed is kept in ${quarantine.repository} for ${quarantine.days} days first; only then its bytes are free.`
  return html`<header>
<h1>What becomes of the images</h1>
<p class="faint">image-cleaner in mode ${config.mode}, ${formatInstant(now, timeZone)}. Nothing was changed to make this page.</p>
<p>Kept: a rule, a user or a protection speaks for it. Going: the next run removes it. Waiting: nothing keeps it, and caps or a new
policy's small start leave it for another day. Tags of one content stay or go together.${later}</p>
${problems.map((problem) => html`<p class="bad">${readable(problem)}</p>`)}
${hints.map((hint) => html`<p class="warn">Hint: ${hint}.</p>`)}
<dl class="facts">
${fact('Repositories', String(repositories))}
${fact('Tags kept', String(counts.kept))}
${fact('Tags going', String(counts.going))}
${fact('Tags waiting', String(counts.waiting))}
${fact('Freed', sizeText(bytes.going))}
${fact('Freed later', sizeText(bytes.waiting))}
</dl>
<p class="faint">Bytes count once for each content over all repositories. Layers that others share free less.</p>
<h2 id="clusters">What was asked</h2>
${htmlTable({
  caption: 'Clusters',
  columns: [
    { title: 'Cluster' },
    { title: 'Images in use', kind: 'number' },
    { title: 'Pods', kind: 'number' },
    { title: 'Problem', kind: 'prose' },
  ],
  stacks: true,
  rows: (clusters?.clusters ?? []).map(({ id, images, pods, problem }) => [
    clusterName(id),
    problem === undefined ? images : '',
    problem === undefined ? pods : '',
    problem ?? '',
  ]),
})}
<h2 id="repositories">Repositories</h2>
${htmlTable({
  caption: 'Repositories by name',
  columns: [
    { title: 'Repository' },
    { title: 'Kept', kind: 'number' },
    { title: 'Going', kind: 'number' },
    { title: 'Waiting', kind: 'number' },
    { title: 'Going, bytes', kind: 'number' },
    { title: 'Note', kind: 'prose' },
  ],
  rowClasses: summaries.map(([, , going, waiting]) => (going > 0 ? 'going' : waiting > 0 ? 'waiting' : 'kept')),
  stacks: true,
  rows: summaries,
})}
<fieldset class="filter"><legend>Show</legend>
<label><input type="radio" name="show" id="show-all" checked> everything</label>
<label><input type="radio" name="show" id="show-changes"> what goes or waits</label>
<label><input type="radio" name="show" id="show-going"> what goes with the next run</label>
</fieldset>
</header>`
}

function fact(name: string, value: string): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`
}
