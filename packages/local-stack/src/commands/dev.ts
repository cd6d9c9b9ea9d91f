import { runCommand } from './command.ts'
import { runServices, serviceOptions, serviceOptionsHelp } from './run-services.ts'

const help = `pnpm dev [options]

Starts Postgres and Redis (no Docker), migrates and seeds, and runs both APIs, which start again on each change.

${serviceOptionsHelp}`

await runCommand(help, serviceOptions, (values) => runServices(values, { command: 'pnpm dev', watch: true }))
