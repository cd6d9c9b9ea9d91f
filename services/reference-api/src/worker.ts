import { loadConfigOrExit, warnOfMisspelt } from '@reference/config'
import { runServer, runSettings } from '@reference/http'
import { WORKER } from '@reference/shop/services'
import { withVaultSecretsOrExit } from '@reference/systems'
import { assemble } from './assemble.ts'

/**
 * The handlers of the background jobs in a process of their own, which scales apart from the API: any number may run, beside an API with
 * JOB_HANDLERS=off or on. Its settings are those of the API. It serves `/health`, `/ready`, `/services` and `/metrics`.
 */
const config = loadConfigOrExit(WORKER, await withVaultSecretsOrExit())
// A worker answers no reads. Its memory limit has no room for tier 1 (infra/worst-case.ts).
const { app, context } = await assemble({ ...config, cacheL1: false }, { jobsRequired: true })
warnOfMisspelt(app.log)
context.handleJobs()
await context.warmUp()

await runServer(app, { ...runSettings(config), onClose: () => context.close() })
