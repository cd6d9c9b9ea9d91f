import { action, flag, runCommand } from '@reference/cli'
import { buildBundles } from '../bundles.ts'
import { runServices, SERVICE_DETAILS, SERVICE_OPTIONS } from './run-services.ts'
import { say } from './terminal.ts'

await runCommand(
  'pnpm start',
  action({
    summary: 'Run both APIs as pnpm dev does, without reloading; --built runs the bundles of production.',
    options: {
      ...SERVICE_OPTIONS,
      built: flag({ help: 'from dist/, as in production; runs pnpm build first' }),
    },
    details: SERVICE_DETAILS,
    async run({ built, ...flags }) {
      if (built) {
        say('bundling …')
        await buildBundles()
      }
      return runServices(flags, { command: 'pnpm start', watch: false, built })
    },
  }),
)
