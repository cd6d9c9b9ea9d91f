import { loadConfigOrExit, warnOfMisspelt, withVaultSecretsOrExit } from '@reference/config'
import { createDatabase, databaseSettings, warnOfSettings } from '@reference/database'
import { createServer, runServer, runSettings, serverSettings } from '@reference/http'
import { createWorkerPool } from '@reference/threads'
import { Registry } from 'prom-client'
import { createJobQueue, handleJobs } from './job-queue.ts'

/**
 * The handlers of the background jobs in a process of their own, to be scaled apart from the API: as many as wished may
 * run, beside an API with JOB_HANDLERS=off or on. Settings are those of the API; it answers `/health`, `/ready`,
 * `/services` and `/metrics`.
 */
const SERVICE = 'reference-worker'
const DEFAULT_PORT = 8002

const environment = await withVaultSecretsOrExit()
const { PORT, PORT_FILE } = environment
const config = loadConfigOrExit('reference-api', {
  ...environment,
  ...(PORT || PORT_FILE ? {} : { PORT: `${DEFAULT_PORT}` }),
})
const registry = config.metrics ? new Registry() : undefined
const metrics = registry === undefined ? {} : { registry }

const database = createDatabase({
  ...databaseSettings(config),
  applicationName: SERVICE,
  ...metrics,
  onSettings: (pool, differences) => warnOfSettings(app.log, pool, differences),
})
const app = await createServer({
  ...serverSettings(config),
  service: SERVICE,
  dependencies: [
    { name: 'postgres', required: true, thresholdMs: 1000, check: (signal) => database.ready(signal) },
    { name: 'jobs', required: true, thresholdMs: 1000, check: (signal) => jobs.ready(signal) },
  ],
  ...metrics,
})
warnOfMisspelt(app.log)
const jobs = createJobQueue(config, { applicationName: SERVICE, logger: app.log, ...metrics })
const workers = createWorkerPool({
  filename: new URL('./jobs/digest.ts', import.meta.url),
  threads: config.workerThreads,
  ...metrics,
})
handleJobs(jobs, { database, workers })

await runServer(app, {
  ...runSettings(config),
  onClose: async () => {
    await jobs.close()
    await Promise.all([workers.close(), database.close()])
  },
})
