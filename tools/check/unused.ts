import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { REPOSITORY_ROOT } from '@reference/cli'

interface Found {
  readonly name: string
  readonly line?: number
}

/** One file of knip's report: for each kind of fault, the names that were found. */
type FileReport = { readonly file: string } & Readonly<Record<string, readonly Found[]>>

const WORDING: Readonly<Record<string, string>> = {
  files: 'nothing imports this file, and knip.json does not list it as an entry',
  dependencies: 'unused dependency',
  devDependencies: 'unused dependency of development',
  unlisted: 'imported and not in the manifest',
  unresolved: 'the import cannot be resolved',
  exports: 'unused export',
  nsExports: 'unused export',
  types: 'unused exported type',
  nsTypes: 'unused exported type',
  duplicates: 'exported twice',
}
/** A package exports the types of its options and results, whether or not another package names them. */
const PACKAGE_ENTRY = /(^|\/)index\.ts$/

/**
 * What packages offer to the services, whether or not a service of this clone imports it: the only one that does can be removed.
 */
const OFFERED: Readonly<Record<string, readonly string[]>> = {
  'packages/async/src/index.ts': [
    'createSemaphore',
    'createSerialSingleFlight',
    'fetchAll',
    'fetchPartial',
    'PartFailedError',
  ],
  'packages/cli/src/index.ts': ['describeError', 'parseInteger'],
  'packages/config/src/errors.ts': ['EXIT_TEMPORARY'],
  'packages/config/src/index.ts': ['EXIT_CONFIG', 'EXIT_TEMPORARY', 'servicesOf'],
  'packages/database/src/index.ts': ['repeated'],
  'packages/http/src/index.ts': ['sendJson'],
  'packages/probes/src/index.ts': ['codeOf', 'createProbe', 'probeError'],
  'tests/observability/expressions.ts': ['ruleExpressions', 'rulesInFiles', 'runsHere', 'seriesOf'],
  'packages/shop/src/orders/table.ts': ['isRepresentable'],
  'packages/threads/src/index.ts': ['createWorkerPool'],
  'tests/testing/ledger.ts': ['audit', 'startLedger'],
  'tests/testing/load.ts': ['capacity', 'holdsWithin', 'percentile', 'reads', 'startLoad'],
  'tools/prod/index.ts': ['openState'],
  'bench/src/load/index.ts': ['openLoop', 'startLoad'],
  'bench/src/stats/index.ts': ['effectOfBoots', 'mean', 'median'],
}

/** Unused exports, files and dependencies, one line each. */
export async function unusedFaults(): Promise<string[]> {
  const options = ['--reporter', 'json', '--no-config-hints', '--no-exit-code', '--cache']
  const { stdout } = await promisify(execFile)(join(REPOSITORY_ROOT, 'node_modules/.bin/knip'), options, {
    cwd: REPOSITORY_ROOT,
    maxBuffer: 64e6,
  })
  const { issues } = JSON.parse(stdout) as { issues: FileReport[] }
  return issues.flatMap(faultsOf).sort()
}

function faultsOf(report: FileReport): string[] {
  return Object.entries(WORDING).flatMap(([kind, wording]) => {
    const found = kind.endsWith('ypes') && PACKAGE_ENTRY.test(report.file) ? [] : (report[kind] ?? [])
    const offered = OFFERED[report.file] ?? []
    return found
      .filter(({ name }) => !offered.includes(name))
      .map(({ name, line }) => `${report.file}${line ? `:${line}` : ''}: ${wording}: ${name}`)
  })
}
