import { runCommand } from './command.ts'
import { runServices, serviceOptions, serviceOptionsHelp } from './run-services.ts'

const help = `pnpm start [options]

Runs both APIs without reloading. Where DATABASE_URL is set they use that server as it is (run pnpm db:migrate before), and
REDIS_URL or REDIS_CLUSTER_NODES, if set; otherwise Postgres and Redis are started as in pnpm dev.

${serviceOptionsHelp}`

const { DATABASE_URL, REDIS_URL, REDIS_CLUSTER_NODES } = process.env

await runCommand(help, serviceOptions, (values) =>
  runServices(values, {
    watch: false,
    given: {
      databaseUrl: DATABASE_URL || undefined,
      redisGiven: Boolean(REDIS_URL || REDIS_CLUSTER_NODES),
    },
  }),
)
