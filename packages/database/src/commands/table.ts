/** Rows as columns of text: numbers at the right, the last column as wide as it is. */
export function table(head: string[], rows: (string | number)[][]): string {
  const cells = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => isNumber(row[column])))
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

const isNumber = (cell: string | number | undefined): boolean =>
  typeof cell === 'number' || cell === '–' || /^[\d.]+ ?%?$/.test(cell ?? '')
