import { parseArgs } from 'node:util'
import { migrate } from '@reference/database'
import { migrateJobs } from '@reference/jobs'

const help = `pnpm db:migrate

Brings the database to the newest schema: the services' tables, and those of the job queue. Does nothing when they are
the newest; several may run at once.

Connects to DATABASE_DIRECT_URL (past PgBouncer), else to DATABASE_URL. NAME_FILE reads a URL from a file.
Exit code 0, or 1 when it failed, 64 for wrong arguments, 78 without a URL.
`
