/** Formats rows as columns of text: figures right-aligned, a last column of words without padding. */
export function formatTable(head: string[], rows: (string | number)[][]): string {
  const cells = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  // Without rows, `every` below would call each column numeric.
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => isFigure(row[column])))
  const line = (row: string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        if (right[column]) return cell.padStart(width)
        return column === row.length - 1 ? cell : cell.padEnd(width)
      })
      .join('  ')
  return `${cells.map(line).join('\n')}\n`
}

function isFigure(cell: string | number | undefined): boolean {
  return typeof cell === 'number' || /^(–|[\d.]+( (%|B|kB|MB|GB))?)$/.test(cell ?? '')
}

/** Formats bytes in units of 1024, such as "1.5 kB". */
export function formatBytes(count: number): string {
  if (count < 1000) return `${count} B`
  if (count < 1e6) return `${(count / 1024).toFixed(1)} kB`
  if (count < 1e9) return `${(count / 1024 ** 2).toFixed(1)} MB`
  return `${(count / 1024 ** 3).toFixed(2)} GB`
}

/** Formats a share, such as "33.3 %"; a dash when the whole is 0. */
export function formatPercent(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((part / whole) * 100).toFixed(1)} %`
}

/** A statement on one line, cut to 160 characters. */
export function excerpt(statement: string): string {
  return statement.replaceAll(/\s+/g, ' ').slice(0, 160)
}
