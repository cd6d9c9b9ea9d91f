import { runCommand } from './command.ts'
import { runServices, serviceOptions, serviceOptionsHelp } from './run-services.ts'

const help = `pnpm start [options]

Runs both APIs as pnpm dev does, without starting them again on a change.

${serviceOptionsHelp}`

await runCommand(help, serviceOptions, (values) =>
  runServices(values, { command: 'pnpm start', watch: false }),
)
