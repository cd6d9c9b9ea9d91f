/** 2.314 → `2.31×`, 31.4 → `31×` */
export function times(ratio: number): string {
  return `${ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2)}×`
}

/** 1234.5 → `1,235`, 1.234 → `1.23` */
export function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}

/** Aligns rows as indented columns: the first and those from `textFrom` on to the left, all others to the right. */
export function alignColumns(rows: readonly (readonly string[])[], textFrom = Infinity): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const lines = rows.map((row) => {
    const cells = row.map((cell, i) =>
      i === 0 || i >= textFrom ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    )
    return `  ${cells.join('  ')}`.trimEnd()
  })
  return lines.join('\n')
}

/** Text for HTML, in an attribute too. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
