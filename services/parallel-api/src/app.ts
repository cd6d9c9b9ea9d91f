import { Registry } from '@prometheus-io/client'
import type { Config } from '@reference/config'
import { type App, createServer, type OverloadOptions, serverSettings } from '@reference/http'
import { createProbes, probeSettings } from '@reference/probes'
import { createSystems, systemSettings } from '@reference/systems'
import manifest from '../package.json' with { type: 'json' }
import { createContext, type Deadlines } from './context.ts'
import { dependenciesOf } from './dependencies.ts'
import { INTRODUCTION } from './introduction.ts'
import { aggregateRoute } from './routes/aggregate.ts'
import { allRoute } from './routes/all.ts'
import { reportRoute } from './routes/report.ts'
import { userRoute } from './routes/users.ts'

export interface AppOptions {
  /** In place of the default ones. */
  readonly deadlines?: Partial<Deadlines>
  readonly overload?: OverloadOptions
}

/**
 * The server with its routes, and the context that they use.
 *
 * @returns the server, not listening yet, and `close` for everything else that was opened
 */
export async function createApp(
  config: Config,
  { deadlines, overload }: AppOptions = {},
): Promise<{ app: App; close: () => Promise<void> }> {
  const registry = config.metrics ? new Registry() : undefined
  const probes = createProbes(probeSettings(config))
  const systems = createSystems(systemSettings(config))
  const app = await createServer({
    ...serverSettings(config, manifest),
    ...INTRODUCTION,
    // Asked when the server listens: the context is made after it.
    sharedCounts: () => context.cache.counts,
    // The context needs the server's logger and is made after it; no check runs before the server listens.
    dependencies: [...dependenciesOf(config, () => context), ...probes.dependencies, ...systems.dependencies],
    systems: probes.nodes,
    conditions: [{ name: 'migrations', check: (signal) => context.migrationsApplied(signal) }],
    ...(overload && { overload }),
    ...(registry && { registry }),
  })
  const context = createContext(config, { logger: app.log, registry, deadlines })

  allRoute(app, context)
  aggregateRoute(app, context)
  reportRoute(app, context)
  userRoute(app, context)

  // Check the settings of the database sessions at start, not only when a readiness probe connects.
  void context.database.ready().catch(() => {})
  void context.migrationsApplied().catch(() => {})

  const close = async () => {
    await Promise.all([context.close(), probes.close(), systems.close()])
  }
  return { app, close }
}
