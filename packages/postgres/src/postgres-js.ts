import type { PostgresServer } from './server.ts'

/**
 * What postgres.js is given instead of a URL. Everything is named, since it takes what is absent from `PG…` variables; the
 * password is a function, since it takes an empty one from PGPASSWORD.
 */
export function postgresJsOptions(server: PostgresServer) {
  return {
    host: server.host,
    port: server.port,
    ...(server.socketPath !== undefined && { path: server.socketPath }),
    user: server.user,
    pass: () => server.password,
    database: server.database,
    // The connection comes with TLS, see `openConnection`.
    ssl: false as const,
    keep_alive: null,
  }
}

/**
 * Runs `make` without the variables of libpq in the environment: drivers read them where an option is absent or empty, and
 * some have no option that means "none" (PGTARGETSESSIONATTRS, PGOPTIONS).
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
