/** No column but the last is wider; what does not fit is on the line all the same, and only moves the rest of it. */
const widestColumn = 60

/** A table in plain text: a heading, then the rows, two blanks between columns. Control characters become blanks. */
export function columns(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const clean = [heading, ...rows].map((row) => row.map((cell) => cell.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')))
  const widths = heading.map((_, column) => Math.min(widestColumn, Math.max(...clean.map((row) => row[column]?.length ?? 0))))
  return clean.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}
