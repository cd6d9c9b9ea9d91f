/** Rows as columns of text: figures at the right, the last column as wide as it is. */
export function table(head: string[], rows: (string | number)[][]): string {
  const cells = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  // Without rows every column would be one of figures.
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

const isFigure = (cell: string | number | undefined): boolean =>
  typeof cell === 'number' || /^(–|[\d.]+( (%|B|kB|MB|GB))?)$/.test(cell ?? '')

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`
  if (count < 1e6) return `${(count / 1024).toFixed(1)} kB`
  if (count < 1e9) return `${(count / 1024 ** 2).toFixed(1)} MB`
  return `${(count / 1024 ** 3).toFixed(2)} GB`
}

export const percent = (part: number, whole: number): string =>
  whole === 0 ? '–' : `${((part / whole) * 100).toFixed(1)} %`

/** A statement as a cell: on one line, cut where it is too long to be read there. */
export const excerpt = (statement: string): string => statement.replaceAll(/\s+/g, ' ').slice(0, 160)
