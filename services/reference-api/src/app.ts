import type { Config } from '@reference/config'
import { createRowAudit } from '@reference/database'
import type { App } from '@reference/http'
import { createProbes, probeSettings } from '@reference/probes'
import { SHOP_TABLES } from '@reference/shop'
import { createSystems, systemSettings } from '@reference/systems'
import { assemble } from './assemble.ts'
import { INTRODUCTION } from './introduction.ts'
import { configRoutes } from './routes/config.ts'
import { jobRoutes } from './routes/jobs.ts'
import { orderRoutes } from './routes/orders.ts'
import { productRoutes } from './routes/products.ts'
import { userRoutes } from './routes/users.ts'

const ROUTES = [userRoutes, productRoutes, orderRoutes, configRoutes, jobRoutes]

/**
 * The API: the common parts of the service, and its routes.
 *
 * @returns the server, not listening yet, and `close` for everything else that was opened
 */
export async function createApp(config: Config): Promise<{ app: App; close: () => Promise<void> }> {
  const probes = createProbes(probeSettings(config))
  const systems = createSystems(systemSettings(config))
  const { app, context } = await assemble(config, {
    // Without the queue POST /process-data is a 503, and every other call works.
    jobsRequired: false,
    dependencies: [...probes.dependencies, ...systems.dependencies],
    systems: probes.nodes,
    introduction: INTRODUCTION,
  })
  for (const addRoutes of ROUTES) addRoutes(app, context)
  if (config.jobHandlers) context.handleJobs() // part:jobs

  const { database, registry } = context
  const audit = createRowAudit({
    database,
    tables: SHOP_TABLES,
    onFault: (fault) =>
      app.log.warn(
        fault,
        'a check of the schema does not hold for all rows: lists leave out the rows that break it',
      ),
    ...(registry && { registry }),
  })
  const close = async () => {
    audit.close()
    await Promise.all([context.close(), probes.close(), systems.close()])
  }
  await context.warmUp()
  return { app, close }
}
