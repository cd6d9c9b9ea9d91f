import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { BenchError } from '../errors.ts'
import { DUET_SCHEMA, type DuetResults } from './duet-schema.ts'
import { renderReport } from './html.ts'
import { SCALE_SCHEMA, type ScaleResults } from './scale-schema.ts'
import { RESULTS_SCHEMA, type Results } from './schema.ts'

const RESULTS_FOLDER = fileURLToPath(new URL('../../results', import.meta.url))

/** The default file of a run, without suffix. */
export function resultsName(startedAt: string): string {
  return join(RESULTS_FOLDER, startedAt.replaceAll(':', '-'))
}

/** Writes a file and creates its folder. */
export function writeFile(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/**
 * Checks results against the schema and writes them with a report of the same name. `report.html` in the same folder is
 * always the newest report.
 *
 * @param file the JSON file
 * @returns the file of the report
 * @throws BenchError when the results do not match the schema
 */
export function writeResults(file: string, results: Results): string {
  check(results, file)
  const report = `${file.replace(/\.json$/, '')}.html`
  writeFile(file, `${JSON.stringify(results, null, 2)}\n`)
  writeFile(report, renderReport(results))
  copyFileSync(report, join(dirname(file), 'report.html'))
  return report
}

/** Checks results of `bench floor` or `bench peers` against their schema and writes them. */
export function writeDuetResults(file: string, results: DuetResults): void {
  checkDuet(results, file)
  writeFile(file, `${JSON.stringify(results, null, 2)}\n`)
}

/** Checks results of `bench scale` against their schema and writes them. */
export function writeScaleResults(file: string, results: ScaleResults): void {
  checkWith(SCALE_SCHEMA, 'the schema of bench scale', results, file)
  writeFile(file, `${JSON.stringify(results, null, 2)}\n`)
}

/** @throws BenchError when the file cannot be read or does not match the schema */
export function readResults(file: string): Results {
  return check(readJson(file), file)
}

/**
 * Checks a file of results of any command.
 *
 * @throws BenchError when the file cannot be read or does not match its schema
 */
export function validateResults(file: string): void {
  const value = readJson(file)
  // The results of `pnpm bench` itself have no kind.
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined
  if (kind === undefined) check(value, file)
  else if (kind === 'scale') checkWith(SCALE_SCHEMA, 'the schema of bench scale', value, file)
  else checkDuet(value, file)
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new BenchError('RESULTS_UNREADABLE', `${file} cannot be read`, { cause: error })
  }
}

function check(value: unknown, file: string): Results {
  return checkWith(RESULTS_SCHEMA, 'results.schema.json', value, file)
}

function checkDuet(value: unknown, file: string): DuetResults {
  return checkWith(DUET_SCHEMA, 'duet-results.schema.json', value, file)
}

function checkWith<Schema extends TSchema>(
  schema: Schema,
  name: string,
  value: unknown,
  file: string,
): Static<Schema> {
  if (Value.Check(schema, value)) return value
  const errors = [...Value.Errors(schema, value)].slice(0, 5)
  const list = errors.map(({ instancePath, message }) => `  ${instancePath || '/'}: ${message}`).join('\n')
  throw new BenchError('RESULTS_INVALID', `${file} does not match ${name}:\n${list}`)
}
