import { loadConfigOrExit, warnOfMisspelt, withVaultSecretsOrExit } from '@reference/config'
import { runServer, runSettings } from '@reference/http'
import { assemble } from './assemble.ts'

/**
 * The handlers of the background jobs in a process of their own, which scales apart from the API: any number may run, beside an API with
 * JOB_HANDLERS=off or on. Its settings are those of the API. It serves `/health`, `/ready`, `/services` and `/metrics`.
 */
const SERVICE = 'reference-worker'
const DEFAULT_PORT = 8002

const environment = await withVaultSecretsOrExit()
const { PORT, PORT_FILE } = environment
const config = loadConfigOrExit('reference-api', {
  ...environment,
  ...(PORT || PORT_FILE ? {} : { PORT: `${DEFAULT_PORT}` }),
})
const { app, context } = await assemble(config, { name: SERVICE, jobsRequired: true })
warnOfMisspelt(app.log)
context.handleJobs()
await context.warmUp()

await runServer(app, { ...runSettings(config), onClose: () => context.close() })
