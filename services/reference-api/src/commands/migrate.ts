import { action, runCommand, withDevelopmentStack } from '@reference/cli'
import { loadConfigOrExit } from '@reference/config'
import { grantRows } from '@reference/database'
import { JOBS_SCHEMA, migrateJobs } from '@reference/jobs'
import { migrate } from '@reference/shop'
import { SERVICES } from '@reference/shop/services'
import { withVaultSecretsOrExit } from '@reference/systems'

const DETAILS = `
Prints the name of each migration that it applies, or that there is nothing to apply. Several may run at once.
Connects to DATABASE_OWNER_URL, else to DATABASE_DIRECT_URL (past PgBouncer), else to DATABASE_URL. Without any of them it
finds the database of the pnpm dev, pnpm start or pnpm stack that runs in this clone. With DATABASE_OWNER_URL
the user of the other URLs gets the right to read and write rows, and no other.
Exit code 0, 1 when it failed, 64 for wrong arguments, 78 for wrong settings.
`

await runCommand(
  'pnpm db:migrate',
  action({
    summary: 'Bring the tables of the services and of the job queue to the newest schema.',
    details: DETAILS,
    async run() {
      const { databaseDirectUrl: url, databaseOwnerUrl: ownerUrl = url } = loadConfigOrExit(
        SERVICES['reference-api'],
        await withVaultSecretsOrExit(withDevelopmentStack()),
      )
      const { applied, changed } = await migrate({ url: ownerUrl })
      const jobs = await migrateJobs({ directUrl: ownerUrl })
      await grantRows({ ownerUrl, url, schemas: ['public', JOBS_SCHEMA] })
      const lines = applied.map((name) => `applied ${name}`)
      if (jobs.changed) lines.push(`applied the tables of the job queue, version ${jobs.version}`)
      if (lines.length === 0) lines.push('nothing to apply: the schema is the newest')
      lines.push(
        ...changed.map(
          (name) => `unchanged ${name}: its file was changed after it was applied here, without effect`,
        ),
      )
      process.stdout.write(`${lines.join('\n')}\n`)
      return 0
    },
  }),
)
