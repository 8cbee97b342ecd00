/** The most that a message shows of one text of a stranger. */
export const longestQuote = 200

/**
 * A stranger's text as a message may show it: its beginning, at most so many characters with an ellipsis for the rest, and
 * control characters replaced, so that it can neither swell a log nor move a terminal's cursor.
 */
export function clip(text: string, most: number = longestQuote): string {
  const shown = text.length <= most ? text : `${wholeCharacters(text, most - 1)}…`
  return shown.replace(/\p{Cc}/gu, '\ufffd')
}

/** The same in quotes, as JSON writes it: with its quotes and escapes it is at most so many characters long. */
export function quote(text: string, most: number = longestQuote): string {
  const written = JSON.stringify(text.slice(0, most))
  return text.length <= most && written.length <= most ? written : `${wholeCharacters(written.slice(0, -1), most - 2)}…"`
}

/** At most so many characters from the beginning, none cut in half. */
function wholeCharacters(text: string, most: number): string {
  return text.slice(0, most).replace(/[\ud800-\udbff]$/, '')
}
