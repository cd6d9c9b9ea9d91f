import { Registry } from '@prometheus-io/client'
import type { Config } from '@reference/config'
import { type App, createServer, type Dependency, type ServerOptions, serverSettings } from '@reference/http'
import manifest from '../package.json' with { type: 'json' }
import { type Context, createContext } from './context.ts'
import { dependenciesOf } from './dependencies.ts'

export interface AssembleOptions {
  readonly jobsRequired: boolean
  /** Systems beside the data stores. */
  readonly dependencies?: readonly Dependency[]
  readonly systems?: ServerOptions['systems']
  /** The head of the OpenAPI document. */
  readonly introduction?: Pick<ServerOptions, 'title' | 'description'>
}

export interface Assembled {
  /** Not listening yet. */
  readonly app: App
  readonly context: Context
}

/** What the API and the worker process have in common: a server with `/health`, `/ready` and `/metrics`, and the context. */
export async function assemble(
  config: Config,
  { jobsRequired, dependencies = [], systems, introduction }: AssembleOptions,
): Promise<Assembled> {
  const registry = config.metrics ? new Registry() : undefined
  const app = await createServer({
    ...serverSettings(config, manifest),
    ...introduction,
    // Asked when the server listens: the context is made after it.
    sharedCounts: () => context.cache.counts,
    dependencies: [...dependenciesOf(config, () => context, { jobsRequired }), ...dependencies],
    conditions: [{ name: 'migrations', check: (signal) => context.migrationsApplied(signal) }],
    ...(systems && { systems }),
    ...(registry && { registry }),
  })
  const context = createContext(config, { logger: app.log, registry })
  return { app, context }
}
