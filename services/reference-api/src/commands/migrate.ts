import { parseArgs } from 'node:util'
import { loadConfigOrExit, withVaultSecretsOrExit } from '@reference/config'
import { migrate } from '@reference/database'
import { migrateJobs } from '@reference/jobs'

const help = `pnpm db:migrate

Brings the database to the newest schema: the services' tables, and those of the job queue. Does nothing when they are
the newest; several may run at once.

Connects to DATABASE_DIRECT_URL (past PgBouncer), else to DATABASE_URL.
Exit code 0, or 1 when it failed, 64 for wrong arguments, 78 for wrong settings.
`

const EXIT_USAGE = 64

try {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) process.stdout.write(help)
  else await migrateAll()
} catch (error) {
  const usage = error instanceof TypeError && 'code' in error
  process.stderr.write(`${sentenceOf(error)}\n${usage ? `\n${help}` : ''}`)
  process.exitCode = usage ? EXIT_USAGE : 1
}

/** With what it is about: that a connection was refused says more than that there is none. */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? `: ${error.cause.message || error.cause.name}` : ''
  return `${error.message}${cause}`
}

async function migrateAll(): Promise<void> {
  const { databaseDirectUrl: url } = loadConfigOrExit('reference-api', await withVaultSecretsOrExit())
  await migrate({ url })
  await migrateJobs({ directUrl: url })
  process.stdout.write('The schema is the newest.\n')
}
