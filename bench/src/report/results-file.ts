import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { BenchError } from '../errors.ts'
import { BREAK_EVEN_SCHEMA, type BreakEvenResults } from './break-even-schema.ts'
import { DUET_SCHEMA, type DuetResults } from './duet-schema.ts'
import { renderReport } from './html.ts'
import { OVERLOAD_SCHEMA, type OverloadResults } from './overload-schema.ts'
import { SCALE_SCHEMA, type ScaleResults } from './scale-schema.ts'
import { RESULTS_SCHEMA, type Results } from './schema.ts'

/** Schemas by the `kind` of the results, with the name that an error gives them. */
const SCHEMAS = {
  floor: { schema: DUET_SCHEMA, name: 'duet-results.schema.json' },
  peers: { schema: DUET_SCHEMA, name: 'duet-results.schema.json' },
  scale: { schema: SCALE_SCHEMA, name: 'the schema of bench scale' },
  'break-even': { schema: BREAK_EVEN_SCHEMA, name: 'the schema of bench break-even' },
  overload: { schema: OVERLOAD_SCHEMA, name: 'the schema of bench overload' },
} as const

type Kind = keyof typeof SCHEMAS
type ResultsOfKind = DuetResults | ScaleResults | BreakEvenResults | OverloadResults

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

/** Checks results of a command with a schema of its own and writes them. @throws BenchError when they do not match it */
export function writeResultsOfKind(file: string, results: ResultsOfKind): void {
  checkOfKind(results.kind, results, file)
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
  if (typeof value !== 'object' || value === null || !('kind' in value)) check(value, file)
  else if (isKind(value.kind)) checkOfKind(value.kind, value, file)
  else throw new BenchError('RESULTS_INVALID', `${file} has results of an unknown kind: ${value.kind}`)
}

/** @throws BenchError when the file cannot be read or does not hold results of `bench break-even` */
export function readBreakEven(file: string): BreakEvenResults {
  const { schema, name } = SCHEMAS['break-even']
  return checkWith(schema, name, readJson(file), file)
}

/** @throws BenchError when the file cannot be read or does not hold results of `bench overload` */
export function readOverload(file: string): OverloadResults {
  const { schema, name } = SCHEMAS.overload
  return checkWith(schema, name, readJson(file), file)
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

function isKind(kind: unknown): kind is Kind {
  return typeof kind === 'string' && Object.hasOwn(SCHEMAS, kind)
}

function checkOfKind(kind: Kind, value: unknown, file: string): void {
  const { schema, name } = SCHEMAS[kind]
  checkWith<TSchema>(schema, name, value, file)
}

function checkWith<Schema extends TSchema>(
  schema: Schema,
  name: string,
  value: unknown,
  file: string,
): Static<Schema> {
  if (Value.Check(schema, value)) return value
  refuseOlderVersion(schema, value, file)
  const errors = [...Value.Errors(schema, value)].slice(0, 5)
  const list = errors.map(({ instancePath, message }) => `  ${instancePath || '/'}: ${message}`).join('\n')
  throw new BenchError('RESULTS_INVALID', `${file} does not match ${name}:\n${list}`)
}

/** Results of an older version of the benchmark have other figures, not only other names. */
function refuseOlderVersion(schema: TSchema, value: unknown, file: string): void {
  const expected: unknown = Object(schema).properties?.schemaVersion?.const
  const found: unknown = Object(value).schemaVersion
  if (typeof expected !== 'number' || typeof found !== 'number' || found >= expected) return
  throw new BenchError(
    'RESULTS_INVALID',
    `${file} has results of schemaVersion ${found}, from an older version of this benchmark: measure them anew`,
  )
}
