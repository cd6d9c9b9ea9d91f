/** Wrong arguments and missing settings, by the exit codes of sysexits.h. */
export const exitCodes = { usage: 64, failed: 1, settings: 78 }

/** Arguments that make no sense. */
export class UsageError extends Error {}

/** `pnpm redis -- status` hands on the dashes too. */
export const argumentsOf = (): string[] => process.argv.slice(2).filter((argument) => argument !== '--')

/** Runs a command: what fails becomes a sentence and an exit code, 64 for a wrong argument, 78 for settings, else 1. */
export async function runCommand(help: string, main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main()
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: string }
    const usage = error instanceof UsageError || String(code).startsWith('ERR_PARSE_ARGS')
    process.stderr.write(`${message || code || error}\n${usage ? `\n${help}` : ''}`)
    process.exitCode = usage
      ? exitCodes.usage
      : code === 'CONFIG_INVALID'
        ? exitCodes.settings
        : exitCodes.failed
  }
}

/** Rows as columns of text, columns of numbers at the right. */
export function table(head: string[], rows: (string | number)[][]): string {
  const cells = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const right = head.map((_, column) => rows.every((row) => isFigure(row[column])))
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
