import { parseArgs } from 'node:util'
import { argumentsOf, runCommand } from '@reference/command'
import { loadConfigOrExit, withVaultSecretsOrExit } from '@reference/config'
import { migrate } from '@reference/database'
import { migrateJobs } from '@reference/jobs'

const help = `pnpm db:migrate

Brings the database to the newest schema: the services' tables, and those of the job queue. Does nothing when they are
the newest; several may run at once.

Connects to DATABASE_DIRECT_URL (past PgBouncer), else to DATABASE_URL.
Exit code 0, or 1 when it failed, 64 for wrong arguments, 78 for wrong settings.
`

await runCommand(help, async () => {
  const { values } = parseArgs({ args: argumentsOf(), options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) process.stdout.write(help)
  else await migrateAll()
  return 0
})

async function migrateAll(): Promise<void> {
  const { databaseDirectUrl: url } = loadConfigOrExit('reference-api', await withVaultSecretsOrExit())
  await migrate({ url })
  await migrateJobs({ directUrl: url })
  process.stdout.write('The schema is the newest.\n')
}
