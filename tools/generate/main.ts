import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { action, EXIT_CODES, flag, REPOSITORY_ROOT, runCommand, UsageError } from '@reference/cli'
import { commandFiles } from './commands.ts'
import { dashboardFiles } from './dashboards.ts'
import { faultFiles } from './faults.ts'
import { figureFiles } from './figures.ts'
import type { GeneratedFiles } from './generated-files.ts'
import { openApiFiles } from './openapi.ts'
import { settingsFiles } from './settings.ts'

const SOURCES: Readonly<Record<string, () => GeneratedFiles | Promise<GeneratedFiles>>> = {
  settings: settingsFiles,
  commands: commandFiles,
  dashboards: dashboardFiles,
  figures: figureFiles,
  faults: faultFiles,
  openapi: openApiFiles,
}

await runCommand(
  'pnpm generate',
  action({
    summary: 'Write every file that is generated from another.',
    positionals: { placeholder: `${Object.keys(SOURCES).join('|')} …`, help: 'all of them unless given' },
    options: { check: flag({ help: 'write nothing; fail when a file is not current' }) },
    details: `settings    .env.example and the tables of docs/SETTINGS.md, from packages/config/src/settings.ts
commands    the tables of docs/COMMANDS.md, from package.json and the help of each script
dashboards  infra/grafana/dashboards, from infra/grafana/src
figures     docs/images/peers.svg and the figures of README.md and docs/TUNING.md, from bench/baselines
faults      the tables of docs/FAULTS.md, from tests/faults/recorded.json
openapi     services/*/openapi.json, as the services serve it, and the types of the calls between them`,
    async run({ check }, names) {
      const unknown = names.filter((name) => !Object.hasOwn(SOURCES, name))
      if (unknown.length > 0) throw new UsageError(`Nothing to generate is called ${unknown.join(', ')}`)
      const chosen = Object.entries(SOURCES).filter(([name]) => names.length === 0 || names.includes(name))
      const files = await Promise.all(chosen.map(([, make]) => make()))
      const stale = files.flatMap((each) => [...each]).filter(([path, text]) => text !== read(path))
      for (const [path, text] of check ? [] : stale) write(path, text)
      for (const [path] of check ? stale : []) process.stderr.write(`${path} is not current: pnpm generate\n`)
      return check && stale.length > 0 ? EXIT_CODES.FAILED : EXIT_CODES.OK
    },
  }),
)

function read(path: string): string | undefined {
  try {
    return readFileSync(join(REPOSITORY_ROOT, path), 'utf8')
  } catch {
    return undefined
  }
}

function write(path: string, text: string | undefined): void {
  const file = join(REPOSITORY_ROOT, path)
  if (text === undefined) rmSync(file)
  else writeFileSync(file, text)
}
