import { action, runCommand } from '@reference/cli'
import { runServices, SERVICE_DETAILS, SERVICE_OPTIONS } from './run-services.ts'

await runCommand(
  'pnpm start',
  action({
    summary: 'Run both APIs as pnpm dev does, without reloading.',
    options: SERVICE_OPTIONS,
    details: SERVICE_DETAILS,
    run: (flags) => runServices(flags, { command: 'pnpm start', watch: false }),
  }),
)
