import type { ReportPart } from '#functions/image-cleaner/report.ts'
import { sizeText } from '#functions/image-cleaner/size-text.ts'
import { columns } from './columns.ts'
import type { ImageWorld } from './image-world.ts'
import { countsLine, inOrderOfFate, minuteText, namesText, type ReportSink, reasonsText, totalsText } from './images-text.ts'
import { counted } from './words.ts'

/** A reason that has less room than this beside its tag stands below it. */
const leastWhy = 36

/** Where a reason stands below its tag it is this far in. */
const indent = 9

/**
 * A report as text: a table for each repository. On a terminal no line is longer than it is wide, and a reason that does not fit
 * beside its tag stands below it; in a file each content has one line, so that it can be searched line by line.
 */
export function tableSink(print: (line: string) => void, world: ImageWorld, width: () => number | undefined): ReportSink {
  const { config, clusterName, readable } = world
  const { timeZone, quarantine } = config.settings
  const say = (text: string, hanging = 0): void => {
    for (const line of wrapped(text, width(), hanging)) print(line)
  }
  return {
    add: (part) => {
      if (part.kind === 'clusters') {
        for (const { id, images, pods, problem } of part.clusters)
          if (problem === undefined) say(`${clusterName(id)} uses ${counted(images, 'image')} of this registry in ${counted(pods, 'pod')}.`)
      }
      if (part.kind === 'repository') repositoryLines(part)
    },
    end: ({ repositories, counts, bytes, hints }) => {
      print('')
      say(`${totalsText(repositories, counts, bytes, quarantine?.days)}. Each content counts once; layers that others share free less.`)
      for (const hint of hints) say(`Hint: ${hint}.`, 6)
    },
  }

  function repositoryLines({ report }: Extract<ReportPart, { readonly kind: 'repository' }>): void {
    print('')
    say(`${report.repository}  ${countsLine(report)}${report.whole === undefined ? '' : `  ${readable(report.whole.text)}`}`, 2)
    const rows = inOrderOfFate(report.contents).map((content) => [
      content.fate,
      namesText(content),
      minuteText(content.pushedMs, timeZone),
      sizeText(content.sizeBytes),
      // What holds for all of it is said once.
      readable(reasonsText({ reasons: content.reasons.filter(({ code }) => code !== report.whole?.code) })),
    ])
    if (rows.length === 0) return
    const heading = ['verdict', 'tag', `pushed (${timeZone})`, 'size', 'why']
    const facts = columns(
      heading.slice(0, -1),
      rows.map((row) => row.slice(0, -1)),
    )
    const room = width()
    const factsWidth = Math.max(...facts.map((line) => line.length)) + 2
    const isBeside = room === undefined || room - factsWidth >= leastWhy
    for (const [index, line] of facts.entries()) {
      const why = index === 0 ? 'why' : (rows[index - 1]?.at(-1) ?? '')
      const clean = why.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
      if (isBeside) for (const part of wrapped(`${line.padEnd(factsWidth)}${clean}`.trimEnd(), room, factsWidth)) print(part)
      else {
        for (const part of wrapped(line, room, indent)) print(part)
        if (index > 0 && clean !== '') for (const part of wrapped(' '.repeat(indent) + clean, room, indent)) print(part)
      }
    }
  }
}

/**
 * A text in lines no longer than `width`, broken at blanks where there are any, all but the first `hanging` columns in. One line
 * where there is no width.
 */
export function wrapped(text: string, width: number | undefined, hanging: number): readonly string[] {
  if (width === undefined || text.length <= width) return [text]
  // A terminal narrower than that shows nothing readable anyway.
  const most = Math.max(width, hanging + 16)
  const lines: string[] = []
  let rest = text
  while (rest.length > most) {
    const lead = lines.length === 0 ? firstWord(text) : hanging
    const blank = rest.lastIndexOf(' ', most)
    const cut = blank > lead ? blank : most
    lines.push(rest.slice(0, cut).trimEnd())
    rest = ' '.repeat(hanging) + rest.slice(cut).trimStart()
  }
  return rest.trim() === '' ? lines : [...lines, rest]
}

function firstWord(text: string): number {
  return text.length - text.trimStart().length
}
