import type { PostgresServer } from './server.ts'

/**
 * The options of postgres.js that replace a URL. Every option is set, because postgres.js reads an absent one from a `PG…` variable.
 * The password is a function, because postgres.js replaces an empty one by PGPASSWORD.
 */
export function postgresJsOptions(server: PostgresServer) {
  return {
    host: server.host,
    port: server.port,
    ...(server.socketPath !== undefined && { path: server.socketPath }),
    user: server.user,
    pass: () => server.password,
    database: server.database,
    // `openConnection` has set up TLS already.
    ssl: false as const,
    keep_alive: null,
  }
}

/**
 * Runs `make` without libpq's variables in the environment: drivers read them for each option that is absent or empty, and some
 * of the variables have no option that means "none" (PGTARGETSESSIONATTRS, PGOPTIONS).
 */
export function withoutLibpqVariables<T>(make: () => T): T {
  const hidden = Object.entries(process.env).filter(([name]) => name.startsWith('PG'))
  for (const [name] of hidden) delete process.env[name]
  try {
    return make()
  } finally {
    for (const [name, value] of hidden) process.env[name] = value
  }
}
