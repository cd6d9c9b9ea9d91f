import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Value } from 'typebox/value'
import { BenchError } from '../errors.ts'
import { renderReport } from './html.ts'
import { type Results, ResultsSchema } from './schema.ts'

export const resultsFolder = fileURLToPath(new URL('../../results', import.meta.url))

/** Where a run that began at this time is written, without the suffix. */
export function resultsName(startedAt: string): string {
  return join(resultsFolder, startedAt.replaceAll(':', '-'))
}

/**
 * Checks results against the schema and writes them, and the report beside them: under their name, to keep, and as
 * `report.html`, which is always the newest of its folder.
 *
 * @param file the JSON; its folder is made
 * @returns the report's own file
 */
export function writeResults(file: string, results: Results): string {
  check(results, file)
  const report = `${file.replace(/\.json$/, '')}.html`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(report, renderReport(results))
  copyFileSync(report, join(dirname(file), 'report.html'))
  return report
}

/** @throws BenchError when the file cannot be read or is no result of this benchmark */
export function readResults(file: string): Results {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new BenchError('RESULTS_UNREADABLE', `${file}: ${(error as Error).message}`, { cause: error })
  }
  return check(value, file)
}

function check(value: unknown, file: string): Results {
  if (Value.Check(ResultsSchema, value)) return value
  const faults = [...Value.Errors(ResultsSchema, value)].slice(0, 5)
  const list = faults.map(({ instancePath, message }) => `  ${instancePath || '/'}: ${message}`).join('\n')
  throw new BenchError('RESULTS_INVALID', `${file} does not fit results.schema.json:\n${list}`)
}
