import { action, runCommand } from '@reference/cli'
import { runServices, SERVICE_DETAILS, SERVICE_OPTIONS } from './run-services.ts'

await runCommand(
  'pnpm dev',
  action({
    summary:
      'Start Postgres and Redis without Docker, migrate, seed, and run both APIs, which reload on each change.',
    options: SERVICE_OPTIONS,
    details: SERVICE_DETAILS,
    run: (flags) => runServices(flags, { command: 'pnpm dev', watch: true, built: false }),
  }),
)
