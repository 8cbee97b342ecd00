/** Lays rows out in columns for a terminal: text to the left, numbers to the right. */
export function table(rows: readonly object[]): string {
  const [first] = rows
  if (first === undefined) return '(nothing)\n'
  const names = Object.keys(first)
  const cells = rows.map((row) =>
    Object.values(row).map((value: unknown) => (typeof value === 'number' ? value.toLocaleString('en-US') : String(value))),
  )
  const isNumber = Object.values(first).map((value: unknown) => typeof value === 'number')
  const widths = names.map((name, column) => Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (isNumber[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  return `${[line(names), ...cells.map(line)].join('\n')}\n`
}
